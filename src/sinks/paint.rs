//! Numbers to colours: colour maps, tone for thermal pictures, dots on pictures.
//!
//! *In*: fractions in 0..=1, counts, pixels. *Out*: sRGB bytes. *Invariant*: NaN and values outside the range are clamped, never a panic.

use crate::types::{BevMap, Calibration, LabelImage, LidarPoint, Projection, RgbImage, ScoreImage, ThermalImage, num};
use nalgebra::Point3;

/// Colours of the turbo map at equal steps from 0 to 1 (blue near, red far).
const TURBO: [[u8; 3]; 9] = [
    [48, 18, 59],
    [70, 107, 227],
    [40, 188, 235],
    [50, 242, 152],
    [164, 252, 60],
    [237, 208, 58],
    [251, 128, 34],
    [210, 49, 5],
    [122, 4, 3],
];

/// Colours of the inferno map at equal steps from 0 to 1 (black cold, yellow hot).
const INFERNO: [[u8; 3]; 9] =
    [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164]];

/// Colours for classes, far apart from each other and readable on a dark ground.
const PALETTE: [[u8; 3]; 12] = [
    [255, 145, 60],
    [80, 170, 255],
    [255, 220, 70],
    [110, 220, 120],
    [255, 100, 130],
    [180, 130, 255],
    [70, 220, 215],
    [240, 150, 220],
    [190, 200, 90],
    [150, 190, 220],
    [220, 120, 80],
    [200, 200, 200],
];

fn between(map: &[[u8; 3]], fraction: f32) -> [u8; 3] {
    let fraction = if fraction.is_finite() { fraction.clamp(0.0, 1.0) } else { 0.0 };
    let steps = f32::from(num::u16(map.len().saturating_sub(1)));
    let place = fraction * steps;
    let low = place.floor();
    let index = usize::from(num::level16(low));
    match (map.get(index), map.get(index + 1)) {
        (Some(a), Some(b)) => {
            let mut mixed = *a;
            for (m, (a, b)) in mixed.iter_mut().zip(a.iter().zip(b)) {
                *m = num::level(f32::from(*a) + (f32::from(*b) - f32::from(*a)) * (place - low));
            }
            mixed
        }
        (Some(a), None) => *a,
        _ => [0; 3],
    }
}

/// Turbo colour of a fraction in 0..=1.
pub fn turbo(fraction: f32) -> [u8; 3] {
    between(&TURBO, fraction)
}

/// Inferno colour of a fraction in 0..=1.
pub fn inferno(fraction: f32) -> [u8; 3] {
    between(&INFERNO, fraction)
}

/// The n-th of a dozen colours that are far apart.
pub fn palette(n: usize) -> [u8; 3] {
    PALETTE.get(n % PALETTE.len()).copied().unwrap_or([200; 3])
}

/// The colour that a class of boxes always has (by its letters).
pub fn class_colour(name: &str) -> [u8; 3] {
    let hash = name.bytes().fold(0_u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)));
    palette(num::usize(hash))
}

/// Thermal counts as an RGB picture: the range between the 1st and the 99.5th percentile through the inferno map.
pub fn thermal_rgb(image: &ThermalImage) -> Vec<u8> {
    let mut sample: Vec<u16> = image.data().iter().step_by((image.data().len() / 20_000).max(1)).copied().collect();
    sample.sort_unstable();
    let at = |per_mille: usize| sample.get(sample.len().saturating_sub(1) * per_mille / 1000).copied().unwrap_or(0);
    let (low, high) = (f32::from(at(10)), f32::from(at(995)));
    let span = (high - low).max(1.0);
    let table: Vec<[u8; 3]> = (0..=255_u8).map(|i| inferno(f32::from(i) / 255.0)).collect();
    let colour = |count: &u16| {
        let level = num::level((f32::from(*count) - low) / span * 255.0);
        table.get(usize::from(level)).copied().unwrap_or([0; 3])
    };
    image.data().iter().flat_map(colour).collect()
}

/// A label picture in its classes' colours; unnamed classes take a colour of their own.
pub fn label_rgb(image: &LabelImage) -> Vec<u8> {
    let classes = &image.classes.classes;
    let colour = |value: &u16| {
        let spare = || if *value == 0 { [0; 3] } else { palette(usize::from(*value)) };
        classes.get(usize::from(*value)).map_or_else(spare, |(_, colour)| *colour)
    };
    image.labels.iter().flat_map(colour).collect()
}

