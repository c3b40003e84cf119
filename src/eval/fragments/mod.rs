//! Scores of torn fragments: searching neighbours, matching pairs, putting the picture together.
//!
//! *In*: the truth of one set ([`Truth`]) and what somebody found. *Out*: plain numbers. *Invariant*: published measures carry their published
//! meaning, oddities included, and say so; ours have names of their own. Pixels of a fragment: x to the right, y down.

pub mod assembly;
pub mod matching;
pub mod search;
pub mod truth;

use crate::types::Rigid;
use truth::Adjacent;

/// What is true of one set.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    /// Contour of each fragment, (x, y) in walking order.
    pub contours: Vec<Vec<[f64; 2]>>,
    /// Picture pixels from fragment pixels.
    pub to_picture: Vec<Rigid>,
    /// Where each fragment is opaque.
    pub masks: Vec<Mask>,
    /// Adjacent pairs, first index smaller.
    pub pairs: Vec<Adjacent>,
}

impl Truth {
    /// Fragments of the set.
    pub const fn len(&self) -> usize {
        self.contours.len()
    }
    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.contours.is_empty()
    }
}

/// The opaque pixels of a fragment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    opaque: Vec<bool>,
}

impl Mask {
    /// Row by row.
    pub const fn new(width: usize, opaque: Vec<bool>) -> Self {
        Self { width, opaque }
    }
    /// Whether the pixel at (x, y), rounded, is opaque.
    pub fn holds(&self, [x, y]: [f64; 2]) -> bool {
        let height = self.opaque.len().checked_div(self.width).unwrap_or(0);
        let at = crate::types::num::pixel(x, self.width).zip(crate::types::num::pixel(y, height));
        at.and_then(|(x, y)| self.opaque.get(y * self.width + x)).copied().unwrap_or(false)
    }
    /// Centres of the opaque pixels.
    pub fn pixels(&self) -> impl Iterator<Item = [f64; 2]> + '_ {
        let width = self.width.max(1);
        self.opaque.iter().enumerate().filter(|(_, o)| **o).map(move |(at, _)| [(at % width) as f64, (at / width) as f64])
    }
    /// How many there are.
    pub fn area(&self) -> f64 {
        self.opaque.iter().filter(|o| **o).count() as f64
    }
}

/// Area of a closed polygon, square pixels.
pub(super) fn polygon_area(points: &[[f64; 2]]) -> f64 {
    let turned = points.iter().cycle().skip(1);
    (points.iter().zip(turned).map(|([x0, y0], [x1, y1])| x0 * y1 - x1 * y0).sum::<f64>() / 2.0).abs()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), v| (sum + v, count + 1.0));
    (count > 0.0).then(|| sum / count)
}
