//! RGB-D of one or three cameras through LeTFuser: classes, map, way points and what to do.
//!
//! *In*: colour and depth pictures of the front camera and, where there are, the left and right ones, with calibrations; speed, route point,
//! command. *Out*: [`Driven`], in the vehicle frame. *Invariant*: every camera becomes the published view (horizontal field of 60 degrees, the
//! network's own size) by its intrinsics, exactly where they fit (960x480 at 120 degrees or 320x160 at 60 for `base`); what a camera does not
//! see is black and 1000 m away, so it draws nothing on the map.

use super::vehicle_control::{Proposal, Tick, VehicleControl};
use crate::nets::letfuser::{Geometry, LetFuser, Look, Vehicle, class_list};
use crate::nets::{Device, to_host};
use crate::types::{
    BevMap, Calibration, ClassList, DepthImage, Distortion, Error, Intrinsics, LabelImage, Result, RgbImage, Trajectory, num,
};
use burn::tensor::{Tensor, TensorData};
use ndarray::Array2;
use std::sync::Arc;

/// One camera's colour and depth.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// Colour and how it sees.
    pub rgb: (&'a RgbImage, &'a Calibration),
    /// Depth and how it sees.
    pub depth: (&'a DepthImage, &'a Calibration),
}

/// What the vehicle knows of itself and where it should go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// m/s.
    pub speed: f64,
    /// Next route point: right, backward, metres.
    pub target: [f64; 2],
    /// 1 left, 2 right, 3 straight, 4 follow lane, 5 change left, 6 change right.
    pub command: u8,
}

/// Everything that a pass tells.
#[derive(Debug, Clone)]
pub struct Driven {
    /// Classes of left | front | right side by side.
    pub labels: LabelImage,
    /// Classes seen from above; cells are the front sector's.
    pub map: BevMap,
    /// Way points, half a second apart.
    pub path: Trajectory,
    /// What to do, and how that came about.
    pub tick: Tick,
    /// Probability of a red light.
    pub red_light: f32,
    /// Probability of a stop sign.
    pub stop_sign: f32,
    /// The speed that the pictures show, m/s.
    pub speed: f32,
}

/// A network on its device, with the controller that acts on it.
#[derive(Debug)]
pub struct Drive {
    network: LetFuser,
    device: Device,
    control: VehicleControl,
    classes: Arc<ClassList>,
    layers: Arc<Vec<String>>,
}

impl Drive {
    /// Runs `network`, which lives on `device`.
    pub fn new(network: LetFuser, device: Device, control: VehicleControl) -> Self {
        let classes = class_list(network.config().classes);
        let layers = classes.classes.iter().map(|(name, _)| name.clone()).collect();
        Self { network, device, control, classes: Arc::new(classes), layers: Arc::new(layers) }
    }

    /// Geometry of the network's picture.
    pub fn geometry(&self) -> Geometry {
        self.network.config().geometry()
    }

    /// Another drive begins: the controller forgets the last one.
    pub fn restart(&mut self) {
        self.control.restart();
    }

