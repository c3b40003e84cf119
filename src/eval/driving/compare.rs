//! Means over repetitions, and two drivers on the same routes and seeds.
//!
//! *In*: scores. *Out*: mean, deviation, 95 % interval of the mean (Student's t). *Invariant*: a comparison pairs results by route and
//! repetition; what only one driver has is left out and counted.

use crate::types::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Mean of some numbers and how sure it is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: usize,
    /// Their mean.
    pub mean: f64,
    /// Sample deviation; 0 for one number.
    pub deviation: f64,
    /// Half the 95 % interval of the mean; 0 for one number.
    pub half_interval: f64,
}

/// 97.5 % points of Student's t for 1, 2, ... degrees of freedom; normal beyond.
const T: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093,
    2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Of some numbers; all zero for none.
pub fn spread(values: &[f64]) -> Spread {
    let count = values.len();
    if count == 0 {
        return Spread::default();
    }
    let n = count as f64;
    let mean = values.iter().sum::<f64>() / n;
    if count == 1 {
        return Spread { count, mean, ..Spread::default() };
    }
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let t = T.get(count - 2).copied().unwrap_or(1.96);
    Spread { count, mean, deviation, half_interval: t * deviation / n.sqrt() }
}

/// Two drivers on the same routes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The first driver's scores.
    pub first: Spread,
    /// The second's.
    pub second: Spread,
    /// Second less first, pair by pair.
    pub difference: Spread,
    /// Pairs in which the second was better, worse.
    pub wins: [usize; 2],
    /// Results without a partner.
    pub alone: usize,
}

/// Compares scores by key (route and repetition).
///
/// # Errors
/// Where no key is common to both.
pub fn compare(first: &BTreeMap<String, f64>, second: &BTreeMap<String, f64>) -> Result<Comparison> {
    let pairs: Vec<(f64, f64)> = first.iter().filter_map(|(k, a)| second.get(k).map(|b| (*a, *b))).collect();
    if pairs.is_empty() {
        let found = format!("{} and {} with no common route", first.len(), second.len());
        return Err(Error::mismatch("two results of the same routes", found, "comparison"));
    }
    let of = |f: fn(&(f64, f64)) -> f64| spread(&pairs.iter().map(f).collect::<Vec<_>>());
    let wins = [pairs.iter().filter(|(a, b)| b > a).count(), pairs.iter().filter(|(a, b)| b < a).count()];
    let alone = first.len() + second.len() - 2 * pairs.len();
    Ok(Comparison { first: of(|p| p.0), second: of(|p| p.1), difference: of(|p| p.1 - p.0), wins, alone })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_compared_where_both_are() {
        let map = |v: &[(&str, f64)]| v.iter().map(|(k, s)| ((*k).to_owned(), *s)).collect::<BTreeMap<_, _>>();
        let a = map(&[("r0/0", 50.0), ("r1/0", 60.0), ("r2/0", 70.0), ("x", 1.0)]);
        let b = map(&[("r0/0", 55.0), ("r1/0", 65.0), ("r2/0", 75.0)]);
        let c = compare(&a, &b).unwrap();
        assert!((c.difference.mean - 5.0).abs() < 1e-9 && c.difference.deviation < 1e-9);
        assert_eq!((c.wins, c.alone), ([3, 0], 1));
        assert!(compare(&a, &BTreeMap::new()).is_err());
        let s = spread(&[1.0, 2.0, 3.0]);
        assert!((s.mean - 2.0).abs() < 1e-9 && (s.deviation - 1.0).abs() < 1e-9 && (s.half_interval - 4.303 / 3_f64.sqrt()).abs() < 1e-9);
    }
}
