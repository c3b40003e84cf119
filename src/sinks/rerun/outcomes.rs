//! Outcomes as Rerun archetypes; those of the vehicle frame below `world/vehicle/stages`, pictures below `results`.

use super::frames::{annotation, labels, rgb, stride};
use super::pen::{Pen, Recent, path};
use crate::sinks::paint;
use crate::types::{
    BevMap, Box3, ClassList, ColouredCloud, Control, FragmentMatch, LabelImage, Outcome, Packet, Projection, Result, RgbImage, Trajectory,
    VoxelGrid, num,
};
use ::rerun::components::{FillMode, Radius};
use ::rerun::datatypes::{Quaternion, Rgba32};
use ::rerun::{EntityPath, archetypes as draw};
use std::collections::HashMap;
use std::sync::Arc;

/// What was shown of the outcomes so far.
#[derive(Default)]
pub struct Outcomes {
    shown: Recent<(Arc<str>, u64, usize)>,
    classes: HashMap<Arc<str>, Arc<ClassList>>,
}

/// Where a stage's results in the vehicle frame go.
pub fn vehicle_path(stage: &str, kind: &str) -> EntityPath {
    path(&["world", "vehicle", "stages", stage, kind])
}

/// Where a stage's pictures go.
pub fn picture_path(stage: &str, kind: &str) -> EntityPath {
    path(&["results", stage, kind])
}

/// Where a stage's points over a camera's picture go: below the camera.
pub fn projection_path(camera: EntityPath, stage: &str) -> EntityPath {
    camera.join(&path(&["points", stage]))
}

impl Outcomes {
    /// Writes each outcome of the packet that was not written yet (branches bring the common ones several times).
    pub fn show(&mut self, pen: &Pen, packet: &Packet) -> Result<()> {
        for (index, (stage, outcome)) in packet.outcomes.iter().enumerate() {
            let nth = packet.outcomes.iter().take(index).filter(|(s, _)| s == stage).count();
            if self.shown.first((Arc::clone(stage), packet.head.seq, nth)) {
                self.one(pen, stage, outcome)?;
            }
        }
        Ok(())
    }

    fn one(&mut self, pen: &Pen, stage: &Arc<str>, outcome: &Outcome) -> Result<()> {
        match outcome {
            Outcome::Fused(image) => pen.draw(picture_path(stage, "fused"), rgb(image, pen.config.jpeg_quality)?.as_ref()),
            Outcome::Segmentation(image) => self.segmentation(pen, stage, image),
            Outcome::Boxes3(list) => pen.draw(vehicle_path(stage, "boxes"), &boxes(list)),
            Outcome::Cloud(cloud) => pen.draw(vehicle_path(stage, "cloud"), &coloured(cloud, pen.config.max_points)),
            Outcome::Projection(p) => pen.draw(projection_path(pen.sensor(p.camera), stage), &projected(p, pen.config.max_points)),
            Outcome::Voxels(grid) => pen.draw(vehicle_path(stage, "voxels"), &voxels(grid, pen.config.max_points / 4)),
            Outcome::Confidence(image) => {
                let (height, width) = image.scores.dim();
                let painted = RgbImage::new(width, height, paint::score_rgb(image))?;
                pen.draw(picture_path(stage, "confidence").join(&path(&[&image.of])), rgb(&painted, pen.config.jpeg_quality)?.as_ref())
            }
            Outcome::Map(map) => {
                pen.draw(vehicle_path(stage, "map"), &ground(map))?;
                pen.draw(picture_path(stage, "map"), &above(map))
            }
            Outcome::Trajectory(line) => pen.draw(vehicle_path(stage, "trajectory"), &way(line)),
            Outcome::Matches(pairs) => pen.draw(picture_path(stage, "matches"), &draw::TextDocument::from_markdown(table(pairs))),
            Outcome::Control(c) => control(pen, stage, c),
            Outcome::Numbers(list) => {
                list.iter().try_for_each(|(name, v)| pen.draw(path(&["numbers", stage, name]), &draw::Scalars::single(*v)))
            }
        }
    }

    fn segmentation(&mut self, pen: &Pen, stage: &Arc<str>, image: &LabelImage) -> Result<()> {
        let at = picture_path(stage, "segmentation");
        if self.classes.get(stage).is_none_or(|c| *c != image.classes) {
            pen.fix(at.clone(), &annotation(&image.classes))?;
            self.classes.insert(Arc::clone(stage), Arc::clone(&image.classes));
        }
        pen.draw(at, &labels(image))
    }
}

/// Throttle, steer and brake as numbers over time.
pub fn control(pen: &Pen, name: &str, c: &Control) -> Result<()> {
    let number = |part: &str, value: f32| pen.draw(path(&["control", name, part]), &draw::Scalars::single(f64::from(value)));
    number("throttle", c.throttle)?;
    number("steer", c.steer)?;
    number("brake", c.brake)
}

