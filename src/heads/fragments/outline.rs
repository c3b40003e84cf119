//! The ordered contour of a fragment: traced, smoothed, on whole pixels, always the same way round.
//!
//! *In*: a fragment, opaque where the piece is. *Out*: [`Outline`], points as (row, column). *Invariant*: never empty; no point equals the one before
//! it (the last joins the first) unless there is only one; mean cross(p_i - p_(i-1), p_i - centre) <= 0, so that two borders that fit run in
//! opposite directions. Border following: Suzuki and Abe, "Topological Structural Analysis of Digitized Binary Images", 1985.

use crate::types::{Error, Fragment, Result, num};

/// Standard deviation of the smoothing along the contour, points.
const SIGMA: f64 = 3.0;
/// Taps on either side of the centre.
const REACH: usize = 12;

/// A closed contour.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outline {
    /// (row, column) in walking order; the last joins the first.
    pub points: Vec<[i32; 2]>,
    /// Columns of the fragment.
    pub width: usize,
    /// Rows of the fragment.
    pub height: usize,
}

impl Outline {
    /// The points as (x, y) where the border really is: whole numbers came from cutting off, which takes half a pixel on average, and the
    /// border lies half a pixel outside the outermost pixels' centres.
    pub fn border(&self) -> Vec<[f64; 2]> {
        let at = |i: usize| self.points.get(i % self.points.len().max(1)).map_or([0.0; 2], |[r, c]| [f64::from(*c), f64::from(*r)]);
        let count = self.points.len();
        let spread = 3.min(count / 3);
        // Contours run so that the outside is on the same hand everywhere; which one, the signed area says.
        let side = if self.area() < 0.0 { -1.0 } else { 1.0 };
        (0..count)
            .map(|i| {
                let ([x, y], [ax, ay], [bx, by]) = (at(i), at(i + count - spread), at(i + spread));
                let (dx, dy) = (bx - ax, by - ay);
                let norm = dx.hypot(dy).max(1e-9);
                [x + 0.5 + side * 0.5 * dy / norm, y + 0.5 - side * 0.5 * dx / norm]
            })
            .collect()
    }

    /// The points as (x, y).
    pub fn xy(&self) -> Vec<[f64; 2]> {
        self.points.iter().map(|[r, c]| [f64::from(*c), f64::from(*r)]).collect()
    }

    /// Area of the polygon in square pixels, positive where x, y run clockwise on the screen.
    pub fn area(&self) -> f64 {
        let turned = self.points.iter().cycle().skip(1);
        let cross = |([r0, c0], [r1, c1]): (&[i32; 2], &[i32; 2])| f64::from(*c0) * f64::from(*r1) - f64::from(*c1) * f64::from(*r0);
        self.points.iter().zip(turned).map(cross).sum::<f64>() / 2.0
    }
}

/// The contour of the longest border of a fragment.
///
/// # Errors
/// The fragment has no opaque pixel.
pub fn outline(fragment: &Fragment) -> Result<Outline> {
    let (width, height) = (fragment.width(), fragment.height());
    let mask: Vec<bool> = fragment.data().chunks_exact(4).map(|p| p.last().is_some_and(|a| *a > 0)).collect();
    let traced = longest_border(&mask, width, height);
    if traced.is_empty() {
        return Err(Error::mismatch("a piece with an opaque pixel", "none", format!("fragment `{}`", fragment.name)));
    }
    let mut points = smoothed(&traced);
    oriented(&mut points);
    Ok(Outline { points, width, height })
}

/// The outer border with the most points, (row, column), in the order in which it is walked.
pub(super) fn longest_border(mask: &[bool], width: usize, height: usize) -> Vec<[i32; 2]> {
    borders(mask, width, height).into_iter().max_by_key(Vec::len).unwrap_or_default()
}

/// The outer border of every connected piece (eight neighbours), columns before rows, pieces inside holes included.
pub(super) fn borders(mask: &[bool], width: usize, height: usize) -> Vec<Vec<[i32; 2]>> {
    let grid = Grid::new(mask, width, height);
    grid.starts().into_iter().map(|at| grid.follow(at)).collect()
}

const OUTSIDE: u8 = 0;

