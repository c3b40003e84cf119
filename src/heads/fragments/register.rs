//! Robust registration: the rigid motion that most of the candidate pairs agree on.
//!
//! *In*: pairs of points (x, y), source and target, with weights; most may be wrong. *Out*: [`Registration`], target from source. *Invariant*: the
//! same seed gives the same motion; every count is of pairs within [`Options::radius`]. Two pairs are drawn (a rigid motion needs no more);
//! draws that are not rigid are skipped before any is counted; the best is refitted to its inliers at the radius, then at half of it.

mod published;

pub use published::published;

use crate::types::{Rigid, num};

/// How it is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Most draws.
    pub draws: usize,
    /// Distance within which a pair agrees, pixels.
    pub radius: f64,
    /// Least distance of the two drawn points, pixels.
    pub least_base: f64,
    /// Fewer pairs than this and nothing is tried.
    pub least_pairs: usize,
    /// Fewer agreeing pairs than this and nothing is found.
    pub least_inliers: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { draws: 2000, radius: 10.0, least_base: 30.0, least_pairs: 20, least_inliers: 15, seed: 0 }
    }
}

/// A point of the source, a point of the target, how much they count.
pub type Pair = ([f64; 2], [f64; 2], f64);

/// A motion and what speaks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Registration {
    /// Target pixels from source pixels.
    pub motion: Rigid,
    /// Indices of the pairs that agree, in order.
    pub inliers: Vec<usize>,
    /// Sum of their weights.
    pub support: f64,
    /// Mean distance of them, pixels.
    pub residual: f64,
}

/// The motion with the greatest weight of agreeing pairs; `None` where too few pairs agree on any.
pub fn register(pairs: &[Pair], options: &Options) -> Option<Registration> {
    if pairs.len() < options.least_pairs.max(2) {
        return None;
    }
    let scan = Scan::new(pairs);
    let mut draws = Draws(options.seed ^ 0x9E37_79B9_7F4A_7C15);
    let mut best: Option<(f32, Rigid)> = None;
    let radius = num::f32(options.radius);
    for _ in 0..options.draws {
        let (Some((p, q, _)), Some((r, s, _))) = (pairs.get(draws.below(pairs.len())), pairs.get(draws.below(pairs.len()))) else {
            continue;
        };
        let (base, image) = (distance(*p, *r), distance(*q, *s));
        if base.min(image) < options.least_base || (base - image).abs() > options.radius {
            continue;
        }
        let Some(motion) = Rigid::fit([(*p, *q, 1.0), (*r, *s, 1.0)].into_iter()) else { continue };
        let weight = scan.weight(&motion, radius);
        if best.as_ref().is_none_or(|(top, _)| weight > *top) {
            best = Some((weight, motion));
        }
    }
    let (_, motion) = best?;
    let motion = refined(pairs, motion, options.radius);
    let motion = refined(pairs, motion, options.radius / 2.0);
    let inliers = agreeing(pairs, &motion, options.radius);
    if inliers.len() < options.least_inliers {
        return None;
    }
    let chosen = || inliers.iter().filter_map(|i| pairs.get(*i));
    let support = chosen().map(|(_, _, w)| w).sum();
    let residual = chosen().map(|(p, q, _)| motion.miss(*p, *q)).sum::<f64>() / inliers.len() as f64;
    Some(Registration { motion, inliers, support, residual })
}

fn distance([ax, ay]: [f64; 2], [bx, by]: [f64; 2]) -> f64 {
    (ax - bx).hypot(ay - by)
}

fn agreeing(pairs: &[Pair], motion: &Rigid, radius: f64) -> Vec<usize> {
    let near = |(_, (p, q, _)): &(usize, &Pair)| motion.miss(*p, *q) <= radius;
    pairs.iter().enumerate().filter(near).map(|(index, _)| index).collect()
}

/// Fits to the agreeing pairs until they stay the same.
fn refined(pairs: &[Pair], mut motion: Rigid, radius: f64) -> Rigid {
    let mut inliers = agreeing(pairs, &motion, radius);
    for _ in 0..20 {
        let Some(next) = Rigid::fit(inliers.iter().filter_map(|i| pairs.get(*i)).copied()) else { break };
        let now = agreeing(pairs, &next, radius);
        if now.len() < 2 {
            break;
        }
        motion = next;
        if now == inliers {
            break;
        }
        inliers = now;
    }
    motion
}