    /// One tick: `views` are left, front and right.
    ///
    /// # Errors
    /// A camera is not rectified, colour and calibration differ in size, a number is not finite, or the device fails.
    pub fn tick(&mut self, views: [Option<View<'_>>; 3], known: &Known) -> Result<Driven> {
        let geometry = self.geometry();
        let (rgb, depth) = strip(&geometry, views)?;
        let (width, height) = (geometry.width(), strip_height(&geometry));
        let look = Look { rgb: Tensor::from_data(TensorData::new(rgb, [1, 3, height, width]), &self.device), depth };
        let [right, backward] = known.target.map(num::f32);
        let speed = num::f32(known.speed);
        if ![right, backward, speed].iter().all(|v| v.is_finite()) {
            return Err(Error::mismatch("a finite speed and route point", format!("{known:?}"), "what the vehicle knows"));
        }
        let vehicle = Vehicle { route: vec![[right, backward]], speed: vec![speed], command: vec![known.command] };
        let seen = self.network.see(&look, &vehicle)?;
        let points = values(seen.decision.waypoints)?;
        let controls = values(seen.decision.controls)?;
        let mut proposal = Proposal { speed, ..Proposal::default() };
        proposal.waypoints.iter_mut().zip(points.as_chunks::<2>().0).for_each(|(to, from)| *to = *from);
        proposal.controls.iter_mut().zip(&controls).for_each(|(to, from)| *to = *from);
        let first = |list: Vec<f32>| list.first().copied().unwrap_or(0.0);
        let labels = seen.masks.iter().map(|mask| u16::try_from(mask.trailing_zeros()).unwrap_or(0)).collect();
        let labels = Array2::from_shape_vec((height, width), labels).map_err(|e| Error::unavailable("classes", e.to_string()))?;
        Ok(Driven {
            labels: LabelImage { labels, classes: Arc::clone(&self.classes) },
            map: self.map(&seen.map, height, views[1])?,
            path: path(&proposal.waypoints),
            tick: self.control.tick(&proposal),
            red_light: first(values(seen.signs.red_light)?),
            stop_sign: first(values(seen.signs.stop_sign)?),
            speed: first(values(seen.signs.speed)?),
        })
    }

    /// Cells from the far left to the near right become cells along x and y.
    fn map(&self, cells: &[u32], height: usize, front: Option<View<'_>>) -> Result<BevMap> {
        let geometry = self.geometry();
        let [_, ahead, _] = geometry.ahead_m;
        let cell = ahead / (height.max(2) - 1) as f64;
        let camera = front.map_or(0.0, |view| view.depth.1.extrinsics.isometry.translation.x);
        let origin = [camera - cell / 2.0, -cell * geometry.width() as f64 / 2.0];
        BevMap::new(Arc::clone(&self.layers), origin, cell, height, geometry.width(), cells.iter().rev().copied().collect())
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    Ok(to_host(tensor)?.as_slice::<f32>().unwrap_or_default().to_vec())
}

/// Way points in the vehicle frame.
fn path(waypoints: &[[f32; 2]; 3]) -> Trajectory {
    let points = waypoints.iter().map(|[right, backward]| [-f64::from(*backward), -f64::from(*right), 0.0]).collect();
    Trajectory { points, times: vec![0.5, 1.0, 1.5] }
}

/// Height of the published view: half of the front's width.
fn strip_height(geometry: &Geometry) -> usize {
    (geometry.columns[1] / 2).next_multiple_of(16)
}

/// Colour planes in 0..255 and depth in 0..1 of three views side by side; without one, black and far away.
fn strip(geometry: &Geometry, views: [Option<View<'_>>; 3]) -> Result<(Vec<f32>, Vec<f32>)> {
    let (width, height) = (geometry.width(), strip_height(geometry));
    let [left, front, right] = geometry.columns;
    let (mut rgb, mut depth) = (vec![0.0_f32; 3 * width * height], vec![1.0_f32; width * height]);
    // The left part is the view's inner end, its last columns; the right part its first ones.
    let parts = [(front.saturating_sub(left), left), (0, front), (0, right)];
    let mut start = 0;
    for (view, (skip, count)) in views.into_iter().zip(parts) {
        if let Some(view) = view {
            let place = Part { skip, count, start, front, width, height };
            place.colour(view.rgb, &mut rgb)?;
            place.distance(view.depth, &mut depth)?;
        }
        start += count;
    }
    Ok((rgb, depth))
}

/// Where a view lies in the strip.
struct Part {
    /// Columns of the view that are left out on its left.
    skip: usize,
    count: usize,
    /// First column in the strip.
    start: usize,
    /// Columns of a whole view.
    front: usize,
    width: usize,
    height: usize,
}

impl Part {
    /// For each column, and for each row, the source coordinate.
    fn sources(&self, width: usize, height: usize, camera: &Calibration) -> Result<[Vec<f64>; 2]> {
        let place = camera.extrinsics.from.name();
        if camera.distortion != Distortion::None {
            return Err(Error::mismatch("a rectified camera (a `rectify` stage makes one)", "lens distortion", place));
        }
        let half = |size: usize| (size as f64 - 1.0) / 2.0;
        let focal_of = |size: usize| size as f64 / 2.0 / 30_f64.to_radians().tan();
        let (cx, cy) = (half(width), half(height));
        let unknown = Intrinsics { width, height, fx: focal_of(width), fy: focal_of(width), cx, cy };
        let lens = camera.intrinsics.unwrap_or(unknown);
        if (lens.width, lens.height) != (width, height) {
            let found = format!("intrinsics for {}x{}", lens.width, lens.height);
            return Err(Error::mismatch(format!("intrinsics for {width}x{height}"), found, place));
        }
        let focal = focal_of(self.front);
        let along = |at: usize, size: usize, f: f64, c: f64| f * (at as f64 - half(size)) / focal + c;
        let columns = (self.skip..self.skip + self.count).map(|u| along(u, self.front, lens.fx, lens.cx)).collect();
        Ok([columns, (0..self.height).map(|v| along(v, self.height, lens.fy, lens.cy)).collect()])
    }

    fn colour(&self, (image, camera): (&RgbImage, &Calibration), out: &mut [f32]) -> Result<()> {
        let [columns, rows] = self.sources(image.width(), image.height(), camera)?;
        let columns: Vec<Option<Blend>> = columns.iter().map(|c| Blend::at(*c, image.width())).collect();
        let plane = self.width * self.height;
        for (v, row) in rows.iter().enumerate() {
            let Some(row) = Blend::at(*row, image.height()) else { continue };
            let line = |y: usize| image.data().get(y * image.width() * 3..).unwrap_or_default().as_chunks::<3>().0;
            let (upper, lower) = (line(row.low), line(row.high));
            for (u, column) in columns.iter().enumerate() {
                let Some(column) = column else { continue };
                let across = |line: &[[u8; 3]]| line.get(column.low).zip(line.get(column.high)).map(|(a, b)| column.mix(*a, *b));
                let Some((a, b)) = across(upper).zip(across(lower)) else { continue };
                for (channel, (a, b)) in a.into_iter().zip(b).enumerate() {
                    if let Some(value) = out.get_mut(channel * plane + v * self.width + self.start + u) {
                        *value = a + (b - a) * row.share;
                    }
                }
            }
        }
        Ok(())
    }

    fn distance(&self, (image, camera): (&DepthImage, &Calibration), out: &mut [f32]) -> Result<()> {
        let [columns, rows] = self.sources(image.width(), image.height(), camera)?;
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(self.width)) {
            let Some(y) = num::pixel(*row, image.height()) else { continue };
            for (column, value) in columns.iter().zip(out.iter_mut().skip(self.start)) {
                let metres = num::pixel(*column, image.width()).and_then(|x| image.metres.get((y, x)));
                *value = metres.filter(|m| m.is_finite()).map_or(1.0, |m| m / 1000.0);
            }
        }
        Ok(())
    }
}

/// Two neighbouring samples and the second one's share.
struct Blend {
    low: usize,
    high: usize,
    share: f32,
}

impl Blend {
    /// Around a coordinate inside the picture, its border of half a pixel included.
    fn at(coordinate: f64, size: usize) -> Option<Self> {
        num::pixel(coordinate, size)?;
        let inside = coordinate.clamp(0.0, size.saturating_sub(1) as f64);
        let low = num::cell(inside, size)?;
        Some(Self { low, high: (low + 1).min(size - 1), share: num::f32(inside - low as f64) })
    }

    fn mix(&self, a: [u8; 3], b: [u8; 3]) -> [f32; 3] {
        let mut out = a.map(f32::from);
        out.iter_mut().zip(b).for_each(|(a, b)| *a += (f32::from(b) - *a) * self.share);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::letfuser::LetFuserConfig;

    fn camera(width: usize, height: usize, focal: f64) -> Calibration {
        let lens = Intrinsics::new(width, height, focal, focal, (width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0).unwrap();
        Calibration::forward_camera("camera", lens)
    }

    fn picture(width: usize, height: usize) -> (RgbImage, DepthImage) {
        let bytes: Vec<u8> = (0..width * height * 3).map(|i| (i * 7 % 251) as u8).collect();
        let counts: Vec<u16> = (0..width * height).map(|i| (i % 9000) as u16).collect();
        (RgbImage::new(width, height, bytes).unwrap(), DepthImage::from_counts(width, height, &counts, 100.0).unwrap())
    }

    #[test]
    fn the_published_crops_are_exact_pixels() {
        let (rgb, depth) = picture(960, 480);
        let seen = camera(960, 480, 480.0 / 60_f64.to_radians().tan());
        let view = View { rgb: (&rgb, &seen), depth: (&depth, &seen) };
        let geometry = LetFuserConfig::BASE.geometry();
        let (planes, metres) = strip(&geometry, [Some(view), Some(view), Some(view)]).unwrap();
        // Column of the strip, column of the 960 wide picture: the centre 320 of each, of which the sides keep their inner 224.
        for (strip_column, source) in [(0, 320 + 96), (223, 639), (224, 320), (543, 639), (544, 320), (767, 543)] {
            for row in [0, 77, 159] {
                let wanted = rgb.pixel(source, row + 160).unwrap();
                for (channel, wanted) in wanted.into_iter().enumerate() {
                    let found = planes[(channel * 160 + row) * 768 + strip_column];
                    assert!((found - f32::from(wanted)).abs() < 1e-3, "{strip_column} {row}: {found} {wanted}");
                }
                let wanted = depth.metres[(row + 160, source)];
                let found = metres[row * 768 + strip_column];
                assert!(if wanted.is_nan() { found == 1.0 } else { (found * 1000.0 - wanted).abs() < 1e-3 });
            }
        }
    }

    #[test]
    fn a_missing_camera_is_black_and_far_and_a_distorted_one_is_refused() {
        let (rgb, depth) = picture(160, 80);
        let mut seen = camera(160, 80, 138.564);
        let geometry = LetFuserConfig::TINY.geometry();
        let view = View { rgb: (&rgb, &seen), depth: (&depth, &seen) };
        let (planes, metres) = strip(&geometry, [None, Some(view), None]).unwrap();
        let side = |column: usize| !(112..272).contains(&column);
        assert!(planes.iter().enumerate().all(|(i, v)| !side(i % 384) || *v == 0.0) && planes.iter().any(|v| *v > 0.0));
        assert!(metres.iter().enumerate().all(|(i, d)| !side(i % 384) || *d == 1.0));
        seen.distortion = Distortion::BrownConrady { k1: 0.1, k2: 0.0, p1: 0.0, p2: 0.0, k3: 0.0 };
        let view = View { rgb: (&rgb, &seen), depth: (&depth, &seen) };
        assert!(strip(&geometry, [None, Some(view), None]).unwrap_err().to_string().contains("rectif"));
    }
}
