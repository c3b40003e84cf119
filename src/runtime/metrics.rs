//! Durations in fixed memory: a histogram with 16 buckets to the octave, written without locks.
//!
//! *In*: durations from 1 ns to 9 minutes (longer ones count as that). *Out*: quantiles, read off as the upper edge of
//! their bucket, so at most 6.25 % too high and never too low; the maximum is exact.

use crate::types::num;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const STEPS: u32 = 16;
const OCTAVES: u32 = 36;

/// A histogram of durations. Any thread may write; recording allocates nothing.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
    sum: AtomicU64,
    count: AtomicU64,
}

/// Quantiles in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Samples.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
    /// Largest.
    pub max: f64,
    /// Mean.
    pub mean: f64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (0..STEPS * (OCTAVES + 1)).map(|_| AtomicU64::new(0)).collect();
        Self { buckets, max: AtomicU64::new(0), sum: AtomicU64::new(0), count: AtomicU64::new(0) }
    }
}

fn bucket(nanos: u64) -> usize {
    let octave = nanos.max(1).ilog2();
    let index = if octave < 4 {
        nanos.min(15)
    } else {
        let step = (nanos >> (octave - 4)) & 15;
        u64::from(STEPS * (octave - 3)) + step
    };
    usize::try_from(index.min(u64::from(STEPS * (OCTAVES + 1) - 1))).unwrap_or(0)
}

fn upper_edge(index: usize) -> u64 {
    let index = index as u64;
    let (octave, step) = (index / u64::from(STEPS), index % u64::from(STEPS));
    if octave == 0 { step } else { ((16 + step + 1) << (octave - 1)) - 1 }
}

impl Histogram {
    /// Adds one duration.
    pub fn record(&self, duration: Duration) {
        let nanos = num::nanos(duration);
        if let Some(b) = self.buckets.get(bucket(nanos)) {
            b.fetch_add(1, Ordering::Relaxed);
        }
        self.max.fetch_max(nanos, Ordering::Relaxed);
        self.sum.fetch_add(nanos, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
    /// The quantiles so far.
    pub fn quantiles(&self) -> Quantiles {
        let count = self.count.load(Ordering::Relaxed);
        let max = self.max.load(Ordering::Relaxed);
        let ms = |nanos: u64| nanos as f64 * 1e-6;
        let at = |per_mille: u64| {
            let rank = (count * per_mille).div_ceil(1000).max(1);
            let mut seen = 0;
            let found = self.buckets.iter().position(|b| {
                seen += b.load(Ordering::Relaxed);
                seen >= rank
            });
            ms(found.map_or(max, upper_edge).min(max))
        };
        if count == 0 {
            return Quantiles::default();
        }
        let mean = ms(self.sum.load(Ordering::Relaxed)) / count as f64;
        Quantiles { count, p50: at(500), p95: at(950), p99: at(990), max: ms(max), mean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_one_bucket_above() {
        let h = Histogram::default();
        (1..=1000u64).for_each(|i| h.record(Duration::from_micros(i)));
        let q = h.quantiles();
        for (found, exact) in [(q.p50, 0.5), (q.p95, 0.95), (q.p99, 0.99)] {
            assert!(found >= exact && found <= exact * 1.0625 + 1e-6, "{found} for {exact}");
        }
        assert_eq!((q.count, q.max), (1000, 1.0));
    }

    #[test]
    fn every_duration_lies_at_or_below_its_buckets_edge() {
        for n in (0..60).map(|k| (1u64 << k).wrapping_add(k)).chain(0..4096).filter(|n| *n < 1 << 38) {
            let edge = upper_edge(bucket(n));
            assert!(edge >= n && edge as f64 <= n as f64 * 1.0625 + 1.0, "{n}: {edge}");
        }
    }
}
