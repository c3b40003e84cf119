//! A piece of paper while it is being torn: RGBA pixels, and where they lie in the picture.
//!
//! *In / Out*: [`Sheet`]. *Invariant*: transparent pixels are all zero; [`Sheet::place`] takes picture pixels to the sheet's pixels. Turning samples
//! the nearest pixel, so every turn roughens the texture a little, as published.

use crate::heads::fragments::outline::borders;
use crate::types::{Rigid, num};
use std::collections::BTreeMap;

/// Empty pixels kept on every side of a piece.
pub(super) const MARGIN: f64 = 10.0;
/// Cells whose contour points are averaged before a box is taken.
const CELL: f64 = 10.0;

/// A piece.
#[derive(Debug, Clone)]
pub(super) struct Sheet {
    pub(super) width: usize,
    pub(super) height: usize,
    /// RGBA, row by row.
    pub(super) pixels: Vec<[u8; 4]>,
    /// Sheet pixels from picture pixels.
    pub(super) place: Rigid,
}

impl Sheet {
    /// Opaque pixels.
    pub(super) fn area(&self) -> usize {
        self.pixels.iter().filter(|[.., a]| *a > 0).count()
    }

    pub(super) fn mask(&self) -> Vec<bool> {
        self.pixels.iter().map(|[.., a]| *a > 0).collect()
    }

    /// Contours of all its parts as (x, y), longest first.
    pub(super) fn contours(&self) -> Vec<Vec<[f64; 2]>> {
        let as_xy = |[row, column]: [i32; 2]| [f64::from(column), f64::from(row)];
        let mut found: Vec<Vec<[f64; 2]>> =
            borders(&self.mask(), self.width, self.height).into_iter().map(|b| b.into_iter().map(as_xy).collect()).collect();
        found.sort_by_key(|b| std::cmp::Reverse(b.len()));
        found
    }

    pub(super) fn inside(&self, x: f64, y: f64) -> bool {
        let at = num::pixel(x, self.width).zip(num::pixel(y, self.height));
        at.and_then(|(x, y)| self.pixels.get(y * self.width + x)).is_some_and(|[.., a]| *a > 0)
    }

    /// The sheet turned by `angle` (x towards y), in a picture just large enough for the contour and a margin.
    pub(super) fn turned(&self, angle: f64, contour: &[[f64; 2]]) -> Self {
        let turn = Rigid::new(angle, [0.0; 2]);
        let corners: Vec<[f64; 2]> = averaged(contour).into_iter().map(|p| turn.apply(p)).collect();
        let ([left, top], [width, height]) = frame(&corners);
        self.resampled(Rigid { shift: [-left, -top], ..turn }, [width, height])
    }

    /// The same pixels in the box of the contour and a margin.
    pub(super) fn cropped(&self, contour: &[[f64; 2]]) -> Self {
        let ([left, top], size) = frame(&averaged(contour));
        self.resampled(Rigid { shift: [-left.floor(), -top.floor()], ..Rigid::default() }, size)
    }

    fn resampled(&self, motion: Rigid, [width, height]: [usize; 2]) -> Self {
        let back = motion.inverse();
        let mut pixels = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let [sx, sy] = back.apply([x as f64, y as f64]);
                let at = num::pixel(sx, self.width).zip(num::pixel(sy, self.height));
                pixels.push(at.and_then(|(x, y)| self.pixels.get(y * self.width + x)).copied().unwrap_or([0; 4]));
            }
        }
        Self { width, height, pixels, place: motion.after(&self.place) }
    }

    /// The part of the sheet where `keep(x, y)`.
    pub(super) fn part(&self, keep: impl Fn(usize, usize) -> bool) -> Self {
        let width = self.width.max(1);
        let pixels = self.pixels.iter().enumerate().map(|(at, p)| if keep(at % width, at / width) { *p } else { [0; 4] });
        Self { pixels: pixels.collect(), ..*self }
    }

    /// Without what does not hang together with the largest part.
    pub(super) fn without_specks(mut self) -> Self {
        let (width, height) = (self.width, self.height);
        let mut label = vec![0_u32; self.pixels.len()];
        let (mut best, mut count, mut next) = ((0, 0), 0, 0);
        for start in 0..self.pixels.len() {
            if label.get(start).is_none_or(|l| *l != 0) || self.pixels.get(start).is_none_or(|[.., a]| *a == 0) {
                continue;
            }
            next += 1;
            count += 1;
            let (mut size, mut open) = (0_usize, vec![start]);
            while let Some(at) = open.pop() {
                match (label.get_mut(at), self.pixels.get(at)) {
                    (Some(l), Some([.., a])) if *l == 0 && *a > 0 => *l = next,
                    _ => continue,
                }
                size += 1;
                let (x, y) = (at % width, at / width);
                let columns = x.saturating_sub(1)..(x + 2).min(width);
                open.extend((y.saturating_sub(1)..(y + 2).min(height)).flat_map(|y| columns.clone().map(move |x| y * width + x)));
            }
            best = best.max((size, next));
        }
        if count > 1 {
            for (pixel, _) in self.pixels.iter_mut().zip(&label).filter(|(_, l)| **l != best.1) {
                *pixel = [0; 4];
            }
        }
        self
    }
}

/// Means of the points in each cell of 10 x 10 pixels.
fn averaged(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut cells: BTreeMap<(i64, i64), [f64; 3]> = BTreeMap::new();
    for [x, y] in points {
        let cell = cells.entry((num::round_i64((x / CELL).floor()), num::round_i64((y / CELL).floor()))).or_default();
        let [sx, sy, n] = *cell;
        *cell = [sx + x, sy + y, n + 1.0];
    }
    cells.into_values().map(|[x, y, n]| [x / n, y / n]).collect()
}

/// Left, top, and whole width and height of a box around the points with a margin.
fn frame(points: &[[f64; 2]]) -> ([f64; 2], [usize; 2]) {
    let extent = |axis: usize| {
        let values = || points.iter().filter_map(|p| p.get(axis)).copied();
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((left, right), (top, bottom)) = (extent(0), extent(1));
    if !(left.is_finite() && top.is_finite()) {
        return ([0.0; 2], [1, 1]);
    }
    let size = |low: f64, high: f64| usize::try_from(num::round_i64((high - low + 2.0 * MARGIN + 1.0).ceil())).unwrap_or(1);
    ([left - MARGIN, top - MARGIN], [size(left, right), size(top, bottom)])
}
