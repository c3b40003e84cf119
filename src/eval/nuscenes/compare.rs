//! Whether one set of results is better than another, or only luckier: scenes are drawn again and again.
//!
//! *In*: matches of two result files on one truth, a seed. *Out*: [`Comparison`]: differences with intervals. *Invariant*: both files are
//! scored on the same drawn scenes, so what the scenes have in common cancels; one seed gives the same numbers. (Efron 1979; the scene
//! is drawn, not the box, as boxes of one scene are not independent.)

use super::detection::Detection;
use super::matching::ClassMatches;
use super::truth::GroundTruth;
use crate::types::num;
use rayon::prelude::*;
use serde_json::{Map, Value, json};

/// A number of both, and the difference with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What is compared.
    pub name: String,
    /// Of the first.
    pub first: f64,
    /// Of the second.
    pub second: f64,
    /// Second less first: the 2.5th and 97.5th percentile over the draws.
    pub interval: [f64; 2],
    /// Share of the draws in which the second is higher.
    pub higher: f64,
}

/// All that is compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Scenes that were drawn from.
    pub scenes: usize,
    /// How often was drawn.
    pub draws: usize,
    /// mAP, NDS, the errors and the classes' AP.
    pub rows: Vec<Difference>,
}

/// Names of the compared numbers.
fn names(metrics: &Detection) -> Vec<String> {
    let errors = super::matching::ERRORS.iter().map(|e| (*e).to_owned());
    let classes = metrics.classes.iter().map(|c| format!("AP {}", c.name));
    ["mAP", "NDS"].into_iter().map(str::to_owned).chain(errors).chain(classes).collect()
}

fn numbers(metrics: &Detection) -> Vec<f64> {
    let classes = metrics.classes.iter().map(super::detection::ClassScore::mean_precision);
    [metrics.mean_precision(), metrics.nd_score()].into_iter().chain(metrics.errors()).chain(classes).collect()
}

/// A fast generator of even quality (Steele, Lea and Flood 2014), one stream for each draw.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// How often each of `count` things is drawn in `count` draws.
    fn weights(&mut self, count: usize) -> Vec<f64> {
        let mut weights = vec![0.0; count];
        for _ in 0..count {
            let at = (u128::from(self.next()) * count as u128) >> 64;
            if let Some(weight) = usize::try_from(at).ok().and_then(|at| weights.get_mut(at)) {
                *weight += 1.0;
            }
        }
        weights
    }
}

impl Comparison {
    /// Draws the scenes `draws` times; `step` is told of each.
    pub fn new(
        truth: &GroundTruth,
        first: &[ClassMatches],
        second: &[ClassMatches],
        draws: usize,
        seed: u64,
        step: &(dyn Fn() + Sync),
    ) -> Self {
        let (whole_first, whole_second) = (Detection::new(first), Detection::new(second));
        let mut streams = Draw(seed);
        let seeds: Vec<u64> = (0..draws).map(|_| streams.next()).collect();
        let drawn: Vec<Vec<f64>> = seeds
            .into_par_iter()
            .map(|seed| {
                let weights = Draw(seed).weights(truth.scenes.len());
                let weight = |frame: u32| truth.frame_at(frame).and_then(|f| weights.get(num::usize(f.scene))).copied().unwrap_or(0.0);
                let (a, b) = (Detection::weighted(first, &weight), Detection::weighted(second, &weight));
                step();
                numbers(&b).iter().zip(numbers(&a)).map(|(b, a)| b - a).collect()
            })
            .collect();
        let rows = names(&whole_first).into_iter().zip(numbers(&whole_first)).zip(numbers(&whole_second)).enumerate();
        let row = |(at, ((name, first), second)): (usize, ((String, f64), f64))| {
            let mut values: Vec<f64> = drawn.iter().filter_map(|d| d.get(at).copied()).filter(|v| !v.is_nan()).collect();
            values.sort_by(f64::total_cmp);
            let percentile = |share: f64| {
                let place = num::cell(share * values.len() as f64, values.len());
                place.and_then(|p| values.get(p)).copied().unwrap_or(f64::NAN)
            };
            let higher = values.iter().filter(|v| **v > 0.0).count() as f64 / values.len() as f64;
            Difference { name, first, second, interval: [percentile(0.025), percentile(0.975)], higher }
        };
        Self { scenes: truth.scenes.len(), draws, rows: rows.map(row).collect() }
    }
    /// As JSON.
    pub fn json(&self) -> Value {
        let rows = self.rows.iter().map(|r| {
            let row = json!({ "first": r.first, "second": r.second, "difference": r.second - r.first,
                "interval_95": r.interval, "second_higher": r.higher });
            (r.name.clone(), row)
        });
        json!({ "scenes": self.scenes, "draws": self.draws, "rows": Value::Object(rows.collect::<Map<_, _>>()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_with_their_seed_and_are_even() {
        assert_eq!(Draw(5).weights(40), Draw(5).weights(40));
        assert_ne!(Draw(5).weights(40), Draw(6).weights(40));
        let mut draw = Draw(1);
        let mut sums = [0.0; 10];
        for _ in 0..2000 {
            let weights = draw.weights(10);
            assert_eq!(weights.iter().sum::<f64>(), 10.0);
            sums.iter_mut().zip(&weights).for_each(|(s, w)| *s += w);
        }
        assert!(sums.iter().all(|s| (s - 2000.0).abs() < 200.0), "{sums:?}");
    }
}
