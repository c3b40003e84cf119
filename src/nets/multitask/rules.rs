//! Rules that combine task gradients: IMTL-G, equal norm, MGDA, PCGrad, CAGrad.
//!
//! *In*: one row of equal length per task. *Out*: weights per task, or the combined row. *Invariant*: no row, or a row that vanishes, gives
//! equal weights instead of NaN; permuting the tasks permutes the result (PCGrad aside, whose order of projection is an argument).

use super::simplex::{self, combine, dot};
use nalgebra::{DMatrix, DVector};

/// Norms below this count as zero.
pub const TINY: f64 = 1e-12;

/// A rule for `inter` (between tasks).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inter {
    /// All tasks count the same: plain training.
    None,
    /// Equal projection on all unit gradients (Liu et al., "Towards Impartial Multi-task Learning", ICLR 2021).
    #[default]
    ImtlG,
    /// Weights inversely proportional to the norms.
    EqualNorm,
    /// The shortest vector of the hull (Désidéri 2012; Sener & Koltun, NeurIPS 2018).
    Mgda,
    /// Conflicting parts projected away (Yu et al., NeurIPS 2020).
    PcGrad,
    /// The best worst-case direction near the mean (Liu et al., NeurIPS 2021), c = 0.4, not rescaled.
    CaGrad,
}

/// Norm of each row.
pub fn norms(rows: &[Vec<f64>]) -> Vec<f64> {
    rows.iter().map(|g| dot(g, g).sqrt()).collect()
}

fn equal(count: usize) -> Vec<f64> {
    vec![1.0 / count.max(1) as f64; count]
}

/// What each task's gradient is multiplied by. PCGrad and CAGrad are linear in the rows for fixed rows, so they have weights too.
pub fn weights(rule: Inter, rows: &[Vec<f64>]) -> Vec<f64> {
    match rule {
        Inter::None => vec![1.0; rows.len()],
        Inter::ImtlG => imtl_g(rows),
        Inter::EqualNorm => equal_norm(rows),
        Inter::Mgda => mgda(rows),
        Inter::PcGrad => pcgrad(rows, &(0..rows.len()).collect::<Vec<_>>()).1,
        Inter::CaGrad => {
            let (inner, scale) = cagrad_parts(rows, 0.4);
            inner.iter().map(|w| w * scale + 1.0 / rows.len().max(1) as f64).collect()
        }
    }
}

/// Weights with sum one whose combination projects equally on every unit gradient; they can be negative for three tasks and more.
pub fn imtl_g(rows: &[Vec<f64>]) -> Vec<f64> {
    let norms = norms(rows);
    let Some((first, others)) = rows.split_first() else { return Vec::new() };
    if norms.iter().any(|n| !n.is_finite() || *n < TINY) || others.is_empty() {
        return equal(rows.len());
    }
    let unit = |g: &[f64], n: f64| g.iter().map(|v| v / n).collect::<Vec<f64>>();
    let units: Vec<Vec<f64>> = rows.iter().zip(&norms).map(|(g, n)| unit(g, *n)).collect();
    let Some((first_unit, other_units)) = units.split_first() else { return equal(rows.len()) };
    let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
    let d: Vec<Vec<f64>> = others.iter().map(|g| minus(first, g)).collect();
    let u: Vec<Vec<f64>> = other_units.iter().map(|g| minus(first_unit, g)).collect();
    // alpha (D U^T) = g_1 U^T, so (D U^T)^T alpha^T = (g_1 U^T)^T.
    let matrix = DMatrix::from_fn(d.len(), u.len(), |i, j| u.get(i).zip(d.get(j)).map_or(0.0, |(u, d)| dot(d, u)));
    let right = DVector::from_iterator(u.len(), u.iter().map(|u| dot(first, u)));
    let Some(solved) = matrix.lu().solve(&right).filter(|s| s.iter().all(|v| v.is_finite())) else { return equal_norm(rows) };
    let mut alpha = vec![1.0 - solved.sum()];
    alpha.extend(solved.iter());
    alpha
}

/// Weights with sum one, inversely proportional to the norms.
pub fn equal_norm(rows: &[Vec<f64>]) -> Vec<f64> {
    let norms = norms(rows);
    if norms.iter().any(|n| !n.is_finite() || *n < TINY) {
        return equal(rows.len());
    }
    let total: f64 = norms.iter().map(|n| 1.0 / n).sum();
    norms.iter().map(|n| 1.0 / n / total).collect()
}

/// Weights on the simplex whose combination is shortest.
pub fn mgda(rows: &[Vec<f64>]) -> Vec<f64> {
    simplex::shortest(&simplex::gram(rows))
}

