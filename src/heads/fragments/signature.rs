//! Likeness of two borders without a network: the same curve, seen from its two sides, with the same colours along it.
//!
//! *In*: two [`Shape`]s. *Out*: similarity `[n, m]` in 0..1, of the same form as the network's. *Invariant*: turning or shifting a piece changes
//! nothing (but for pixels); the source is read in walking order, the target against it, so that a border fits its counterpart and not itself.
//!
//! A point's signature is how far the border lies beside its tangent at equal arc distances on either side, and the colours just inside.

use super::fit::Shape;
use crate::types::num;
use ndarray::Array2;

/// Arc distances at which the border is looked at, pixels, on either side.
const ARCS: [f64; 10] = [3.0, 6.0, 9.0, 12.0, 16.0, 20.0, 24.0, 28.0, 32.0, 36.0];
/// Arc distances at which the colour is looked at.
const COLOURS: [f64; 5] = [-16.0, -8.0, 0.0, 8.0, 16.0];
/// Arc distance on either side that the tangent is taken over.
const TANGENT: f64 = 6.0;
/// How deep inside the colour is taken, pixels.
const DEPTH: f64 = 3.0;
/// Differences of this many pixels, or levels of 255, count as one.
const PIXELS: f64 = 1.2;
const LEVELS: f64 = 28.0;
/// Numbers of a signature.
const WIDTH: usize = 2 * ARCS.len() + 3 * COLOURS.len();
/// What the mean squared difference is multiplied by before the softmax.
const SHARPNESS: f32 = 12.0;

/// Signatures of every border point, `[points, WIDTH]`; a target is read backwards.
pub fn signatures(shape: &Shape, target: bool) -> Vec<f32> {
    let walk = Walk::new(&shape.border);
    let sign = if target { -1.0 } else { 1.0 };
    let mut out = Vec::with_capacity(shape.border.len() * WIDTH);
    for index in 0..shape.border.len() {
        let (here, [x, y]) = (walk.at(index), walk.place(walk.at(index)));
        let ([ax, ay], [bx, by]) = (walk.place(here - sign * TANGENT), walk.place(here + sign * TANGENT));
        let (dx, dy) = (bx - ax, by - ay);
        let length = dx.hypot(dy).max(1e-9);
        let (dx, dy) = (dx / length, dy / length);
        for side in [-1.0, 1.0] {
            for arc in ARCS {
                let [px, py] = walk.place(here + sign * side * arc);
                // Beside the tangent; farther away a small turn of the tangent moves more, so it counts less.
                let beside = (px - x) * -dy + (py - y) * dx;
                out.push(num::f32(beside / (PIXELS * (1.0 + arc / 12.0))));
            }
        }
        for arc in COLOURS {
            let at = walk.inside(here + sign * arc, DEPTH, shape.outline.area() < 0.0);
            out.extend(colour(shape, at).map(|level| num::f32(f64::from(level) / LEVELS)));
        }
    }
    out
}

/// Similarity of every source point (rows) to every target point (columns): softmax over rows times softmax over columns of the negative
/// mean squared difference of signatures.
pub fn similarity(source: &[f32], target: &[f32]) -> Array2<f32> {
    let (n, m) = (source.len() / WIDTH, target.len() / WIDTH);
    let mut cells = Vec::with_capacity(n * m);
    for a in source.chunks_exact(WIDTH) {
        cells.extend(target.chunks_exact(WIDTH).map(|b| {
            let squares: f32 = a.iter().zip(b).map(|(x, y)| ((x - y) * (x - y)).min(9.0)).sum();
            (-SHARPNESS * squares / WIDTH as f32).exp()
        }));
    }
    let mut columns = vec![1e-6_f32; m];
    for row in cells.chunks_exact(m.max(1)) {
        columns.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
    }
    for row in cells.chunks_exact_mut(m.max(1)) {
        let sum = row.iter().sum::<f32>() + 1e-6;
        row.iter_mut().zip(&columns).for_each(|(v, column)| *v = *v * *v / (sum * column));
    }
    Array2::from_shape_vec((n, m), cells).unwrap_or_default()
}

fn colour(shape: &Shape, [x, y]: [f64; 2]) -> [u8; 3] {
    let at = num::pixel(x, shape.fragment.width()).zip(num::pixel(y, shape.fragment.height()));
    let data = at.and_then(|(x, y)| shape.fragment.data().get((y * shape.fragment.width() + x) * 4..));
    match data {
        Some([r, g, b, a, ..]) if *a > 0 => [*r, *g, *b],
        _ => [0; 3],
    }
}

/// A closed line by arc length.
struct Walk<'a> {
    points: &'a [[f64; 2]],
    /// Arc length at each point; one more for the way back to the first.
    arcs: Vec<f64>,
}

impl<'a> Walk<'a> {
    fn new(points: &'a [[f64; 2]]) -> Self {
        let turned = points.iter().cycle().skip(1);
        let mut arcs = vec![0.0];
        let mut length = 0.0;
        for ([ax, ay], [bx, by]) in points.iter().zip(turned) {
            length += (ax - bx).hypot(ay - by).max(1e-6);
            arcs.push(length);
        }
        Self { points, arcs }
    }

    fn at(&self, index: usize) -> f64 {
        self.arcs.get(index).copied().unwrap_or(0.0)
    }

    /// Index of the point before an arc length, and the fraction of the way to the next.
    fn before(&self, arc: f64) -> (usize, f64) {
        let total = self.arcs.last().copied().unwrap_or(1.0).max(1e-9);
        let arc = arc.rem_euclid(total);
        let index = self.arcs.partition_point(|a| *a <= arc).saturating_sub(1);
        let (low, high) = (self.at(index), self.arcs.get(index + 1).copied().unwrap_or(total));
        (index, ((arc - low) / (high - low).max(1e-9)).clamp(0.0, 1.0))
    }

    fn place(&self, arc: f64) -> [f64; 2] {
        let (index, part) = self.before(arc);
        let count = self.points.len().max(1);
        match (self.points.get(index % count), self.points.get((index + 1) % count)) {
            (Some([ax, ay]), Some([bx, by])) => [ax + part * (bx - ax), ay + part * (by - ay)],
            _ => [0.0; 2],
        }
    }

    /// A place so deep inside of the line.
    fn inside(&self, arc: f64, depth: f64, flipped: bool) -> [f64; 2] {
        let ([x, y], [ax, ay], [bx, by]) = (self.place(arc), self.place(arc - 4.0), self.place(arc + 4.0));
        let (dx, dy) = (bx - ax, by - ay);
        let step = depth / dx.hypot(dy).max(1e-9) * if flipped { -1.0 } else { 1.0 };
        [x - dy * step, y + dx * step]
    }
}
