//! Open lines two cells thick with round joints, cell for cell as OpenCV's `polylines` draws them.
//!
//! *In*: paths in cells, cut to whole numbers. *Out*: cells of a [`Mask`]. *Invariant*: all is counted in fixed point of 16 binary digits:
//! a line is the box around it, its edges stepped cell by cell, and a cross of five cells at each end.

use super::Path;
use super::draw::{Mask, ONE};
use crate::types::num;

type Corner = [i64; 2];

/// The nearest whole number to a fixed-point one.
const fn whole(value: i64) -> i64 {
    (value + ONE / 2).div_euclid(ONE)
}

impl Mask {
    /// Draws a line.
    pub(super) fn stroke(&mut self, path: &Path) {
        let points: Vec<Corner> = path.iter().map(|p| p.map(|v| num::round_i64(v.trunc()))).collect();
        for (from, to) in points.iter().zip(points.iter().skip(1)) {
            // A path is cut to the mask before it comes here; this keeps a hostile one from taking for ever.
            if from.iter().chain(to).all(|v| v.abs() < 1 << 20) {
                self.thick(*from, *to);
            }
        }
    }

    fn thick(&mut self, [ax, ay]: Corner, [bx, by]: Corner) {
        let (dx, dy) = ((ax - bx) as f64, (by - ay) as f64);
        let length = dx.hypot(dy);
        if length > 0.0 {
            let scaled = |v: f64| num::round_i64((v * ONE as f64 / length).round_ties_even());
            let (across, down) = (scaled(dy), scaled(dx));
            let [ax, ay, bx, by] = [ax, ay, bx, by].map(|v| v * ONE);
            self.convex([[ax + across, ay + down], [ax - across, ay - down], [bx - across, by - down], [bx + across, by + down]]);
        }
        for [x, y] in [[ax, ay], [bx, by]] {
            for (dx, dy) in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)] {
                self.set(x + dx, y + dy, 1);
            }
        }
    }

    /// Four corners in fixed point: the edges' cells, and between the left and right edge of each row all cells.
    fn convex(&mut self, corners: [Corner; 4]) {
        let edges = || corners.iter().copied().zip(corners.iter().copied().cycle().skip(1));
        edges().for_each(|(a, b)| self.fine_edge(a, b));
        // An edge begins in the row that its upper end is nearest to, with that end's own column.
        let sloped: Vec<(i64, i64, i64, i64)> = edges()
            .filter_map(|(a, b)| {
                let ([ax, ay], [bx, by]) = if a[1] <= b[1] { (a, b) } else { (b, a) };
                let (top, end) = (whole(ay), whole(by));
                let step = if end > top { ((bx - ax) * 2 + (end - top)) / (2 * (end - top)) } else { 0 };
                (end > top).then_some((top, end, ax, step))
            })
            .collect();
        let (low, high) = (sloped.iter().map(|e| e.0).min().unwrap_or(0), sloped.iter().map(|e| e.1).max().unwrap_or(-1));
        for y in low.max(0)..high {
            let columns = sloped.iter().filter(|(top, end, ..)| (*top..*end).contains(&y)).map(|(top, _, x, step)| x + (y - top) * step);
            let (left, right) = columns.fold((i64::MAX, i64::MIN), |(l, r), x| (l.min(x), r.max(x)));
            if left <= right {
                self.span(whole(left), whole(right), y, 1);
            }
        }
    }

    /// The cells of an edge between fixed-point corners.
    fn fine_edge(&mut self, a: Corner, b: Corner) {
        let Some(([mut ax, mut ay], [mut bx, mut by])) = self.clipped(a, b, ONE) else { return };
        let (dx, dy) = (bx - ax, by - ay);
        let flat = dx.abs() > dy.abs();
        if (flat && dx < 0) || (!flat && dy < 0) {
            ([ax, ay], [bx, by]) = ([bx, by], [ax, ay]);
        }
        let (dx, dy) = (bx - ax, by - ay);
        self.set(whole(bx), whole(by), 1);
        if flat {
            let step = dy * ONE / (dx.abs() | 1);
            let (first, mut y) = (whole(ax), ay + ONE / 2);
            for x in first..=first + dx.div_euclid(ONE) {
                self.set(x, y.div_euclid(ONE), 1);
                y += step;
            }
        } else {
            let step = dx * ONE / (dy.abs() | 1);
            let (first, mut x) = (whole(ay), ax + ONE / 2);
            for y in first..=first + dy.div_euclid(ONE) {
                self.set(x.div_euclid(ONE), y, 1);
                x += step;
            }
        }
    }
}
