//! How LeTFuser's training weighs its eight losses: modified GradNorm (MGN), once an epoch on its last batch.
//!
//! *In*: losses, those of the epoch's first batch, gradient norms of the unweighted losses on their shared layer, all in the order of
//! [`super::losses::LOSSES`]. *Out*: the next weights. *Invariant*: they add up to what the first weights added up to, 7.

use serde::{Deserialize, Serialize};

/// Weights at the start: the stop sign has none.
pub const FIRST_WEIGHTS: [f64; 8] = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0];

/// Which rule moves the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceRule {
    /// What the released code does: norms do not contain the weights, so the step is along the losses themselves.
    #[default]
    AsReleased,
    /// What the rule is for: norms are those of the weighted losses, and the step goes down the sum of their distances from the targets.
    AsMeant,
}

/// One balancing step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Balance {
    /// The targets that the norms are compared with.
    pub targets: [f64; 8],
    /// Sum of the distances.
    pub total: f64,
    /// The next weights.
    pub weights: [f64; 8],
}

/// Moves the weights once. `rate` is the network's learning rate now, `exponent` 1.5.
pub fn balance(
    rule: BalanceRule,
    weights: &[f64; 8],
    losses: &[f64; 8],
    first: &[f64; 8],
    norms: &[f64; 8],
    [rate, exponent]: [f64; 2],
) -> Balance {
    let mean = |list: &[f64; 8]| list.iter().sum::<f64>() / 8.0;
    let joined = |a: &[f64; 8], b: &[f64; 8], by: &dyn Fn(f64, f64) -> f64| {
        let mut out = *a;
        out.iter_mut().zip(b).for_each(|(x, y)| *x = by(*x, *y));
        out
    };
    let own = match rule {
        BalanceRule::AsReleased => *norms,
        BalanceRule::AsMeant => joined(weights, norms, &|w, n| w * n),
    };
    let relative = joined(losses, first, &|now, then| if then == 0.0 { now } else { now / then });
    let (typical, pace) = (mean(&own), mean(&relative));
    // The exponent covers the mean norm too, unlike GradNorm's own.
    let targets = relative.map(|r| if pace > 0.0 { (typical * r / pace).powf(exponent) } else { 0.0 });
    let total = own.iter().zip(&targets).map(|(g, c)| (g - c).abs()).sum();
    let slopes = match rule {
        BalanceRule::AsReleased => *losses,
        BalanceRule::AsMeant => {
            let signs = joined(&own, &targets, &|g, c| if g == c { 0.0 } else { (g - c).signum() });
            joined(&signs, norms, &|s, n| s * n)
        }
    };
    let moved = joined(weights, &slopes, &|w, s| w - rate * s);
    let sum: f64 = moved.iter().sum();
    let wanted: f64 = FIRST_WEIGHTS.iter().sum();
    let weights = if sum.abs() > f64::EPSILON { moved.map(|w| w * wanted / sum) } else { *weights };
    Balance { targets, total, weights }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_as_meant_gives_a_lagging_loss_more_weight() {
        let ones = [1.0; 8];
        let mut losses = [0.5; 8];
        losses[0] = 1.0;
        let step = |rule| balance(rule, &ones, &losses, &ones, &ones, [0.01, 1.0]);
        let meant = step(BalanceRule::AsMeant);
        assert!(meant.weights[0] > meant.weights[1]);
        // The released code takes weight from whatever is largest.
        let released = step(BalanceRule::AsReleased);
        assert!(released.weights[0] < released.weights[1]);
        for result in [meant, released] {
            assert!((result.weights.iter().sum::<f64>() - 7.0).abs() < 1e-12);
        }
    }
}
