//! Rules that weigh losses: uncertainty weighting, dynamic weight average, GradNorm, and IMTL-L.
//!
//! *In*: losses of each task, and the rule's own state. *Out*: weights, the weighted loss, derivatives by the state. *Invariant*: losses that are
//! zero or not finite give weights of one instead of NaN.

/// Uncertainty weighting (Kendall, Gal & Cipolla, CVPR 2018): `sum exp(-s_i) L_i + s_i` and its derivative by each `s_i`.
/// This is twice the paper's objective, so gradients are twice as long too.
pub fn uncertainty(losses: &[f64], log_variances: &[f64]) -> (f64, Vec<f64>) {
    let pairs = || losses.iter().zip(log_variances);
    let total = pairs().map(|(l, s)| (-s).exp() * l + s).sum();
    (total, pairs().map(|(l, s)| 1.0 - (-s).exp() * l).collect())
}

/// IMTL-L (Liu et al., ICLR 2021): `sum exp(s_i) L_i - s_i` and its derivative by each `s_i`.
pub fn imtl_l(losses: &[f64], scales: &[f64]) -> (f64, Vec<f64>) {
    let pairs = || losses.iter().zip(scales);
    let total = pairs().map(|(l, s)| s.exp() * l - s).sum();
    (total, pairs().map(|(l, s)| s.exp() * l - 1.0).collect())
}

/// Dynamic weight average (Liu, Johns & Davison, CVPR 2019): weights of sum T from the mean losses of the last epoch and the one before.
pub fn dynamic_average(last: &[f64], before: &[f64], temperature: f64) -> Vec<f64> {
    let ratios: Vec<f64> = last.iter().zip(before).map(|(a, b)| a / b / temperature).collect();
    if ratios.iter().any(|r| !r.is_finite()) {
        return vec![1.0; ratios.len()];
    }
    let highest = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = ratios.iter().map(|r| (r - highest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.iter().map(|p| p / sum * ratios.len() as f64).collect()
}

/// What GradNorm wants of each task's gradient.
#[derive(Debug, Clone, PartialEq)]
pub struct GradNorm {
    /// The norm that each weighted gradient should have.
    pub targets: Vec<f64>,
    /// Derivative of `sum |w_i n_i - target_i|` by each weight, targets held constant.
    pub by_weight: Vec<f64>,
}

/// GradNorm (Chen et al., ICML 2018): `norms` of the unweighted gradients, losses now and at the start, strength `power` (1.5).
pub fn gradnorm(norms: &[f64], weights: &[f64], losses: &[f64], first: &[f64], power: f64) -> GradNorm {
    let count = norms.len().max(1) as f64;
    let weighted: Vec<f64> = norms.iter().zip(weights).map(|(n, w)| (n * w).abs()).collect();
    let mean = weighted.iter().sum::<f64>() / count;
    let progress: Vec<f64> = losses.iter().zip(first).map(|(l, f)| l / f).map(|r| if r.is_finite() { r } else { 1.0 }).collect();
    let middle = progress.iter().sum::<f64>() / count;
    let rate = |p: &f64| if middle > 0.0 { (p / middle).powf(power) } else { 1.0 };
    let targets: Vec<f64> = progress.iter().map(|p| mean * rate(p)).collect();
    let sign = |d: f64| if d == 0.0 { 0.0 } else { d.signum() };
    let by_weight = weighted.iter().zip(&targets).zip(norms).map(|((n, t), norm)| sign(n - t) * norm).collect();
    GradNorm { targets, by_weight }
}

/// Weights of sum T again after a step; weights that fell below zero are held at a small positive value.
pub fn renormalised(weights: &[f64]) -> Vec<f64> {
    let floor: Vec<f64> = weights.iter().map(|w| if w.is_finite() { w.max(1e-6) } else { 1.0 }).collect();
    let sum: f64 = floor.iter().sum();
    floor.iter().map(|w| w / sum * weights.len() as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_are_those_of_the_losses() {
        type Rule = fn(&[f64], &[f64]) -> (f64, Vec<f64>);
        for rule in [uncertainty as Rule, imtl_l] {
            let (losses, mut state) = ([1.5, 0.2], [0.3, -0.4]);
            let (before, slope) = rule(&losses, &state);
            state[1] += 1e-6;
            assert!(((rule(&losses, &state).0 - before) / 1e-6 - slope[1]).abs() < 1e-5);
        }
    }
    #[test]
    fn weights_keep_their_sum_and_zeros_are_no_nan() {
        let w = dynamic_average(&[1.0, 2.0, 0.5], &[2.0, 2.0, 2.0], 2.0);
        assert!((w.iter().sum::<f64>() - 3.0).abs() < 1e-12 && w[1] > w[0] && w[0] > w[2]);
        assert_eq!(dynamic_average(&[1.0, 2.0], &[0.0, 1.0], 2.0), [1.0, 1.0]);
        let g = gradnorm(&[2.0, 2.0], &[1.0, 1.0], &[1.0, 1.0], &[1.0, 1.0], 1.5);
        assert_eq!((g.targets, g.by_weight), (vec![2.0, 2.0], vec![0.0, 0.0]));
        assert!(gradnorm(&[2.0], &[1.0], &[0.0], &[0.0], 1.5).targets[0].is_finite());
        assert!((renormalised(&[3.0, -1.0]).iter().sum::<f64>() - 2.0).abs() < 1e-12);
    }
}