/// The mask turned (a line of cells is a column of the picture), with an empty frame of one cell.
struct Grid {
    cells: Vec<u8>,
    /// Cells from one column to the next.
    pitch: usize,
    /// Steps to the eight neighbours: +row, then on, each an eighth of a turn.
    steps: [isize; 8],
}

impl Grid {
    fn new(mask: &[bool], width: usize, height: usize) -> Self {
        let pitch = height + 2;
        let mut cells = vec![OUTSIDE; pitch * (width + 2)];
        for (row, line) in mask.chunks_exact(width.max(1)).enumerate() {
            for (cell, inside) in cells.iter_mut().skip(pitch + row + 1).step_by(pitch).zip(line) {
                *cell = u8::from(*inside);
            }
        }
        let p = isize::try_from(pitch).unwrap_or(isize::MAX);
        Self { cells, pitch, steps: [1, 1 - p, -p, -p - 1, -1, p - 1, p, p + 1] }
    }

    fn is(&self, at: usize, kind: u8) -> bool {
        self.cells.get(at).is_some_and(|c| *c == kind)
    }

    fn step(&self, at: usize, direction: usize) -> usize {
        at.wrapping_add_signed(self.steps.get(direction % 8).copied().unwrap_or(0))
    }

    fn point(&self, at: usize) -> [i32; 2] {
        let whole = |v: usize| i32::try_from(v).unwrap_or(i32::MAX) - 1;
        [whole(at % self.pitch), whole(at / self.pitch)]
    }

    /// Walks round the piece from the first of its cells.
    fn follow(&self, start: usize) -> Vec<[i32; 2]> {
        // The last cell of the walk: the first neighbour clockwise from the empty one before the start.
        let Some(back) = (1..8).map(|turn| (4 + 8 - turn) % 8).find(|d| !self.is(self.step(start, *d), OUTSIDE)) else {
            return vec![self.point(start)];
        };
        let last = self.step(start, back);
        let (mut at, mut direction, mut walk) = (start, back, Vec::new());
        loop {
            walk.push(self.point(at));
            let ahead = (1..=8).map(|turn| (direction + turn) % 8).find(|d| !self.is(self.step(at, *d), OUTSIDE)).unwrap_or(direction);
            let next = self.step(at, ahead);
            if (next == start && at == last) || walk.len() > 4 * self.cells.len() {
                return walk;
            }
            at = next;
            direction = (ahead + 4) % 8;
        }
    }

    /// The first cell of every piece: runs of cells that meet a run of the line before are one piece.
    fn starts(&self) -> Vec<usize> {
        let mut firsts: Vec<usize> = Vec::new();
        let mut parents: Vec<usize> = Vec::new();
        let mut before: Vec<(usize, usize, usize)> = Vec::new();
        for (line, cells) in self.cells.chunks_exact(self.pitch).enumerate() {
            let mut runs: Vec<(usize, usize, usize)> = Vec::new();
            let (mut at, mut rest) = (0, cells);
            while let Some(gap) = rest.iter().position(|c| *c != OUTSIDE) {
                let length = rest.iter().skip(gap).take_while(|c| **c != OUTSIDE).count();
                let (from, to) = (at + gap, at + gap + length);
                // Neighbours touch at corners, too.
                let mut met = before.iter().filter(|(a, b, _)| *a <= to && from <= *b).map(|(_, _, piece)| root(&parents, *piece));
                let piece = met.next().unwrap_or_else(|| {
                    firsts.push(line * self.pitch + from);
                    parents.len()
                });
                let joined: Vec<usize> = met.collect();
                if piece == parents.len() {
                    parents.push(piece);
                }
                for other in joined {
                    let (low, high) = (root(&parents, piece).min(other), root(&parents, piece).max(other));
                    if let Some(parent) = parents.get_mut(high) {
                        *parent = low;
                    }
                }
                runs.push((from, to, piece));
                at = to;
                rest = cells.get(to..).unwrap_or_default();
            }
            before = runs;
        }
        firsts.into_iter().enumerate().filter(|(piece, _)| root(&parents, *piece) == *piece).map(|(_, first)| first).collect()
    }
}

/// The piece that another one turned out to be part of.
fn root(parents: &[usize], mut piece: usize) -> usize {
    while let Some(parent) = parents.get(piece).filter(|p| **p != piece) {
        piece = *parent;
    }
    piece
}

