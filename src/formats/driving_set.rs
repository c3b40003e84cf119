//! A route of a driving data set as TransFuser's and LeTFuser's trainings read it.
//!
//! *Out*: `rgb/0000.png`, `depth/0000.png` (red and blue exchanged), `semantics/0000.png` (class ids up to CARLA 0.9.13), `lidar/0000.npy`,
//! `topdown/encoded_0000.png`, `label_raw/0000.json`, `measurements/0000.json`. *Units and frames*: `x` metres north, `y` metres east, `theta`
//! clockwise from north; labels with x ahead and y to the left, turned clockwise; points as of a sensor that faces left (x left, y ahead), for so
//! the published one is mounted. *Invariant*: the three views lie side by side, left | front | right; what is read back is what was seen.

use super::carla_depth::encoded;
use super::npz::npy_head;
use super::topdown::{SIDE, TopDown};
use crate::types::{DepthImage, Error, Result, RgbImage, num};
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use std::path::Path;

const FOLDERS: [&str; 7] = ["rgb", "depth", "semantics", "lidar", "topdown", "label_raw", "measurements"];

/// The class up to CARLA 0.9.13 of each tag since 0.9.14.
pub const CLASS_OF_TAG: [u8; 29] =
    [0, 7, 8, 1, 11, 2, 5, 18, 12, 9, 22, 13, 4, 4, 10, 10, 10, 10, 10, 10, 19, 20, 3, 21, 6, 14, 15, 16, 17];

/// What the vehicle knew and did, in the published names.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the set's own names
pub struct Measurements {
    pub x: f64,
    pub y: f64,
    pub theta: f64,
    pub speed: f64,
    pub target_speed: f64,
    pub x_command: f64,
    pub y_command: f64,
    pub command: i32,
    pub waypoints: Vec<[f64; 3]>,
    pub steer: f64,
    pub throttle: f64,
    pub brake: bool,
    pub junction: bool,
    pub vehicle_hazard: bool,
    pub light_hazard: bool,
    pub walker_hazard: bool,
    pub stop_sign_hazard: bool,
    pub angle: f64,
    pub ego_matrix: [[f64; 4]; 4],
}

/// A box of `label_raw`; the first one is the ego vehicle itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[allow(missing_docs)] // the set's own names
pub struct RawLabel {
    pub class: String,
    /// Height, length, width, metres.
    pub extent: [f64; 3],
    /// Its origin, on the ground, from a point 1.3 m ahead of the ego's origin and 2.5 m above it: ahead, to the left, up.
    pub position: [f64; 3],
    /// From the ego's heading, clockwise, radians.
    pub yaw: f64,
    /// -1 where nobody counted.
    pub num_points: i64,
    /// From that point, metres; -1 for the ego itself.
    pub distance: f64,
    pub speed: f64,
    pub brake: f64,
    pub id: u64,
    /// World from this vehicle.
    pub ego_matrix: [[f64; 4]; 4],
}

/// Everything of one instant.
#[derive(Debug, Clone)]
pub struct DrivingFrame {
    /// Three colour pictures side by side.
    pub rgb: RgbImage,
    /// Their depth.
    pub depth: DepthImage,
    /// Their classes, row by row.
    pub classes: Vec<u8>,
    /// x left, y ahead, z up, intensity.
    pub points: Vec<[f32; 4]>,
    /// The ground around.
    pub top_down: TopDown,
    /// Boxes, the ego's first.
    pub labels: Vec<RawLabel>,
    /// The rest.
    pub measurements: Measurements,
}

/// Makes the folders of a route.
///
/// # Errors
/// Where the route is there already, or cannot be made.
pub fn create(route: &Path) -> Result<()> {
    if route.exists() {
        return Err(Error::mismatch("a new folder for the route", "files in it", route.display().to_string()));
    }
    FOLDERS.iter().try_for_each(|folder| {
        let path = route.join(folder);
        std::fs::create_dir_all(&path).map_err(|e| Error::io("create", &path, e))
    })
}

