//! Boxes in space as wires in a camera's picture.
//!
//! *In*: a picture with its lens and mount, boxes in the vehicle frame. *Out*: the picture with the edges of every box that reaches into it.
//! *Invariant*: what lies behind the camera is cut away at [`NEAR`], edges at the picture's border; a lens without intrinsics draws nothing.
//! Edges are straight in space, so a distorting lens would bend them; rectify first.

use super::paint::{class_colour, palette};
use crate::types::{Box3, Calibration, RgbImage, num};
use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};

/// Metres before the camera from which on something is drawn.
const NEAR: f64 = 0.2;
/// Corners of the unit box: front face first.
const CORNERS: [[f64; 3]; 8] = [
    [0.5, 0.5, -0.5],
    [0.5, -0.5, -0.5],
    [0.5, -0.5, 0.5],
    [0.5, 0.5, 0.5],
    [-0.5, 0.5, -0.5],
    [-0.5, -0.5, -0.5],
    [-0.5, -0.5, 0.5],
    [-0.5, 0.5, 0.5],
];
/// The twelve edges, and a cross on the front face: that way it looks.
const EDGES: [(usize, usize); 14] =
    [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4), (0, 4), (1, 5), (2, 6), (3, 7), (0, 2), (1, 3)];

/// The picture with the boxes, and how many of them are in it; `None` where the lens is not known.
pub fn wires(picture: &RgbImage, calibration: &Calibration, boxes: &[Box3]) -> Option<(Vec<u8>, usize)> {
    let (width, height) = (picture.width(), picture.height());
    let lens = calibration.intrinsics?;
    let lens = if [lens.width, lens.height] == [width, height] { lens } else { lens.resized(width, height) };
    let to_camera = calibration.extrinsics.isometry.inverse();
    let mut canvas = picture.data().to_vec();
    let mut drawn = 0;
    // Near boxes lie over far ones.
    let mut order: Vec<(&Box3, f64)> = boxes.iter().map(|b| (b, (to_camera * Point3::from(b.centre)).z)).collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    for (found, _) in order {
        let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), found.yaw);
        let place = to_camera * Isometry3::from_parts(Translation3::from(found.centre), turn);
        let [l, w, h] = found.size;
        let corners = CORNERS.map(|[x, y, z]| place * Point3::new(x * l, y * w, z * h));
        let colour = found.track.map_or_else(|| class_colour(&found.class), |track| palette(num::count(track)));
        let mut touched = false;
        for (a, b) in EDGES {
            let (Some(a), Some(b)) = (corners.get(a), corners.get(b)) else { continue };
            let Some((a, b)) = before_camera(*a, *b) else { continue };
            if let Some((a, b)) = lens.project(&a).zip(lens.project(&b)) {
                touched |= line(&mut canvas, [width, height], [a.x, a.y], [b.x, b.y], colour);
            }
        }
        drawn += usize::from(touched);
    }
    Some((canvas, drawn))
}

/// The part of an edge before the camera.
fn before_camera(a: Point3<f64>, b: Point3<f64>) -> Option<(Point3<f64>, Point3<f64>)> {
    let cut = |inside: Point3<f64>, outside: Point3<f64>| inside + (outside - inside) * ((inside.z - NEAR) / (inside.z - outside.z));
    match (a.z >= NEAR, b.z >= NEAR) {
        (true, true) => Some((a, b)),
        (true, false) => Some((a, cut(a, b))),
        (false, true) => Some((cut(b, a), b)),
        (false, false) => None,
    }
}

/// A line two pixels wide; whether any of it lies in the picture.
fn line(canvas: &mut [u8], [width, height]: [usize; 2], a: [f64; 2], b: [f64; 2], colour: [u8; 3]) -> bool {
    let limits = [width as f64 - 0.5, height as f64 - 0.5];
    let Some((from, to)) = clipped(a, b, limits) else { return false };
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let steps = dx.abs().max(dy.abs()).ceil().max(1.0);
    let mut at = 0.0;
    let mut touched = false;
    while at <= steps {
        let (x, y) = (from[0] + dx * at / steps, from[1] + dy * at / steps);
        let aside = if dx.abs() > dy.abs() { [[0.0, 0.0], [0.0, 1.0]] } else { [[0.0, 0.0], [1.0, 0.0]] };
        for [sx, sy] in aside {
            let Some((column, row)) = num::pixel(x + sx, width).zip(num::pixel(y + sy, height)) else { continue };
            let place = (row * width + column) * 3;
            if let Some(target) = canvas.get_mut(place..place + 3) {
                target.copy_from_slice(&colour);
                touched = true;
            }
        }
        at += 1.0;
    }
    touched
}

/// Liang and Barsky's clipping to the picture.
fn clipped(a: [f64; 2], b: [f64; 2], limits: [f64; 2]) -> Option<([f64; 2], [f64; 2])> {
    let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
    let (mut low, mut high) = (0.0_f64, 1.0_f64);
    for (p, q) in [(-dx, a[0] + 0.5), (dx, limits[0] - a[0]), (-dy, a[1] + 0.5), (dy, limits[1] - a[1])] {
        if p == 0.0 {
            if q < 0.0 {
                return None;
            }
        } else if p < 0.0 {
            low = low.max(q / p);
        } else {
            high = high.min(q / p);
        }
    }
    (low <= high).then_some(([a[0] + dx * low, a[1] + dy * low], [a[0] + dx * high, a[1] + dy * high]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Intrinsics;

    fn at(x: f64) -> Box3 {
        Box3 { centre: [x, 0.0, 0.0], size: [2.0, 2.0, 2.0], yaw: 0.0, velocity: None, class: "car".into(), score: 1.0, track: None }
    }

    /// A lens of 100 pixels looks along x; a face at 4 m reaches 25 pixels to each side, one at 6 m 16.7.
    #[test]
    fn faces_have_the_size_that_the_lens_gives_them() {
        let (width, height) = (101, 101);
        let picture = RgbImage::new(width, height, vec![0; width * height * 3]).unwrap();
        let calibration = Calibration::forward_camera("c", Intrinsics::new(width, height, 100.0, 100.0, 50.0, 50.0).unwrap());
        let (canvas, drawn) = wires(&picture, &calibration, &[at(5.0)]).unwrap();
        assert_eq!(drawn, 1);
        let lit = |column: usize, row: usize| canvas[(row * width + column) * 3..][..3] == class_colour("car");
        for (x, y) in [(25, 50), (75, 50), (50, 25), (50, 75), (33, 50), (67, 50)] {
            assert!(lit(x, y), "{x} {y}");
        }
        assert!(!lit(15, 50) && !lit(29, 50) && !lit(85, 50));
        // Behind the camera nothing, around it only what is before it; without a lens no picture.
        assert_eq!(wires(&picture, &calibration, &[at(-5.0)]).unwrap().1, 0);
        assert_eq!(wires(&picture, &calibration, &[at(0.5)]).unwrap().1, 1);
        assert!(wires(&picture, &Calibration::unknown("c"), &[at(5.0)]).is_none());
    }
}
