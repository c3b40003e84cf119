//! Frames as Rerun archetypes: calibration, pictures, clouds, ego motion, small readings.
//!
//! Camera frames are right-down-forward, the vehicle is forward-left-up; depth is written in whole millimetres, 0 is a hole.

use super::outcomes;
use super::pen::{Pen, Recent, in_world, path};
use super::{CloudColour, RerunConfig};
use crate::runtime::Layout;
use crate::sinks::paint;
use crate::types::{
    Calibration, ClassList, DepthImage, EgoState, Error, Frame, Intrinsics, LabelImage, Modality, Packet, Payload, PointCloud, Pose,
    RadarScan, Result, RgbImage, SensorId, num,
};
use ::rerun::components::Radius;
use ::rerun::datatypes::{AnnotationInfo, ChannelDatatype, ClassDescription, Quaternion, Rgba32};
use ::rerun::{AsComponents, archetypes as draw};
use image::ExtendedColorType as Colour;
use rayon::prelude::*;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Something to write, made on any thread.
type Drawing = Box<dyn AsComponents + Send>;

/// What was shown of the frames so far.
#[derive(Default)]
pub struct Frames {
    shown: Recent<(SensorId, u64)>,
    calibrations: HashMap<SensorId, (Arc<Calibration>, [usize; 2])>,
    classes: HashMap<SensorId, Arc<ClassList>>,
    track: VecDeque<[f32; 3]>,
}

impl Frames {
    /// Writes what is known before the first frame.
    pub fn start(pen: &Pen, layout: &Layout) -> Result<Self> {
        let mut frames = Self::default();
        pen.fix(path(&["world"]), &draw::ViewCoordinates::RIGHT_HAND_Z_UP())?;
        pen.fix(path(&["world", "vehicle"]), &draw::ViewCoordinates::FLU())?;
        for sensor in layout.sensors.iter().filter(|s| in_world(s.modality, s.calibration.intrinsics.is_some())) {
            let size = sensor.calibration.intrinsics.map_or([0; 2], |k| [k.width, k.height]);
            frames.place(pen, sensor.id, &sensor.calibration, size)?;
        }
        Ok(frames)
    }

    /// Writes each frame of the packet that was not written yet.
    pub fn show(&mut self, pen: &Pen, packet: &Packet) -> Result<()> {
        let fresh: Vec<&Frame> = packet.bundle.frames.iter().filter(|f| self.shown.first((f.sensor, f.seq))).collect();
        let drawings: Vec<Result<Option<Drawing>>> = fresh.par_iter().map(|f| drawing(f, &pen.config)).collect();
        for (frame, drawing) in fresh.into_iter().zip(drawings) {
            self.place(pen, frame.sensor, &frame.calibration, size(&frame.payload))?;
            self.small(pen, frame)?;
            if let Some(drawing) = drawing.map_err(|e| e.at(frame.sensor.name()))? {
                pen.draw(pen.sensor(frame.sensor), drawing.as_ref())?;
            }
        }
        Ok(())
    }

    /// Writes a sensor's pose and lens if they are new. They hold at all times, so that a server short of memory keeps them.
    fn place(&mut self, pen: &Pen, sensor: SensorId, calibration: &Arc<Calibration>, size: [usize; 2]) -> Result<()> {
        let known =
            self.calibrations.get(&sensor).is_some_and(|(old, s)| *s == size && (Arc::ptr_eq(old, calibration) || old == calibration));
        let at = pen.sensor(sensor);
        if known || !at.starts_with(&path(&["world"])) {
            return Ok(());
        }
        pen.fix(at.clone(), &transform(&calibration.extrinsics))?;
        if let Some(lens) = calibration.intrinsics {
            let [width, height] = size;
            let fitted = if width * height > 0 { lens.resized(width, height) } else { lens };
            pen.fix(at, &pinhole(&fitted, pen.image_plane))?;
        }
        self.calibrations.insert(sensor, (Arc::clone(calibration), size));
        Ok(())
    }

