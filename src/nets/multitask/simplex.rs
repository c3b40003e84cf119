//! Small problems over the simplex (weights of at least zero with sum one), solved through the Gram matrix of the rows.
//!
//! *In*: `G[i][j]` = row i · row j. *Out*: weights. *Invariant*: the shortest combination is exact for up to ten tasks (every set of active
//! weights is tried); the other problem is convex and solved to 1e-12 in its gap.

use nalgebra::{DMatrix, DVector};

/// Tasks up to which all sets of active weights are tried.
const EXACT: usize = 10;

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn gram(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    rows.iter().map(|a| rows.iter().map(|b| dot(a, b)).collect()).collect()
}

pub(super) fn combine(rows: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; rows.first().map_or(0, Vec::len)];
    for (row, w) in rows.iter().zip(weights) {
        sum.iter_mut().zip(row).for_each(|(s, g)| *s += w * g);
    }
    sum
}

fn times(gram: &[Vec<f64>], w: &[f64]) -> Vec<f64> {
    gram.iter().map(|row| dot(row, w)).collect()
}

/// Weights whose combination is shortest.
pub(super) fn shortest(gram: &[Vec<f64>]) -> Vec<f64> {
    let count = gram.len();
    if count > EXACT {
        return least(gram, &vec![0.0; count], 1.0);
    }
    let mut best = (f64::INFINITY, vec![1.0 / count.max(1) as f64; count]);
    for set in 1_u32..(1 << count) {
        let active: Vec<usize> = (0..count).filter(|i| set & (1 << i) != 0).collect();
        let Some(weights) = stationary(gram, &active) else { continue };
        let length = dot(&weights, &times(gram, &weights));
        if weights.iter().all(|w| *w >= -1e-12) && length < best.0 {
            best = (length, weights.into_iter().map(|w| w.max(0.0)).collect());
        }
    }
    best.1
}

/// Weights of sum one on `active` at which the length does not change to first order.
fn stationary(gram: &[Vec<f64>], active: &[usize]) -> Option<Vec<f64>> {
    let n = active.len();
    let entry = |i: usize, j: usize| active.get(i).zip(active.get(j)).and_then(|(i, j)| gram.get(*i)?.get(*j).copied()).unwrap_or(0.0);
    let matrix = DMatrix::from_fn(n + 1, n + 1, |i, j| match (i == n, j == n) {
        (true, true) => 0.0,
        (false, false) => entry(i, j),
        _ => 1.0,
    });
    let mut right = DVector::zeros(n + 1);
    right.iter_mut().skip(n).for_each(|v| *v = 1.0);
    let solved = matrix.lu().solve(&right).filter(|s| s.iter().all(|v| v.is_finite()))?;
    let mut weights = vec![0.0; gram.len()];
    for (at, value) in active.iter().zip(solved.iter()) {
        weights.iter_mut().skip(*at).take(1).for_each(|w| *w = *value);
    }
    Some(weights)
}

/// Weights with the least `w · linear + root * sqrt(w G w)`, by steps between two corners at a time: the best pair by its slopes, the
/// best length by bisection on the slope.
pub(super) fn least(gram: &[Vec<f64>], linear: &[f64], root: f64) -> Vec<f64> {
    let count = gram.len();
    let mut w = vec![1.0 / count.max(1) as f64; count];
    let slope = |w: &[f64]| {
        let gw = times(gram, w);
        let length = dot(w, &gw).max(0.0).sqrt();
        let part = if length > 1e-300 { root / length } else { 0.0 };
        linear.iter().zip(&gw).map(|(l, g)| l + part * g).collect::<Vec<f64>>()
    };
    for _ in 0..2000 * count.max(1) {
        let s = slope(&w);
        let highest = s.iter().zip(&w).enumerate().filter(|(_, (_, w))| **w > 0.0).max_by(|a, b| a.1.0.total_cmp(b.1.0));
        let lowest = s.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1));
        let (Some((from, (high, room))), Some((to, low))) = (highest, lowest) else { break };
        if from == to || high - low < 1e-13 * (1.0 + high.abs()) {
            break;
        }
        let moved = |step: f64| {
            let mut next = w.clone();
            next.iter_mut().skip(from).take(1).for_each(|v| *v = (*v - step).max(0.0));
            next.iter_mut().skip(to).take(1).for_each(|v| *v += step);
            next
        };
        let downhill = |step: f64| {
            let s = slope(&moved(step));
            s.get(to).zip(s.get(from)).is_some_and(|(to, from)| to < from)
        };
        let (mut low, mut high) = (0.0, *room);
        if downhill(high) {
            low = high;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if downhill(middle) { low = middle } else { high = middle }
        }
        if low <= 0.0 {
            break;
        }
        w = moved(low);
    }
    w
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_of_two_is_the_known_formula_and_both_solvers_agree() {
        let rows = [vec![3.0, 0.0], vec![1.0, 1.0]];
        let w = shortest(&gram(&rows));
        // ((g2 - g1) . g2) / |g1 - g2|^2 = (-2 + 1) / 5, clamped to 0.
        assert_eq!(w, [0.0, 1.0]);
        let rows = [vec![1.0, 0.2, 0.3], vec![-0.4, 1.0, 0.1], vec![0.1, -0.9, 1.0]];
        let (a, b) = (shortest(&gram(&rows)), least(&gram(&rows), &[0.0; 3], 1.0));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-7), "{a:?} {b:?}");
        let long: Vec<Vec<f64>> =
            (0..12_u32).map(|i| (0..20_u32).map(|j| f64::from((i * 31 + j * 17) % 23) / 11.0 - 1.0).collect()).collect();
        let w = shortest(&gram(&long));
        assert!((w.iter().sum::<f64>() - 1.0).abs() < 1e-9 && w.iter().all(|v| *v >= 0.0));
    }
}