/// A map as a picture, forward up.
pub fn above(map: &BevMap) -> draw::Image {
    let (width, height, bytes) = paint::map_rgba(map);
    draw::Image::from_rgba32(bytes, [num::u32(width), num::u32(height)])
}

/// A map as a picture that lies on the ground, a hand's breadth below z = 0 so that points on the road stay visible.
pub fn ground(map: &BevMap) -> draw::Mesh3D {
    let (width, height, bytes) = paint::map_rgba(map);
    let [x, y] = map.origin;
    let (far, left) = (x + map.cell * map.nx as f64, y + map.cell * map.ny as f64);
    let at = |x: f64, y: f64| [num::f32(x), num::f32(y), -0.1];
    let format = ::rerun::components::ImageFormat::rgba8([num::u32(width), num::u32(height)]);
    draw::Mesh3D::new([at(far, left), at(far, y), at(x, y), at(x, left)])
        .with_triangle_indices([[0, 2, 1], [0, 3, 2]])
        .with_vertex_texcoords([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
        .with_albedo_texture(format, bytes)
}

/// A path on the ground, with a dot at each point that has a time.
pub fn way(line: &Trajectory) -> draw::LineStrips3D {
    let points: Vec<[f32; 3]> = line.points.iter().map(|p| p.map(num::f32)).collect();
    let colour = if line.times.is_empty() { Rgba32::from_rgb(80, 200, 255) } else { Rgba32::from_rgb(120, 255, 120) };
    draw::LineStrips3D::new([points]).with_colors([colour]).with_radii([Radius::new_scene_units(0.08)])
}

fn table(pairs: &[FragmentMatch]) -> String {
    let row = |p: &FragmentMatch| format!("| {} | {} | {:.3} |\n", p.target, p.source, p.score);
    format!("| target | source | score |\n|---|---|---|\n{}", pairs.iter().map(row).collect::<String>())
}

/// Boxes with class, confidence and identity.
pub fn boxes(list: &[Box3]) -> draw::Boxes3D {
    let half = |b: &Box3| b.size.map(|s| num::f32(s / 2.0));
    let turn = |b: &Box3| {
        let (sin, cos) = (b.yaw / 2.0).sin_cos();
        Quaternion::from_xyzw([0.0, 0.0, num::f32(sin), num::f32(cos)])
    };
    let label = |b: &Box3| match b.track {
        Some(track) => format!("{} {:.2} #{track}", b.class, b.score),
        None => format!("{} {:.2}", b.class, b.score),
    };
    draw::Boxes3D::from_centers_and_half_sizes(list.iter().map(|b| b.centre.map(num::f32)), list.iter().map(half))
        .with_quaternions(list.iter().map(turn))
        .with_colors(list.iter().map(|b| paint::class_colour(&b.class)))
        .with_labels(list.iter().map(label))
        .with_radii([Radius::new_ui_points(1.5)])
}

fn coloured(cloud: &ColouredCloud, limit: usize) -> draw::Points3D {
    let step = stride(cloud.positions.len(), limit);
    draw::Points3D::new(cloud.positions.iter().step_by(step).copied())
        .with_colors(cloud.colours.iter().step_by(step).copied())
        .with_radii([Radius::new_ui_points(2.5)])
}

fn projected(points: &Projection, limit: usize) -> draw::Points2D {
    let step = stride(points.pixels.len(), limit);
    // Rerun puts pixel centres at one half.
    draw::Points2D::new(points.pixels.iter().step_by(step).map(|[u, v]| [u + 0.5, v + 0.5]))
        .with_colors(points.depths.iter().step_by(step).map(|d| paint::turbo(paint::depth_fraction(*d))))
        .with_radii([Radius::new_ui_points(1.5)])
        .with_draw_order(30.0)
}

fn voxels(grid: &VoxelGrid, limit: usize) -> draw::Boxes3D {
    let shown = || grid.indices.iter().step_by(stride(grid.indices.len(), limit));
    let centre = |index: &[u32; 3]| {
        let mut at = grid.origin;
        for (a, (i, edge)) in at.iter_mut().zip(index.iter().zip(grid.voxel)) {
            *a += (num::f32(f64::from(*i)) + 0.5) * edge;
        }
        at
    };
    let colours = shown().map(|i| paint::turbo(centre(i).last().map_or(0.0, |z| (z + 2.0) / 6.0)));
    let halves = shown().map(|_| grid.voxel.map(|e| e * 0.45));
    draw::Boxes3D::from_centers_and_half_sizes(shown().map(centre), halves).with_colors(colours).with_fill_mode(FillMode::Solid)
}
