//! Rings and lines as cells, the way OpenCV's `fillPoly` and `polylines` set them.
//!
//! *In*: paths in cells. *Out*: a mask of bytes. *Invariant*: corners of rings are rounded half to even, those of lines cut to whole
//! numbers; a ring's own border cells are set too, those along the mask's border only where its area reaches them.

use crate::types::num;

/// One cell in the fixed point of 16 binary digits that OpenCV counts in.
pub(super) const ONE: i64 = 1 << 16;

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
        let (width, height) = (self.columns as f64, self.rows as f64);
        let mut edges = Vec::new();
        // Where a hole reaches the border, the border's edges run along the hole too and are no outline.
        let notched = rings.len() > 1;
        for ring in rings {
            let whole: Vec<([i64; 2], [f64; 2])> = ring.iter().map(|p| (p.map(|v| num::round_i64(v.round_ties_even())), *p)).collect();
            for ((a, exact_a), (b, exact_b)) in whole.iter().zip(whole.iter().cycle().skip(1)) {
                let along = |axis: usize, bound: f64| exact_a.get(axis) == Some(&bound) && exact_b.get(axis) == Some(&bound);
                let border = along(0, 0.0) || along(0, width) || along(1, 0.0) || along(1, height);
                if !(notched && border) {
                    self.edge(*a, *b, value);
                }
                match a[1].cmp(&b[1]) {
                    std::cmp::Ordering::Less => edges.push((*a, *b)),
                    std::cmp::Ordering::Greater => edges.push((*b, *a)),
                    std::cmp::Ordering::Equal => {}
                }
            }
        }
        let low = edges.iter().map(|([_, y], _)| *y).min().unwrap_or(0).max(0);
        let high = edges.iter().map(|(_, [_, y])| *y).max().unwrap_or(0).min(i64::try_from(self.rows).unwrap_or(0));
        edges.sort_unstable_by_key(|([_, y], _)| *y);
        let (mut active, mut next): (Vec<([i64; 2], [i64; 2])>, _) = (Vec::new(), edges.iter().peekable());
        let mut crossings = Vec::new();
        for y in low..high {
            while let Some(edge) = next.next_if(|([_, top], _)| *top <= y) {
                active.push(*edge);
            }
            active.retain(|(_, [_, end])| *end > y);
            crossings.clear();
            crossings.extend(active.iter().map(|([ax, ay], [bx, by])| ax * ONE + (y - ay) * ((bx - ax) * ONE / (by - ay))));
            crossings.sort_unstable();
            for pair in crossings.chunks_exact(2) {
                let &[from, to] = pair else { continue };
                if notched && from == to {
                    continue;
                }
                self.span((from + ONE - 1).div_euclid(ONE), to.div_euclid(ONE), y, value);
            }
        }
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