    /// Class names, ego motion and scalar readings.
    fn small(&mut self, pen: &Pen, frame: &Frame) -> Result<()> {
        let at = |name: &str| path(&["state", frame.sensor.name(), name]);
        let number = |name: &str, value: f64| pen.draw(at(name), &draw::Scalars::single(value));
        match &frame.payload {
            Payload::Labels(image) if self.classes.get(&frame.sensor).is_none_or(|c| *c != image.classes) => {
                pen.fix(pen.sensor(frame.sensor), &annotation(&image.classes))?;
                self.classes.insert(frame.sensor, Arc::clone(&image.classes));
            }
            Payload::Ego(ego) => {
                self.drive(pen, ego)?;
                number("speed", ego.speed)?;
                number("yaw_rate", ego.yaw_rate)?;
            }
            Payload::Map(map) => pen.draw(above_path(frame.sensor), &outcomes::above(map))?,
            Payload::Control(control) => outcomes::control(pen, frame.sensor.name(), control)?,
            Payload::Imu(imu) => {
                for (axis, (a, w)) in ["x", "y", "z"].iter().zip(imu.acceleration.iter().zip(imu.angular_velocity)) {
                    number(&format!("acceleration_{axis}"), *a)?;
                    number(&format!("angular_velocity_{axis}"), w)?;
                }
            }
            Payload::Gnss(gnss) => {
                number("latitude", gnss.latitude)?;
                number("longitude", gnss.longitude)?;
                number("altitude", gnss.altitude)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn drive(&mut self, pen: &Pen, ego: &EgoState) -> Result<()> {
        const KEPT: usize = 1000;
        pen.draw(path(&["world", "vehicle"]), &transform(&ego.pose))?;
        let t = ego.pose.isometry.translation.vector;
        let here = [t.x, t.y, t.z].map(num::f32);
        let moved = |last: &[f32; 3]| last.iter().zip(here).map(|(a, b)| (a - b) * (a - b)).sum::<f32>() > 0.01;
        if self.track.back().is_none_or(moved) {
            self.track.push_back(here);
            if self.track.len() > KEPT {
                self.track.pop_front();
            }
            let line = draw::LineStrips3D::new([self.track.iter().copied().collect::<Vec<_>>()]);
            let styled = line.with_colors([Rgba32::from_rgb(255, 220, 70)]).with_radii([Radius::new_ui_points(2.0)]);
            pen.draw(path(&["world", "trajectory"]), &styled)?;
        }
        Ok(())
    }
}

/// A pose as Rerun wants it.
pub fn transform(pose: &Pose) -> draw::Transform3D {
    let (t, q) = (pose.isometry.translation.vector, pose.isometry.rotation.coords);
    let turn = Quaternion::from_xyzw([q.x, q.y, q.z, q.w].map(num::f32));
    draw::Transform3D::new().with_translation([t.x, t.y, t.z].map(num::f32)).with_quaternion(turn)
}

fn pinhole(lens: &Intrinsics, distance: f32) -> draw::Pinhole {
    let pair = |a: f64, b: f64| [num::f32(a), num::f32(b)];
    // Rerun puts pixel centres at one half.
    draw::Pinhole::from_focal_length_and_resolution(pair(lens.fx, lens.fy), pair(lens.width as f64, lens.height as f64))
        .with_principal_point(pair(lens.cx + 0.5, lens.cy + 0.5))
        .with_camera_xyz(::rerun::components::ViewCoordinates::RDF)
        .with_image_plane_distance(distance)
}

/// Class names and colours.
pub fn annotation(classes: &ClassList) -> draw::AnnotationContext {
    let described = classes.classes.iter().enumerate().map(|(value, (name, [r, g, b]))| {
        let info = AnnotationInfo { id: num::u16(value), label: Some(name.as_str().into()), color: Some(Rgba32::from_rgb(*r, *g, *b)) };
        ClassDescription::from(info)
    });
    draw::AnnotationContext::new(described.collect::<Vec<_>>())
}

fn size(payload: &Payload) -> [usize; 2] {
    match payload {
        Payload::Rgb(i) => [i.width(), i.height()],
        Payload::Depth(i) => [i.width(), i.height()],
        Payload::Thermal(i) => [i.width(), i.height()],
        Payload::Labels(i) => [i.labels.ncols(), i.labels.nrows()],
        Payload::Fragment(i) => [i.width(), i.height()],
        _ => [0; 2],
    }
}

fn drawing(frame: &Frame, config: &RerunConfig) -> Result<Option<Drawing>> {
    Ok(Some(match &frame.payload {
        Payload::Rgb(image) => rgb(image, config.jpeg_quality)?,
        Payload::Thermal(image) => {
            let painted = RgbImage::new(image.width(), image.height(), paint::thermal_rgb(image))?;
            rgb(&painted, config.jpeg_quality)?
        }
        Payload::Depth(image) => depth(image, config.jpeg_quality > 0)?,
        Payload::Labels(image) => Box::new(labels(image)),
        Payload::Cloud(cloud) => Box::new(points(cloud, &frame.calibration, config)),
        Payload::Radar(scan) => Box::new(radar(scan)),
        Payload::Boxes(list) => Box::new(outcomes::boxes(list)),
        Payload::Map(map) => Box::new(outcomes::ground(map)),
        Payload::Trajectory(line) => Box::new(outcomes::way(line)),
        Payload::Fragment(f) => Box::new(draw::Image::from_rgba32(f.data().to_vec(), resolution(f.width(), f.height()))),
        _ => return Ok(None),
    }))
}

fn resolution(width: usize, height: usize) -> [u32; 2] {
    [num::u32(width), num::u32(height)]
}

/// A colour picture, as JPEG unless `quality` is 0.
pub fn rgb(image: &RgbImage, quality: u8) -> Result<Drawing> {
    let [width, height] = resolution(image.width(), image.height());
    if quality == 0 {
        return Ok(Box::new(draw::Image::from_rgb24(image.data().to_vec(), [width, height])));
    }
    let mut bytes = Vec::with_capacity(image.data().len() / 8);
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality);
    image::ImageEncoder::write_image(encoder, image.data(), width, height, Colour::Rgb8)
        .map_err(|e| Error::mismatch("a picture that JPEG can hold", e.to_string(), "rerun"))?;
    Ok(Box::new(draw::EncodedImage::new(bytes).with_media_type(::rerun::components::MediaType::jpeg())))
}

/// Depth as whole millimetres, or 1/256 m where it reaches beyond 65 m; as PNG if `packed`.
fn depth(image: &DepthImage, packed: bool) -> Result<Drawing> {
    let [width, height] = resolution(image.width(), image.height());
    let far = image.metres.iter().copied().fold(0.0_f32, f32::max) > 65.0;
    let per_metre: f32 = if far { 256.0 } else { 1000.0 };
    let bytes: Vec<u8> = image.metres.iter().flat_map(|m| num::level16(m * per_metre).to_ne_bytes()).collect();
    let colours = ::rerun::components::Colormap::Turbo;
    if !packed {
        let plain = draw::DepthImage::from_gray16(bytes, [width, height]);
        return Ok(Box::new(plain.with_meter(per_metre).with_colormap(colours)));
    }
    let mut png = Vec::with_capacity(bytes.len() / 2);
    let encoder = image::codecs::png::PngEncoder::new(&mut png);
    image::ImageEncoder::write_image(encoder, &bytes, width, height, Colour::L16)
        .map_err(|e| Error::mismatch("a depth picture that PNG can hold", e.to_string(), "rerun"))?;
    let encoded = draw::EncodedDepthImage::new(png).with_media_type(::rerun::components::MediaType::png());
    Ok(Box::new(encoded.with_meter(per_metre).with_colormap(colours)))
}

/// Class numbers; the names and colours are written beside them.
pub fn labels(image: &LabelImage) -> draw::SegmentationImage {
    let size = resolution(image.labels.ncols(), image.labels.nrows());
    let narrow: Option<Vec<u8>> = image.labels.iter().map(|v| u8::try_from(*v).ok()).collect();
    let (bytes, kind) = match narrow {
        Some(bytes) => (bytes, ChannelDatatype::U8),
        None => (image.labels.iter().flat_map(|v| v.to_ne_bytes()).collect(), ChannelDatatype::U16),
    };
    draw::SegmentationImage::new(bytes, ::rerun::components::ImageFormat::segmentation(size, kind)).with_opacity(1.0)
}

/// Every n-th, so that at most `limit` are left.
pub const fn stride(count: usize, limit: usize) -> usize {
    if limit == 0 || count <= limit { 1 } else { count.div_ceil(limit) }
}

fn points(cloud: &PointCloud, calibration: &Calibration, config: &RerunConfig) -> draw::Points3D {
    let all = cloud.points();
    let shown = || all.iter().step_by(stride(all.len(), config.max_points));
    let colours = shown().map(|p| {
        let [x, y, z] = p.position;
        let fraction = match config.colour {
            CloudColour::Height => paint::height_fraction(p, calibration),
            CloudColour::Intensity => p.intensity,
            CloudColour::Distance => paint::depth_fraction((x * x + y * y + z * z).sqrt()),
        };
        paint::turbo(fraction)
    });
    draw::Points3D::new(shown().map(|p| p.position)).with_colors(colours).with_radii([Radius::new_ui_points(1.2)])
}

/// Radar returns: red comes nearer, blue goes away, by up to 10 m/s.
fn radar(scan: &RadarScan) -> draw::Points3D {
    let colours = scan.returns.iter().map(|r| paint::turbo(0.5 - r.range_rate / 20.0));
    draw::Points3D::new(scan.returns.iter().map(|r| r.position)).with_colors(colours).with_radii([Radius::new_ui_points(4.0)])
}

/// Where a map's picture from above goes.
pub fn above_path(sensor: SensorId) -> ::rerun::EntityPath {
    path(&["maps", sensor.name()])
}

/// Whether frames of this kind are flat pictures.
pub const fn is_picture(modality: Modality) -> bool {
    matches!(modality, Modality::Rgb | Modality::Depth | Modality::Thermal | Modality::Labels | Modality::Fragment)
}
