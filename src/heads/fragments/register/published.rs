//! The registration of the published code, kept to compare with and to reproduce its results.
//!
//! *In / Out*: as [`super::register`]. *Invariant*: section by section the published procedure: at most 4000 draws of five different pairs; a draw
//! whose residuals are all within 10 px and that more than 15 pairs agree with is valid; fitness is the number of sources that fall
//! near any target, over the mean residual; the best of 20 valid draws wins and is not refined.

use super::{Pair, Registration};
use crate::heads::fragments::register::{Draws, agreeing};
use crate::types::{Rigid, num};
use std::collections::HashMap;

const DRAWS: usize = 4000;
const VALID: usize = 20;
const RADIUS: f64 = 10.0;
const AGREEING: usize = 15;
const LEAST_PAIRS: usize = 20;

/// A motion and its fitness.
type Rated = Option<(f64, Rigid)>;

/// Registers as the published code does; `None` for fewer than 20 pairs (which it scores as the identity).
pub fn published(pairs: &[Pair], seed: u64) -> Option<Registration> {
    if pairs.len() < LEAST_PAIRS {
        return None;
    }
    let mut draws = Draws(seed);
    let targets = Targets::new(pairs);
    let (mut best, mut loose): (Rated, Rated) = (None, None);
    let mut valid = 0;
    for _ in 0..DRAWS {
        let five = five(pairs, &mut draws);
        let Some(motion) = Rigid::fit(five.iter().map(|(p, q, _)| (*p, *q, 1.0))) else { continue };
        let residuals: Vec<f64> = five.iter().map(|(p, q, _)| motion.miss(*p, *q)).collect();
        let mean = (residuals.iter().sum::<f64>() / residuals.len().max(1) as f64).max(1e-9);
        let tight = residuals.iter().all(|r| *r <= RADIUS);
        let enough = tight && agreeing(pairs, &motion, RADIUS).len() > AGREEING;
        if tight && !enough {
            continue;
        }
        let fitness = targets.near(pairs, &motion) as f64 / mean;
        let slot = if enough { &mut best } else { &mut loose };
        if slot.as_ref().is_none_or(|(top, _)| fitness > *top) {
            *slot = Some((fitness, motion));
        }
        valid += usize::from(enough);
        if valid >= VALID {
            break;
        }
    }
    let (_, motion) = best.or(loose)?;
    let inliers = agreeing(pairs, &motion, RADIUS);
    let chosen = || inliers.iter().filter_map(|i| pairs.get(*i));
    let support = chosen().map(|(_, _, w)| w).sum();
    let residual = chosen().map(|(p, q, _)| motion.miss(*p, *q)).sum::<f64>() / inliers.len().max(1) as f64;
    Some(Registration { motion, inliers, support, residual })
}

fn five(pairs: &[Pair], draws: &mut Draws) -> Vec<Pair> {
    let mut indices: Vec<usize> = Vec::with_capacity(5);
    while indices.len() < 5 {
        let index = draws.below(pairs.len());
        if !indices.contains(&index) {
            indices.push(index);
        }
    }
    indices.into_iter().filter_map(|i| pairs.get(i).copied()).collect()
}

/// Target points in cells of the radius.
struct Targets(HashMap<[i64; 2], Vec<[f64; 2]>>);

impl Targets {
    fn new(pairs: &[Pair]) -> Self {
        let mut cells: HashMap<[i64; 2], Vec<[f64; 2]>> = HashMap::new();
        for (_, q, _) in pairs {
            cells.entry(cell(*q)).or_default().push(*q);
        }
        Self(cells)
    }

    /// How many moved sources have a target within the radius.
    fn near(&self, pairs: &[Pair], motion: &Rigid) -> usize {
        let close = |[x, y]: [f64; 2]| {
            let [cx, cy] = cell([x, y]);
            let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| [cx + dx, cy + dy]));
            around.filter_map(|c| self.0.get(&c)).flatten().any(|[tx, ty]| (tx - x).hypot(ty - y) <= RADIUS)
        };
        pairs.iter().filter(|(p, _, _)| close(motion.apply(*p))).count()
    }
}

fn cell([x, y]: [f64; 2]) -> [i64; 2] {
    [num::round_i64((x / RADIUS).floor()), num::round_i64((y / RADIUS).floor())]
}
