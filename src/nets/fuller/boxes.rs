//! Boxes in the network's own convention, and their overlaps.
//!
//! *In / Out*: [`StoredBox`], LiDAR frame (x right, y forward, z up), metres. *Invariant*: overlaps are exact polygon areas in f64, in 0..=1 for
//! boxes of positive size, and do not depend on the order of the two.
//!
//! The stored angle turns clockwise: an offset (dx along w, dy along l) lands at (dx cos r + dy sin r, -dx sin r + dy cos r). The usual yaw,
//! counter-clockwise from +x to the heading, is -r - pi/2. The stored z counts as the bottom; nuScenes' true centre is what is
//! stored there, so z read at `bottom + h / 2` sits half a height too high. True centre z = decoded bottom z.

/// The ten classes, in the order of the published checkpoints.
pub const CLASSES: [&str; 10] =
    ["car", "truck", "construction_vehicle", "bus", "trailer", "barrier", "motorcycle", "bicycle", "pedestrian", "traffic_cone"];

/// One box as published checkpoints encode it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StoredBox {
    /// Centre x, y and bottom z, metres.
    pub at: [f64; 3],
    /// Width, length, height, metres.
    pub size: [f64; 3],
    /// Clockwise angle, radians.
    pub angle: f64,
    /// m/s along x, y.
    pub velocity: [f64; 2],
}

impl StoredBox {
    /// The four corners from above.
    pub fn corners(&self) -> [[f64; 2]; 4] {
        let ([x, y, _], [w, l, _]) = (self.at, self.size);
        let (sin, cos) = self.angle.sin_cos();
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [1.0, -1.0]].map(|[a, b]| {
            let (dx, dy) = (a * w / 2.0, b * l / 2.0);
            [x + dx * cos + dy * sin, y - dx * sin + dy * cos]
        })
    }
    /// The usual yaw: counter-clockwise from +x to the heading.
    pub fn yaw(&self) -> f64 {
        -self.angle - std::f64::consts::FRAC_PI_2
    }
    const fn area(&self) -> f64 {
        self.size[0] * self.size[1]
    }
}

/// Area of the intersection from above.
pub fn intersection(a: &StoredBox, b: &StoredBox) -> f64 {
    let reach = |s: &StoredBox| s.size[0].hypot(s.size[1]) / 2.0;
    if (a.at[0] - b.at[0]).hypot(a.at[1] - b.at[1]) > reach(a) + reach(b) {
        return 0.0;
    }
    // Coordinates about the one centre: far from the origin the areas would lose digits.
    let [ox, oy, _] = a.at;
    let about = |s: &StoredBox| s.corners().map(|[x, y]| [x - ox, y - oy]);
    let mut polygon: Vec<[f64; 2]> = about(a).to_vec();
    let clip = about(b);
    let inward = if signed_area(&clip) >= 0.0 { 1.0 } else { -1.0 };
    for (from, to) in clip.iter().zip(clip.iter().cycle().skip(1)) {
        let side = |p: &[f64; 2]| inward * ((to[0] - from[0]) * (p[1] - from[1]) - (to[1] - from[1]) * (p[0] - from[0]));
        let mut kept = Vec::with_capacity(8);
        for (p, q) in polygon.iter().zip(polygon.iter().cycle().skip(1)) {
            let (sp, sq) = (side(p), side(q));
            if sp >= 0.0 {
                kept.push(*p);
            }
            if (sp > 0.0 && sq < 0.0) || (sp < 0.0 && sq > 0.0) {
                let t = sp / (sp - sq);
                kept.push([p[0] + t * (q[0] - p[0]), p[1] + t * (q[1] - p[1])]);
            }
        }
        polygon = kept;
    }
    signed_area(&polygon).abs()
}

fn signed_area(polygon: &[[f64; 2]]) -> f64 {
    let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
    edges.map(|(p, q)| p[0] * q[1] - p[1] * q[0]).sum::<f64>() / 2.0
}

/// Overlap from above: intersection over union.
pub fn iou(a: &StoredBox, b: &StoredBox) -> f64 {
    let shared = intersection(a, b);
    shared / (a.area() + b.area() - shared).max(1e-8)
}