/// The pairs as columns of numbers, so that one motion is tried on several at once.
struct Scan {
    columns: [Vec<f32>; 5],
}

impl Scan {
    fn new(pairs: &[Pair]) -> Self {
        let column = |of: fn(&Pair) -> f64| pairs.iter().map(|pair| num::f32(of(pair))).collect();
        Self { columns: [column(|p| p.0[0]), column(|p| p.0[1]), column(|p| p.1[0]), column(|p| p.1[1]), column(|p| p.2)] }
    }

    /// Weight of the pairs that agree with a motion.
    fn weight(&self, motion: &Rigid, radius: f32) -> f32 {
        const LANES: usize = 16;
        let [cos, sin, tx, ty] = [motion.cos, motion.sin, motion.shift[0], motion.shift[1]].map(num::f32);
        let limit = radius * radius;
        let [px, py, qx, qy, weight] = &self.columns;
        let mut totals = [0.0_f32; LANES];
        let chunks = px.chunks(LANES).zip(py.chunks(LANES)).zip(qx.chunks(LANES)).zip(qy.chunks(LANES)).zip(weight.chunks(LANES));
        for ((((px, py), qx), qy), w) in chunks {
            for (total, ((((px, py), qx), qy), w)) in totals.iter_mut().zip(px.iter().zip(py).zip(qx).zip(qy).zip(w)) {
                let (dx, dy) = (cos * px - sin * py + tx - qx, sin * px + cos * py + ty - qy);
                *total += if dx * dx + dy * dy <= limit { *w } else { 0.0 };
            }
        }
        totals.iter().sum()
    }
}

/// A small generator: splitmix64.
#[derive(Debug, Clone)]
pub(super) struct Draws(pub(super) u64);

impl Draws {
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }
    /// Uniform in 0..1.
    pub(super) const fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// Uniform in `0..count`.
    pub(super) fn below(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        usize::try_from((u128::from(self.next()) * u128::from(count)) >> 64).unwrap_or(0)
    }
    /// Normal, mean 0, deviation 1.
    pub(super) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred pairs of a wavy border under a motion, and `wrong` random ones.
    pub fn mixed(wrong: usize, seed: u64) -> (Rigid, Vec<Pair>) {
        let motion = Rigid::new(2.0, [300.0, -40.0]);
        let mut draws = Draws(seed);
        let mut jitter = || draws.unit() - 0.5;
        let mut pairs: Vec<Pair> = (0..100_u32)
            .map(|i| {
                let p = [f64::from(i) * 2.0, 30.0 * (f64::from(i) * 0.1).sin()];
                let [x, y] = motion.apply(p);
                (p, [x + jitter(), y + jitter()], 1.0)
            })
            .collect();
        pairs.extend((0..wrong).map(|_| {
            let mut point = || [draws.unit() * 400.0, draws.unit() * 400.0];
            (point(), point(), 1.0)
        }));
        (motion, pairs)
    }

    #[test]
    fn nine_wrong_pairs_in_ten_do_no_harm() {
        for seed in 0..5 {
            let (motion, pairs) = mixed(900, seed);
            let found = register(&pairs, &Options { seed, ..Options::default() }).unwrap();
            let off = found.motion.miss([100.0, 0.0], motion.apply([100.0, 0.0]));
            assert!(off < 0.5 && found.inliers.len() >= 100, "{off} px, {} inliers", found.inliers.len());
            assert_eq!(register(&pairs, &Options { seed, ..Options::default() }), Some(found));
        }
    }

    #[test]
    fn noise_and_too_few_pairs_give_nothing() {
        let (_, pairs) = mixed(60, 3);
        assert_eq!(register(pairs.get(100..).unwrap(), &Options::default()), None);
        assert_eq!(register(pairs.get(..19).unwrap(), &Options::default()), None);
        assert_eq!(register(&[], &Options::default()), None);
        let same = vec![([1.0, 1.0], [2.0, 2.0], 1.0); 50];
        assert_eq!(register(&same, &Options::default()), None);
    }
}
