//! Things on a coarse grid of the plane, so that a question about a place costs what is near it.
//!
//! *In / Out*: boxes in metres with an index; the indices near a place, ascending. *Invariant*: nothing whose box touches the place is left out.

use crate::types::num;
use std::collections::BTreeMap;

const SIDE: f64 = 24.0;

/// Indices by cells of 24 m.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    cells: BTreeMap<(i64, i64), Vec<usize>>,
}

fn cells(bounds: [[f64; 2]; 2]) -> impl Iterator<Item = (i64, i64)> {
    let cell = |v: f64| num::round_i64((v / SIDE).floor().clamp(-1e6, 1e6));
    let [[x0, y0], [x1, y1]] = bounds.map(|c| c.map(cell));
    (x0..=x1).flat_map(move |x| (y0..=y1).map(move |y| (x, y)))
}

impl Grid {
    /// Adds an index with its box.
    pub(crate) fn insert(&mut self, index: usize, bounds: [[f64; 2]; 2]) {
        for cell in cells(bounds) {
            self.cells.entry(cell).or_default().push(index);
        }
    }
    /// Indices whose cells are within a distance of a place, ascending, each once.
    pub(crate) fn around(&self, p: [f64; 2], radius: f64) -> Vec<usize> {
        if !p.iter().all(|v| v.is_finite()) {
            return Vec::new();
        }
        self.within([[p[0] - radius, p[1] - radius], [p[0] + radius, p[1] + radius]])
    }
    /// Indices whose cells touch a box.
    pub(crate) fn within(&self, bounds: [[f64; 2]; 2]) -> Vec<usize> {
        let mut found: Vec<usize> = cells(bounds).filter_map(|c| self.cells.get(&c)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }
    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.cells.values_mut().for_each(Vec::clear);
    }
}