/// Overlap in space.
pub fn iou3d(a: &StoredBox, b: &StoredBox) -> f64 {
    let top = |s: &StoredBox| s.at[2] + s.size[2];
    let height = (top(a).min(top(b)) - a.at[2].max(b.at[2])).max(0.0);
    let shared = intersection(a, b) * height;
    let volume = |s: &StoredBox| s.area() * s.size[2];
    shared / (volume(a) + volume(b) - shared).max(1e-8)
}

/// Numbers of the boxes that stay, best first: a box goes if its overlap with a better one that stays is above `threshold`.
/// At most `before` boxes are looked at, at most `after` stay.
pub fn rotated_nms(boxes: &[StoredBox], scores: &[f32], threshold: f64, before: usize, after: usize) -> Vec<usize> {
    suppress(boxes, scores, before, after, |a, b| iou(a, b) > threshold)
}

/// The same by distance: a box goes if its centre lies within `squared` (metres squared) of a better one's.
pub fn circle_nms(boxes: &[StoredBox], scores: &[f32], squared: f64, after: usize) -> Vec<usize> {
    let near = |a: &StoredBox, b: &StoredBox| (a.at[0] - b.at[0]).powi(2) + (a.at[1] - b.at[1]).powi(2) <= squared;
    suppress(boxes, scores, usize::MAX, after, near)
}

fn suppress(
    boxes: &[StoredBox],
    scores: &[f32],
    before: usize,
    after: usize,
    clash: impl Fn(&StoredBox, &StoredBox) -> bool,
) -> Vec<usize> {
    let order = super::peaks::largest(scores, scores.len().min(before));
    let mut kept: Vec<(usize, &StoredBox)> = Vec::new();
    for index in order {
        let Some(candidate) = boxes.get(index) else { continue };
        if kept.len() < after && !kept.iter().any(|(_, k)| clash(k, candidate)) {
            kept.push((index, candidate));
        }
    }
    kept.into_iter().map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(x: f64, y: f64, w: f64, l: f64, angle: f64) -> StoredBox {
        StoredBox { at: [x, y, 0.0], size: [w, l, 2.0], angle, velocity: [0.0; 2] }
    }

    #[test]
    fn overlaps_of_known_shapes() {
        let unit = at(100.0, -50.0, 2.0, 2.0, 0.0);
        assert!((iou(&unit, &unit) - 1.0).abs() < 1e-12);
        // A square and the same square turned by 45 degrees: an octagon.
        let octagon = 8.0 * (2.0_f64.sqrt() - 1.0);
        let turned = at(100.0, -50.0, 2.0, 2.0, std::f64::consts::FRAC_PI_4);
        assert!((intersection(&unit, &turned) - octagon).abs() < 1e-9);
        assert!((intersection(&unit, &at(101.0, -50.0, 2.0, 2.0, 0.0)) - 2.0).abs() < 1e-9);
        assert_eq!(intersection(&unit, &at(103.0, -50.0, 2.0, 2.0, 0.3)), 0.0);
        let raised = StoredBox { at: [100.0, -50.0, 1.0], ..unit };
        assert!((iou3d(&unit, &raised) - 1.0 / 3.0).abs() < 1e-9);
    }
    #[test]
    fn the_angle_turns_clockwise_and_yaw_points_along_the_length() {
        let b = at(0.0, 0.0, 1.0, 4.0, 0.5);
        let yaw = b.yaw();
        let front = b.corners().iter().map(|[x, y]| x * yaw.cos() + y * yaw.sin()).fold(0.0, f64::max);
        assert!((front - 2.0).abs() < 1e-9, "{front}");
    }
    #[test]
    fn suppression_keeps_the_better_one() {
        let boxes = [at(0.0, 0.0, 2.0, 4.0, 0.0), at(0.2, 0.0, 2.0, 4.0, 0.1), at(9.0, 0.0, 2.0, 4.0, 0.0)];
        assert_eq!(rotated_nms(&boxes, &[0.5, 0.9, 0.1], 0.2, 1000, 83), [1, 2]);
        assert_eq!(rotated_nms(&boxes, &[0.5, 0.9, 0.1], 0.2, 1, 83), [1]);
        assert_eq!(circle_nms(&boxes, &[0.5, 0.9, 0.1], 0.03, 83), [1, 0, 2]);
        assert_eq!(circle_nms(&boxes, &[0.5, 0.9, 0.1], 0.05, 1), [1]);
        assert!(rotated_nms(&[], &[], 0.2, 1000, 83).is_empty());
    }
}
