//! The seam of two pieces that were laid side by side: settled until the borders touch, then measured.
//!
//! *In*: two [`Shape`]s and a motion that is about right. *Out*: [`Seam`], a better motion and what speaks for it. *Invariant*: border points touch only
//! where the borders run against each other; the motion is that of least squares over touching points, at ever smaller distances.

use super::fit::Shape;
use crate::types::{Rigid, num};

/// Distances at which touching points are paired, one after the other, pixels.
const SETTLE: [f64; 5] = [7.0, 5.0, 3.5, 2.5, 2.5];
/// Distance within which points touch in the end.
const TOUCH: f64 = 2.0;
/// How deep inside each piece colours are compared, pixels.
const DEPTH: f64 = 3.0;
/// Points on either side that a direction is taken over.
const SPAN: usize = 4;

/// What is seen where two pieces meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seam {
    /// Target pixels from source pixels.
    pub motion: Rigid,
    /// Source points that touch.
    pub touching: usize,
    /// Mean distance of touching points, pixels.
    pub residual: f64,
    /// Mean difference of the colours on either side, levels of 255.
    pub colour: f64,
}

/// Settles a motion and measures the seam.
pub fn seam(source: &Shape, target: &Shape, motion: &Rigid) -> Seam {
    let grid = Grid::new(&target.border);
    let (own, other) = (directions(&source.border), directions(&target.border));
    let mut motion = *motion;
    for limit in SETTLE {
        let pairs = touching(source, target, &grid, [&own, &other], &motion, limit);
        let Some(next) = Rigid::fit(pairs.iter().map(|(i, k, _)| (point(&source.border, *i), point(&target.border, *k), 1.0))) else {
            break;
        };
        motion = next;
    }
    let pairs = touching(source, target, &grid, [&own, &other], &motion, TOUCH);
    let count = pairs.len().max(1) as f64;
    let colours = pairs.iter().map(|(i, k, _)| difference(colour(source, *i, &own), colour(target, *k, &other)));
    Seam {
        motion,
        touching: pairs.len(),
        residual: pairs.iter().map(|(_, _, d)| d).sum::<f64>() / count,
        colour: colours.sum::<f64>() / count,
    }
}

/// For each source point the nearest target point within the limit, if the borders run against each other there.
fn touching(
    source: &Shape,
    target: &Shape,
    grid: &Grid,
    [own, other]: [&[[f64; 2]]; 2],
    motion: &Rigid,
    limit: f64,
) -> Vec<(usize, usize, f64)> {
    let turn = Rigid { shift: [0.0; 2], ..*motion };
    let against = |i: usize, k: usize| {
        let ([ax, ay], [bx, by]) = (turn.apply(point(own, i)), point(other, k));
        ax * bx + ay * by < -0.5
    };
    let near = |(i, p): (usize, &[f64; 2])| {
        let moved = motion.apply(*p);
        let (k, distance) = grid.nearest(&target.border, moved, limit)?;
        against(i, k).then_some((i, k, distance))
    };
    source.border.iter().enumerate().filter_map(near).collect()
}

fn point(list: &[[f64; 2]], index: usize) -> [f64; 2] {
    list.get(index).copied().unwrap_or_default()
}

/// Unit direction of the border at each point.
fn directions(border: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let count = border.len().max(1);
    let span = SPAN.min(count / 3);
    let at = |i: usize| {
        let ([ax, ay], [bx, by]) = (point(border, (i + count - span) % count), point(border, (i + span) % count));
        let length = (bx - ax).hypot(by - ay).max(1e-9);
        [(bx - ax) / length, (by - ay) / length]
    };
    (0..border.len()).map(at).collect()
}

fn colour(shape: &Shape, index: usize, directions: &[[f64; 2]]) -> Option<[u8; 3]> {
    let ([x, y], [dx, dy]) = (point(&shape.border, index), point(directions, index));
    let depth = if shape.outline.area() < 0.0 { -DEPTH } else { DEPTH };
    shape.colour([x - dy * depth, y + dx * depth])
}

/// Mean difference of three levels; a side without colour differs by a quarter of the range.
fn difference(a: Option<[u8; 3]>, b: Option<[u8; 3]>) -> f64 {
    let (Some(a), Some(b)) = (a, b) else { return 64.0 };
    a.iter().zip(b).map(|(x, y)| f64::from(x.abs_diff(y))).sum::<f64>() / 3.0
}

/// Points in square cells, for nearest neighbours within a few pixels.
struct Grid {
    low: [f64; 2],
    columns: usize,
    rows: usize,
    cells: Vec<Vec<usize>>,
}

const CELL: f64 = 8.0;

impl Grid {
    fn new(points: &[[f64; 2]]) -> Self {
        let low = points.iter().fold([f64::INFINITY; 2], |[x, y], [u, v]| [x.min(*u), y.min(*v)]);
        let high = points.iter().fold([f64::NEG_INFINITY; 2], |[x, y], [u, v]| [x.max(*u), y.max(*v)]);
        let count = |low: f64, high: f64| usize::try_from(num::round_i64(((high - low) / CELL).floor())).unwrap_or(0) + 1;
        let (columns, rows) = (count(low[0], high[0]), count(low[1], high[1]));
        let mut grid = Self { low, columns, rows, cells: vec![Vec::new(); columns * rows] };
        for (index, [x, y]) in points.iter().enumerate() {
            let at = num::cell((x - low[0]) / CELL, columns).zip(num::cell((y - low[1]) / CELL, rows));
            if let Some(cell) = at.and_then(|(c, r)| grid.cells.get_mut(r * columns + c)) {
                cell.push(index);
            }
        }
        grid
    }

    fn nearest(&self, points: &[[f64; 2]], [x, y]: [f64; 2], limit: f64) -> Option<(usize, f64)> {
        let range = |v: f64, low: f64, count: usize| {
            let cell = |v: f64| usize::try_from(num::round_i64(((v - low) / CELL).floor())).unwrap_or(0);
            (v + limit >= low).then(|| cell(v - limit)..(cell(v + limit) + 1).min(count))
        };
        let (columns, rows) = (range(x, self.low[0], self.columns)?, range(y, self.low[1], self.rows)?);
        let mut best: Option<(usize, f64)> = None;
        for row in rows {
            for index in columns.clone().filter_map(|c| self.cells.get(row * self.columns + c)).flatten() {
                let [u, v] = point(points, *index);
                let square = (u - x).powi(2) + (v - y).powi(2);
                if best.is_none_or(|(_, least)| square < least) {
                    best = Some((*index, square));
                }
            }
        }
        best.map(|(index, square)| (index, square.sqrt())).filter(|(_, distance)| *distance <= limit)
    }
}