/// The colour of a map layer: the usual ones by name, else one of its own.
pub fn layer_colour(name: &str) -> [u8; 3] {
    match name {
        "drivable_area" | "road" => [92, 96, 104],
        "ped_crossing" | "crossing" => [236, 210, 120],
        "walkway" | "sidewalk" => [150, 122, 150],
        "stop_line" => [235, 80, 70],
        "carpark_area" | "car_park" => [96, 130, 176],
        "divider" | "lane_divider" | "road_divider" => [240, 240, 235],
        other => class_colour(other),
    }
}

/// A map as a picture of RGBA bytes, width and height in front: forward is up, left is left, later layers lie over earlier ones.
pub fn map_rgba(map: &BevMap) -> (usize, usize, Vec<u8>) {
    let colours: Vec<[u8; 3]> = map.layers.iter().map(|l| layer_colour(l)).collect();
    let colour = |cell: &u32| {
        let top = colours.iter().enumerate().rev().find(|(bit, _)| cell >> bit & 1 == 1);
        top.map_or([24, 26, 30, 255], |(_, [r, g, b])| [*r, *g, *b, 255])
    };
    let bytes = map.cells().iter().rev().flat_map(colour).collect();
    (map.ny, map.nx, bytes)
}

/// Confidences through the inferno map.
pub fn score_rgb(image: &ScoreImage) -> Vec<u8> {
    image.scores.iter().flat_map(|s| inferno(*s)).collect()
}

/// Fraction of the depth range 1..=60 m on a logarithmic scale: near things differ more than far ones.
pub fn depth_fraction(metres: f32) -> f32 {
    (metres.max(1.0).ln() / 60.0_f32.ln()).clamp(0.0, 1.0)
}

/// Fraction of -2..=4 m of a point's height in the vehicle frame.
pub fn height_fraction(point: &LidarPoint, calibration: &Calibration) -> f32 {
    let [x, y, z] = point.position.map(f64::from);
    let height = calibration.extrinsics.apply(&Point3::new(x, y, z)).z;
    num::f32((height + 2.0) / 6.0)
}

/// The camera's picture (or black, where it is missing) with each projected point as a 3x3 dot in the turbo colour of its depth.
pub fn overlay(points: &Projection, picture: Option<&RgbImage>) -> (usize, usize, Vec<u8>) {
    let [width, height] = points.size;
    let fits = picture.filter(|p| p.width() == width && p.height() == height);
    let mut canvas = fits.map_or_else(|| vec![0; width * height * 3], |p| p.data().to_vec());
    let mut order: Vec<(&[f32; 2], f32)> = points.pixels.iter().zip(points.depths.iter().copied()).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (pixel, depth) in order {
        dot(&mut canvas, width, height, *pixel, turbo(depth_fraction(depth)));
    }
    (width, height, canvas)
}

fn dot(canvas: &mut [u8], width: usize, height: usize, [u, v]: [f32; 2], colour: [u8; 3]) {
    for dv in [-1.0, 0.0, 1.0] {
        let Some(row) = num::pixel(f64::from(v) + dv, height) else { continue };
        for du in [-1.0, 0.0, 1.0] {
            let Some(column) = num::pixel(f64::from(u) + du, width) else { continue };
            let at = (row * width + column) * 3;
            if let Some(target) = canvas.get_mut(at..at + 3) {
                target.copy_from_slice(&colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SensorId;

    #[test]
    fn colours_are_clamped() {
        assert_eq!(turbo(-1.0), turbo(0.0));
        assert_eq!(turbo(9.0), TURBO[8]);
        assert_eq!(inferno(f32::NAN), INFERNO[0]);
    }

    #[test]
    fn nearer_points_are_drawn_over_farther_ones() {
        let id = SensorId::new;
        let pixels = vec![[1.0, 1.0], [1.0, 1.0], [-5.0, 99.0]];
        let p = Projection { camera: id("cam"), lidar: id("lidar"), pixels, depths: vec![2.0, 50.0, 3.0], size: [4, 4] };
        let (w, h, canvas) = overlay(&p, None);
        assert_eq!((w, h, canvas.len()), (4, 4, 48));
        assert_eq!(canvas[15..18], turbo(depth_fraction(2.0)));
    }
}