/// Each row without the parts that point against another row, tasks visited in `order`; the rows, and the weights by which the
/// original rows add up to their sum.
pub fn pcgrad(rows: &[Vec<f64>], order: &[usize]) -> (Vec<Vec<f64>>, Vec<f64>) {
    let mut weights = vec![1.0; rows.len()];
    let project = |(i, row): (usize, &Vec<f64>)| {
        let mut v = row.clone();
        for &j in order.iter().filter(|j| **j != i) {
            let Some(other) = rows.get(j) else { continue };
            let (along, length) = (dot(&v, other), dot(other, other));
            if along < 0.0 && length > TINY * TINY {
                v.iter_mut().zip(other).for_each(|(v, g)| *v -= along / length * g);
                weights.iter_mut().skip(j).take(1).for_each(|w| *w -= along / length);
            }
        }
        v
    };
    let projected = rows.iter().enumerate().map(project).collect();
    (projected, weights)
}

/// CAGrad's inner weights, and what their combination is multiplied by before the mean is added.
fn cagrad_parts(rows: &[Vec<f64>], c: f64) -> (Vec<f64>, f64) {
    let gram = simplex::gram(rows);
    let count = rows.len().max(1) as f64;
    let mean = combine(rows, &equal(rows.len()));
    let root = c * dot(&mean, &mean).sqrt();
    let linear: Vec<f64> = gram.iter().map(|row| row.iter().sum::<f64>() / count).collect();
    let weights = simplex::least(&gram, &linear, root);
    let inner = combine(rows, &weights);
    let length = dot(&inner, &inner).sqrt();
    let scale = if length > TINY { root / length } else { 0.0 };
    (weights, scale)
}

/// CAGrad: its inner weights on the simplex, and the direction mean + sqrt(phi) / |g_w| g_w, not rescaled.
pub fn cagrad(rows: &[Vec<f64>], c: f64) -> (Vec<f64>, Vec<f64>) {
    let (weights, scale) = cagrad_parts(rows, c);
    let mean = combine(rows, &equal(rows.len()));
    let inner = combine(rows, &weights);
    let direction = mean.iter().zip(&inner).map(|(m, g)| m + scale * g).collect();
    (weights, direction)
}

/// `sum weights_i rows_i`.
pub fn combined(rows: &[Vec<f64>], weights: &[f64]) -> Vec<f64> {
    combine(rows, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<f64>> {
        vec![vec![1.0, 2.0, -1.0, 0.5], vec![-0.5, 0.3, 2.0, 1.0], vec![0.2, -1.0, 0.1, 3.0]]
    }

    #[test]
    fn imtl_g_projects_equally_on_every_unit_gradient() {
        let g = rows();
        let alpha = imtl_g(&g);
        assert!((alpha.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let total = combined(&g, &alpha);
        let along: Vec<f64> = g.iter().zip(norms(&g)).map(|(g, n)| dot(&total, g) / n).collect();
        assert!((along[0] - along[1]).abs() < 1e-12 && (along[0] - along[2]).abs() < 1e-12, "{along:?}");
        let swapped = imtl_g(&[g[1].clone(), g[0].clone(), g[2].clone()]);
        assert!((swapped[0] - alpha[1]).abs() < 1e-12 && (swapped[1] - alpha[0]).abs() < 1e-12);
        let two = imtl_g(&g[..2]);
        let n = norms(&g);
        assert!((two[0] * n[0] - two[1] * n[1]).abs() < 1e-12);
    }

    #[test]
    fn vanishing_gradients_give_equal_weights_and_weights_give_the_direction() {
        let none = vec![vec![0.0; 3], vec![1.0, 2.0, 3.0]];
        for rule in [Inter::ImtlG, Inter::EqualNorm, Inter::Mgda, Inter::PcGrad, Inter::CaGrad, Inter::None] {
            assert!(weights(rule, &none).iter().all(|w| w.is_finite()), "{rule:?}");
            assert!(weights(rule, &[]).is_empty());
        }
        assert_eq!(imtl_g(&none), [0.5, 0.5]);
        let g = rows();
        let (projected, _) = pcgrad(&g, &[0, 1, 2]);
        let sum: Vec<f64> = (0..4).map(|i| projected.iter().map(|p| p[i]).sum()).collect();
        let again = combined(&g, &weights(Inter::PcGrad, &g));
        assert!(sum.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-12));
        let (_, direction) = cagrad(&g, 0.4);
        let again = combined(&g, &weights(Inter::CaGrad, &g));
        assert!(direction.iter().zip(&again).all(|(a, b)| (a - b).abs() < 1e-9));
    }
}
