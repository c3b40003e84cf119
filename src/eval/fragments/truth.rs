//! Which fragments of one picture lie side by side, and which of their contour points touch.
//!
//! *In*: contours as (x, y) and their places in the picture. *Out*: [`Adjacent`] pairs, first index smaller. *Invariant*: each source point has at most its
//! nearest target point, less than 2 px away in the picture; several may share one; a pair counts with more than 50 of them.

use crate::types::{Rigid, num};
use std::collections::HashMap;

/// Contour points nearer than this in the picture touch, pixels.
const NEAR: f64 = 2.0;
/// A pair has more touching points than this.
const LEAST: usize = 50;
/// Boxes that are farther apart than this (as a product of two gaps) are not looked at.
const APART: f64 = 100.0;

/// Two fragments with a common border.
#[derive(Debug, Clone, PartialEq)]
pub struct Adjacent {
    /// Index of the source.
    pub a: usize,
    /// Index of the target.
    pub b: usize,
    /// Target pixels from source pixels.
    pub a_to_b: Rigid,
    /// Index of a source point, index of the target point that it touches.
    pub correspondences: Vec<[usize; 2]>,
}

/// Every adjacent pair. `to_picture[i]` belongs to `contours[i]`.
pub fn adjacent(contours: &[Vec<[f64; 2]>], to_picture: &[Rigid]) -> Vec<Adjacent> {
    let placed: Vec<Vec<[f64; 2]>> =
        contours.iter().zip(to_picture).map(|(line, place)| line.iter().map(|p| place.apply(*p)).collect()).collect();
    let mut found = Vec::new();
    for (a, (from, place)) in placed.iter().zip(to_picture).enumerate() {
        for (b, (to, other)) in placed.iter().zip(to_picture).enumerate().skip(a + 1) {
            if !near_boxes(from, to) {
                continue;
            }
            let correspondences = touching(from, to, NEAR);
            if correspondences.len() > LEAST {
                found.push(Adjacent { a, b, a_to_b: other.inverse().after(place), correspondences });
            }
        }
    }
    found
}

fn near_boxes(from: &[[f64; 2]], to: &[[f64; 2]]) -> bool {
    let range = |points: &[[f64; 2]], axis: usize| {
        let values = || points.iter().filter_map(|p| p.get(axis)).copied();
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    [0, 1].into_iter().all(|axis| {
        let ((low1, high1), (low2, high2)) = (range(from, axis), range(to, axis));
        (high2 - low1) * (low2 - high1) <= APART
    })
}

/// For each source point the nearest target point closer than `limit`.
pub fn touching(from: &[[f64; 2]], to: &[[f64; 2]], limit: f64) -> Vec<[usize; 2]> {
    let cell = |[x, y]: [f64; 2]| [num::round_i64((x / limit).floor()), num::round_i64((y / limit).floor())];
    let mut grid: HashMap<[i64; 2], Vec<usize>> = HashMap::new();
    for (index, point) in to.iter().enumerate() {
        grid.entry(cell(*point)).or_default().push(index);
    }
    let nearest = |point: [f64; 2]| {
        let [x, y] = cell(point);
        let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| [x + dx, y + dy]));
        let candidates = around.filter_map(|c| grid.get(&c)).flatten();
        let measured = candidates.filter_map(|i| to.get(*i).map(|[tx, ty]| ((tx - point[0]).hypot(ty - point[1]), *i)));
        measured.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).filter(|(d, _)| *d < limit)
    };
    from.iter().enumerate().filter_map(|(index, point)| nearest(*point).map(|(_, other)| [index, other])).collect()
}
