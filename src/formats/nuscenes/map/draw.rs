//! Rings and lines as cells, the way OpenCV's `fillPoly` and `polylines` set them.
//!
//! *In*: paths in cells. *Out*: a mask of bytes. *Invariant*: corners of rings are rounded half to even, those of lines cut to whole
//! numbers; a ring's own border cells are set too, those along the mask's border only where its area reaches them.

use crate::types::num;

/// One cell in the fixed point of 16 binary digits that OpenCV counts in.
pub(super) const ONE: i64 = 1 << 16;

/// A rising edge: rows from and up to, column at its first row and from row to row, in fixed point.
#[derive(Clone, Copy)]
struct Slope {
    from: i64,
    to: i64,
    x: i64,
    step: i64,
}

/// Cells, row after row.
pub(super) struct Mask {
    pub(super) cells: Vec<u8>,
    columns: usize,
    rows: usize,
}

impl Mask {
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        Self { cells: vec![0; columns * rows], columns, rows }
    }

    pub(super) fn set(&mut self, x: i64, y: i64, value: u8) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x < self.columns
            && y < self.rows
            && let Some(cell) = self.cells.get_mut(y * self.columns + x)
        {
            *cell = value;
        }
    }

    pub(super) fn span(&mut self, from: i64, to: i64, y: i64, value: u8) {
        let last = i64::try_from(self.columns).unwrap_or(i64::MAX) - 1;
        let Ok(row) = usize::try_from(y) else { return };
        let (Ok(from), Ok(to)) = (usize::try_from(from.max(0)), usize::try_from(to.min(last))) else { return };
        if row < self.rows && from <= to {
            let start = row * self.columns;
            self.cells.get_mut(start + from..=start + to).into_iter().flatten().for_each(|c| *c = value);
        }
    }

    /// Fills rings together: a cell between an odd and an even crossing is inside.
    pub(super) fn fill(&mut self, rings: &[super::Path], value: u8) {
        let mut edges = Vec::new();
        for (a, b) in self.outline(rings) {
            let [a, b] = [a, b].map(|p| p.map(|v| num::round_i64(v.round_ties_even())));
            self.edge(a, b, value);
            edges.extend(self.slope(a, b));
        }
        let low = edges.iter().map(|e| e.from).min().unwrap_or(0).max(0);
        let high = edges.iter().map(|e| e.to).max().unwrap_or(0).min(i64::try_from(self.rows).unwrap_or(0));
        edges.sort_unstable_by_key(|e| e.from);
        let (mut active, mut next): (Vec<Slope>, _) = (Vec::new(), edges.iter().peekable());
        let mut crossings = Vec::new();
        for y in low..high {
            while let Some(edge) = next.next_if(|e| e.from <= y) {
                active.push(*edge);
            }
            active.retain(|e| e.to > y);
            crossings.clear();
            crossings.extend(active.iter().map(|e| e.x + (y - e.from) * e.step));
            crossings.sort_unstable();
            for pair in crossings.chunks_exact(2) {
                let &[from, to] = pair else { continue };
                self.span((from + ONE - 1).div_euclid(ONE), to.div_euclid(ONE), y, value);
            }
        }
    }

    /// An edge as the filling steps along it: where it leaves the mask, its slope is that of the part inside; none where it is level.
    fn slope(&self, a: [i64; 2], b: [i64; 2]) -> Option<Slope> {
        let [mut ca, mut cb] = [a, b];
        if let Some((inner_a, inner_b)) = self.clipped(a, b, 1) {
            let level = inner_a[1] == inner_b[1];
            (ca, cb) = if level { ([inner_a[0], a[1]], [inner_b[0], b[1]]) } else { (inner_a, inner_b) };
        }
        if a[1] == b[1] {
            return None;
        }
        let step = (cb[0] - ca[0]) * ONE / (cb[1] - ca[1]);
        let (from, to, start) = if a[1] < b[1] { (a[1], b[1], ca) } else { (b[1], a[1], cb) };
        Some(Slope { from, to, x: start[0] * ONE + (from - start[1]) * step, step })
    }

    /// The edges of rings that were cut with the mask's box. Along its border the cut leaves edges that join what are really parts of their own, and
    /// edges along holes: of these, what an odd number of edges covers is outline.
    fn outline(&self, rings: &[super::Path]) -> Vec<([f64; 2], [f64; 2])> {
        let bounds = [(0, 0.0), (0, self.columns as f64), (1, 0.0), (1, self.rows as f64)];
        let coordinate = |p: &[f64; 2], axis: usize| p.get(axis).copied().unwrap_or(0.0);
        let (mut edges, mut borders) = (Vec::new(), [const { Vec::new() }; 4]);
        for ring in rings {
            for (a, b) in ring.iter().zip(ring.iter().cycle().skip(1)) {
                let on = |(axis, bound): &(usize, f64)| coordinate(a, *axis) == *bound && coordinate(b, *axis) == *bound;
                let side = bounds.iter().zip(&mut borders).find(|(side, _)| on(side));
                match side {
                    Some(((axis, _), list)) => list.push([coordinate(a, 1 - axis), coordinate(b, 1 - axis)]),
                    None => edges.push((*a, *b)),
                }
            }
        }
        for ((axis, bound), spans) in bounds.iter().zip(&borders) {
            let mut places: Vec<f64> = spans.iter().flatten().copied().collect();
            places.sort_by(f64::total_cmp);
            places.dedup();
            for (from, to) in places.iter().zip(places.iter().skip(1)) {
                let covers = |[a, b]: &&[f64; 2]| a.min(*b) <= *from && a.max(*b) >= *to;
                if spans.iter().filter(covers).count() % 2 == 1 {
                    let at = |v: f64| if *axis == 0 { [*bound, v] } else { [v, *bound] };
                    edges.push((at(*from), at(*to)));
                }
            }
        }
        edges
    }

    /// The cells of an edge (Bresenham 1965), as OpenCV's line iterator steps: from where it enters the mask.
    fn edge(&mut self, a: [i64; 2], b: [i64; 2], value: u8) {
        let Some(([ax, ay], [bx, by])) = self.clipped(a, b, 1) else { return };
        let ([ax, ay], [bx, by]) = if ax > bx { ([bx, by], [ax, ay]) } else { ([ax, ay], [bx, by]) };
        let (dx, dy, step) = (bx - ax, (by - ay).abs(), (by - ay).signum());
        let steep = dy > dx;
        let (long, short) = if steep { (dy, dx) } else { (dx, dy) };
        let mut error = long - 2 * short;
        let (mut x, mut y) = (ax, ay);
        for _ in 0..=long {
            self.set(x, y, value);
            let turn = error < 0;
            error += if turn { 2 * long } else { 0 } - 2 * short;
            if steep {
                y += step;
                x += i64::from(turn);
            } else {
                x += 1;
                y += if turn { step } else { 0 };
            }
        }
    }

    /// The part of an edge inside the mask, in whole numbers of which `unit` make a cell; its ends are cut towards zero.
    pub(super) fn clipped(&self, a: [i64; 2], b: [i64; 2], unit: i64) -> Option<([i64; 2], [i64; 2])> {
        let limit = |cells: usize| i64::try_from(cells).ok()?.checked_mul(unit)?.checked_sub(1);
        let (right, bottom) = (limit(self.columns)?, limit(self.rows)?);
        let sides = |[x, y]: [i64; 2]| [x < 0, x > right, y < 0, y > bottom];
        let apart = |a: [i64; 2], b: [i64; 2]| sides(a).iter().zip(sides(b)).any(|(a, b)| *a && b);
        // A share of a difference, as OpenCV takes it: in doubles, cut towards zero.
        let part = |away: i64, over: i64, of: i64| num::round_i64((away as f64 * over as f64 / of as f64).trunc());
        let ([mut ax, mut ay], [mut bx, mut by]) = (a, b);
        if apart(a, b) {
            return None;
        }
        if ay < 0 || ay > bottom {
            let to = if ay < 0 { 0 } else { bottom };
            ax += part(to - ay, bx - ax, by - ay);
            ay = to;
        }
        if by < 0 || by > bottom {
            let to = if by < 0 { 0 } else { bottom };
            bx += part(to - by, bx - ax, by - ay);
            by = to;
        }
        if (ax < 0 && bx < 0) || (ax > right && bx > right) {
            return None;
        }
        if ax < 0 || ax > right {
            let to = if ax < 0 { 0 } else { right };
            ay += part(to - ax, by - ay, bx - ax);
            ax = to;
        }
        if bx < 0 || bx > right {
            let to = if bx < 0 { 0 } else { right };
            by += part(to - bx, by - ay, bx - ax);
            bx = to;
        }
        Some(([ax, ay], [bx, by]))
    }
}