/// Writes one instant; numbers of a route go up from 0 without a gap.
///
/// # Errors
/// Where a picture has another size than the rest, or a file cannot be written.
pub fn write(route: &Path, number: usize, frame: &DrivingFrame) -> Result<()> {
    let (width, height) = (frame.rgb.width(), frame.rgb.height());
    if (frame.depth.width(), frame.depth.height()) != (width, height) || frame.classes.len() != width * height {
        let found = format!("{}x{} of depth, {} classes", frame.depth.width(), frame.depth.height(), frame.classes.len());
        return Err(Error::mismatch(format!("{width}x{height} of all three"), found, "driving data set"));
    }
    let file = |folder: &str, ending: &str| route.join(folder).join(format!("{number:04}.{ending}"));
    let picture = |folder: &str, bytes: &[u8], colour| {
        let path = file(folder, "png");
        image::save_buffer(&path, bytes, num::u32(width), num::u32(height), colour).map_err(|e| Error::io("write", &path, e))
    };
    picture("rgb", frame.rgb.data(), image::ExtendedColorType::Rgb8)?;
    let exchanged = |d: &f32| {
        let [red, green, blue] = encoded(f64::from(*d));
        [blue, green, red]
    };
    let depth: Vec<u8> = frame.depth.metres.iter().flat_map(exchanged).collect();
    picture("depth", &depth, image::ExtendedColorType::Rgb8)?;
    picture("semantics", &frame.classes, image::ExtendedColorType::L8)?;
    let path = route.join("topdown").join(format!("encoded_{number:04}.png"));
    image::save_buffer(&path, &frame.top_down.encoded(), num::u32(SIDE), num::u32(SIDE), image::ExtendedColorType::Rgb8)
        .map_err(|e| Error::io("write", &path, e))?;
    let put = |path: &Path, bytes: &[u8]| std::fs::write(path, bytes).map_err(|e| Error::io("write", path, e));
    put(&file("lidar", "npy"), &npy(&frame.points))?;
    let text = |value: serde_json::Result<Vec<u8>>| value.map_err(|e| Error::mismatch("JSON", e.to_string(), "driving data set"));
    put(&file("label_raw", "json"), &text(serde_json::to_vec(&frame.labels))?)?;
    put(&file("measurements", "json"), &text(serde_json::to_vec(&frame.measurements))?)
}

/// Points as NumPy keeps an n x 4 array of float32.
fn npy(points: &[[f32; 4]]) -> Vec<u8> {
    let mut out = npy_head("<f4", &format!("({}, 4)", points.len()));
    points.iter().flatten().for_each(|v| out.extend(v.to_le_bytes()));
    out
}

/// Pictures of one size side by side: colour.
///
/// # Errors
/// Where their heights differ.
pub fn side_by_side(views: &[&RgbImage]) -> Result<RgbImage> {
    let height = views.first().map_or(0, |v| v.height());
    let width = views.iter().map(|v| v.width()).sum();
    let mut data = Vec::with_capacity(width * height * 3);
    for row in 0..height {
        views.iter().for_each(|v| data.extend(v.data().chunks_exact((v.width() * 3).max(1)).nth(row).unwrap_or_default()));
    }
    RgbImage::new(width, height, data)
}

/// The same of anything with a value a pixel, row by row; `width` columns each.
pub fn rows_beside<T: Copy>(views: &[&[T]], width: usize) -> Vec<T> {
    let height = views.first().map_or(0, |v| v.len() / width.max(1));
    let row = |n: usize| views.iter().flat_map(move |v| v.get(n * width..(n + 1) * width).unwrap_or_default());
    (0..height).flat_map(row).copied().collect()
}

/// Clockwise from north, 0 to a full turn, of a heading counter-clockwise from east.
pub fn compass(heading: f64) -> f64 {
    (TAU / 4.0 - heading).rem_euclid(TAU)
}