/// Gaussian along the list (as if it were open, ends mirrored), cut to whole numbers, repeats left out.
///
/// Sums are made in `f32`, from the centre outwards, each step rounded once: along a straight border they lie at whole numbers, and only the
/// published order of the sums says on which side they are cut off.
fn smoothed(points: &[[i32; 2]]) -> Vec<[i32; 2]> {
    let kernel = kernel();
    let (centre, rest) = kernel.split_first().map_or((1.0, &[][..]), |(f, r)| (*f, r));
    let mut out: Vec<[i32; 2]> = Vec::with_capacity(points.len());
    let reach = i64::try_from(rest.len()).unwrap_or(0);
    let count = i64::try_from(points.len()).unwrap_or(0);
    let line: Vec<[i32; 2]> = (-reach..count + reach).map(|at| mirrored(points, at)).collect();
    for window in line.windows(2 * rest.len() + 1) {
        let (left, right) = window.split_at(rest.len());
        let Some((point, right)) = right.split_first() else { continue };
        let mut sum = point.map(|v| v as f32 * centre);
        for ((a, b), weight) in left.iter().rev().zip(right).zip(rest) {
            for (total, (a, b)) in sum.iter_mut().zip(a.iter().zip(b)) {
                *total = weight.mul_add((a + b) as f32, *total);
            }
        }
        out.push(sum.map(|v| i32::try_from(num::round_i64(f64::from(v.trunc()))).unwrap_or(0)));
    }
    let before: Vec<Option<[i32; 2]>> = out.last().copied().into_iter().chain(out.iter().copied()).map(Some).collect();
    let kept: Vec<[i32; 2]> = out.iter().zip(&before).filter(|(p, before)| Some(**p) != **before).map(|(p, _)| *p).collect();
    if kept.is_empty() { out.into_iter().take(1).collect() } else { kept }
}

/// Weights from the centre outwards.
fn kernel() -> Vec<f32> {
    let half: Vec<f64> = (0..=REACH).map(|reach| (-0.5 / (SIGMA * SIGMA) * (reach * reach) as f64).exp()).collect();
    let sum: f64 = half.iter().skip(1).rev().chain(&half).sum();
    half.iter().map(|w| num::f32(w * (1.0 / sum))).collect()
}

/// The point at a place, mirrored at the ends of the list without repeating the end point.
fn mirrored(points: &[[i32; 2]], at: i64) -> [i32; 2] {
    let count = i64::try_from(points.len()).unwrap_or(1).max(1);
    let period = (2 * count - 2).max(1);
    let at = at.rem_euclid(period);
    let at = if at < count { at } else { period - at };
    usize::try_from(at).ok().and_then(|at| points.get(at)).copied().unwrap_or_default()
}

/// Turns the list round if it runs the wrong way.
fn oriented(points: &mut [[i32; 2]]) {
    let count = points.len().max(1) as f64;
    let mean = [0, 1].map(|axis| points.iter().filter_map(|p| p.get::<usize>(axis)).map(|v| f64::from(*v)).sum::<f64>() / count);
    let [mean_row, mean_column] = mean;
    let before = points.last().into_iter().chain(points.iter());
    let cross = |([r, c], [r0, c0]): (&[i32; 2], &[i32; 2])| {
        f64::from(r - r0) * (f64::from(*c) - mean_column) - f64::from(c - c0) * (f64::from(*r) - mean_row)
    };
    if points.iter().zip(before).map(cross).sum::<f64>() > 0.0 {
        points.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_that_meet_late_or_at_corners_are_one_and_holes_are_no_border() {
        let picture = ["........", "..##..#.", ".#..#...", ".#.##...", "..##..##", "....#..#", "#...###.", "........"];
        let mask: Vec<bool> = picture.iter().flat_map(|line| line.chars().map(|c| c == '#')).collect();
        let found = borders(&mask, 8, 8);
        assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), [1, 20, 1]);
        assert_eq!((found[0][0], found[1][0], found[2][0]), ([6, 0], [2, 1], [1, 6]));
        assert!(borders(&[false; 4], 2, 2).is_empty() && borders(&[true; 4], 2, 2)[0].len() == 4);
    }
}
