//! Things on a coarse grid of the plane, so that a question about a place costs what is near it.
//!
//! *In / Out*: boxes in metres with an index; the indices near a place, ascending. *Invariant*: nothing whose box touches the place is left out.

use crate::types::num;

const SIDE: f64 = 24.0;
/// Number of buckets, a power of two: cells are spread over them.
const BUCKETS: usize = 2048;

type Cell = (i64, i64);

/// Indices by cells of 24 m.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    buckets: Vec<Vec<(Cell, usize)>>,
    used: Vec<usize>,
}

fn cells(bounds: [[f64; 2]; 2]) -> impl Iterator<Item = Cell> {
    let cell = |v: f64| num::round_i64((v / SIDE).floor().clamp(-1e6, 1e6));
    let [[x0, y0], [x1, y1]] = bounds.map(|c| c.map(cell));
    (x0..=x1).flat_map(move |x| (y0..=y1).map(move |y| (x, y)))
}

fn bucket((x, y): Cell) -> usize {
    let mixed = x.wrapping_mul(73_856_093) ^ y.wrapping_mul(19_349_663);
    usize::try_from(mixed.rem_euclid(2048)).unwrap_or(0)
}

impl Grid {
    /// Adds an index with its box.
    pub(crate) fn insert(&mut self, index: usize, bounds: [[f64; 2]; 2]) {
        if self.buckets.is_empty() {
            self.buckets = vec![Vec::new(); BUCKETS];
        }
        for cell in cells(bounds) {
            let at = bucket(cell);
            if let Some(list) = self.buckets.get_mut(at) {
                if list.is_empty() {
                    self.used.push(at);
                }
                list.push((cell, index));
            }
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
        let mut found = Vec::new();
        for cell in cells(bounds) {
            if let Some(list) = self.buckets.get(bucket(cell)) {
                found.extend(list.iter().filter(|(c, _)| *c == cell).map(|(_, i)| *i));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        for at in self.used.drain(..) {
            if let Some(list) = self.buckets.get_mut(at) {
                list.clear();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::rng::Rng;
    use super::*;

    #[test]
    fn nothing_near_is_left_out() {
        let mut rng = Rng::new(1);
        let mut grid = Grid::default();
        let mut points = Vec::new();
        for round in 0..3 {
            grid.clear();
            points.clear();
            for i in 0..500 {
                let p = [rng.range(-900.0, 900.0), rng.range(-900.0, 900.0)];
                grid.insert(i, [p, p]);
                points.push(p);
            }
            for _ in 0..100 {
                let (q, r) = ([rng.range(-900.0, 900.0), rng.range(-900.0, 900.0)], rng.range(0.0, 120.0));
                let found = grid.around(q, r);
                assert!(found.is_sorted() && found.len() < 500, "round {round}");
                for (i, p) in points.iter().enumerate() {
                    assert!((p[0] - q[0]).hypot(p[1] - q[1]) > r || found.contains(&i));
                }
            }
        }
        assert!(grid.around([f64::NAN, 0.0], 5.0).is_empty());
    }
}