/// World from vehicle on CARLA's axes, as the set keeps it, of a place east and north and a heading counter-clockwise from east.
pub fn ego_matrix([east, north]: [f64; 2], heading: f64) -> [[f64; 4]; 4] {
    let (sin, cos) = (-heading).sin_cos();
    [[cos, -sin, 0.0, east], [sin, cos, 0.0, -north], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
}

/// Somebody as the set has it: the ego's place (east, north) and heading, its own, its size, its speed.
pub fn raw_label(class: &str, id: u64, size: [f64; 3], ego: ([f64; 2], f64), own: ([f64; 2], f64), speed: f64) -> RawLabel {
    let [length, width, height] = size;
    let class = match class {
        "pedestrian" => "Pedestrian",
        _ => "Car",
    };
    let (sin, cos) = ego.1.sin_cos();
    let (dx, dy) = (own.0[0] - ego.0[0], own.0[1] - ego.0[1]);
    let position = [cos * dx + sin * dy - 1.3, cos * dy - sin * dx, -2.5];
    let is_ego = dx == 0.0 && dy == 0.0;
    RawLabel {
        class: class.to_owned(),
        extent: [height, length, width],
        position,
        yaw: (ego.1 - own.1 + TAU / 2.0).rem_euclid(TAU) - TAU / 2.0,
        num_points: -1,
        distance: if is_ego { -1.0 } else { position.iter().map(|p| p * p).sum::<f64>().sqrt() },
        speed,
        brake: 0.0,
        id,
        ego_matrix: ego_matrix(own.0, own.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_as_numpy_writes_it() {
        let bytes = npy(&[[1.0, 2.0, 3.0, 0.5]; 3]);
        let head = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + head) % 64, 0);
        assert_eq!(bytes.len(), 10 + head + 48);
        assert!(std::str::from_utf8(&bytes[10..10 + head]).unwrap().contains("'shape': (3, 4)"));
        assert_eq!(bytes[10 + head..14 + head], 1.0_f32.to_le_bytes());
    }

    #[test]
    fn a_box_is_seen_from_the_published_point() {
        // The ego faces north; somebody 10 m north and 3 m west of it faces west.
        let (north, west) = (TAU / 4.0, TAU / 2.0);
        let label = raw_label("car", 7, [4.0, 2.0, 1.5], ([100.0, 50.0], north), ([97.0, 60.0], west), 3.0);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
        let [x, y, z] = label.position;
        assert!(near(x, 8.7) && near(y, 3.0) && near(z, -2.5), "{:?}", label.position);
        assert!(near(label.yaw, -TAU / 4.0), "to the left is anticlockwise: {}", label.yaw);
        assert_eq!(label.extent, [1.5, 4.0, 2.0]);
        assert!(near(label.ego_matrix[0][3], 97.0) && near(label.ego_matrix[1][3], -60.0));
        assert!(near(raw_label("car", 7, [4.0, 2.0, 1.5], ([1.0, 2.0], 0.3), ([1.0, 2.0], 0.3), 0.0).distance, -1.0));
    }

    #[test]
    fn views_lie_side_by_side_row_by_row() {
        let one = RgbImage::new(1, 2, vec![1, 1, 1, 4, 4, 4]).unwrap();
        let two = RgbImage::new(2, 2, vec![2, 2, 2, 3, 3, 3, 5, 5, 5, 6, 6, 6]).unwrap();
        let both = side_by_side(&[&one, &two]).unwrap();
        assert_eq!(both.data().chunks(3).map(|p| p[0]).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(rows_beside(&[&[1, 2, 5, 6][..], &[3, 4, 7, 8][..]], 2), [1, 2, 3, 4, 5, 6, 7, 8]);
        assert!((compass(0.0) - TAU / 4.0).abs() < 1e-12, "east is a quarter turn clockwise from north");
    }
}
