//! Scores from histograms, sums and differences: EN, SD, SF, AG, MI, MSE, PSNR, CC, SCD.
//!
//! *In*: grey levels. *Out*: numbers. *Invariant*: sums are exact integers, so a constant picture is recognised as constant.

use super::{Family, Grey, PSNR_LIMIT};

/// Exact sums over all pixels of A, B, F and of their products.
pub(super) struct Moments {
    count: i128,
    sums: [i128; 3],
    products: [i128; 6],
    peak: u8,
}

/// Variances and covariances times the squared number of pixels, exact.
struct Spread {
    aa: i128,
    bb: i128,
    ff: i128,
    ab: i128,
    af: i128,
    bf: i128,
}

impl Moments {
    pub(super) fn of(a: &Grey, b: &Grey, f: &Grey) -> Self {
        // 4096 products of two bytes fit into 32 bits.
        const RUN: usize = 4096;
        let (mut sums, mut products) = ([0_i128; 3], [0_i128; 6]);
        for ((a, b), f) in a.levels.chunks(RUN).zip(b.levels.chunks(RUN)).zip(f.levels.chunks(RUN)) {
            let sum = |x: &[u8]| x.iter().map(|&x| u32::from(x)).sum::<u32>();
            let dot = |x: &[u8], y: &[u8]| x.iter().zip(y).map(|(&x, &y)| u32::from(u16::from(x) * u16::from(y))).sum::<u32>();
            let run = [sum(a), sum(b), sum(f)];
            sums.iter_mut().zip(run).for_each(|(s, r)| *s += i128::from(r));
            let run = [dot(a, a), dot(b, b), dot(f, f), dot(a, b), dot(a, f), dot(b, f)];
            products.iter_mut().zip(run).for_each(|(s, r)| *s += i128::from(r));
        }
        Self { count: f.levels.len() as i128, sums, products, peak: f.levels.iter().copied().max().unwrap_or(0) }
    }

    fn spread(&self) -> Spread {
        let [a, b, f] = self.sums;
        let [aa, bb, ff, ab, af, bf] = self.products.map(|p| p * self.count);
        Spread { aa: aa - a * a, bb: bb - b * b, ff: ff - f * f, ab: ab - a * b, af: af - a * f, bf: bf - b * f }
    }

    /// SD.
    pub(super) fn deviation(&self) -> f64 {
        (self.spread().ff as f64).sqrt() / self.count as f64
    }

    /// MSE.
    pub(super) fn mse(&self) -> f64 {
        let [aa, bb, ff, _, af, bf] = self.products;
        (aa + bb + 2 * (ff - af - bf)) as f64 / (2 * self.count) as f64
    }

    /// PSNR.
    pub(super) fn psnr(&self) -> f64 {
        let (mse, peak) = (self.mse(), f64::from(self.peak));
        if mse == 0.0 {
            PSNR_LIMIT
        } else if self.peak == 0 {
            -PSNR_LIMIT
        } else {
            10.0 * (peak * peak / mse).log10()
        }
    }

    /// CC.
    pub(super) fn correlation(&self) -> f64 {
        let s = self.spread();
        f64::midpoint(correlation(s.af, s.aa, s.ff), correlation(s.bf, s.bb, s.ff))
    }

    /// SCD.
    pub(super) fn difference_correlation(&self) -> f64 {
        let s = self.spread();
        let from_a = correlation(s.af - s.ab, s.aa, s.ff + s.bb - 2 * s.bf);
        let from_b = correlation(s.bf - s.ab, s.bb, s.ff + s.aa - 2 * s.af);
        from_a + from_b
    }
}

fn correlation(covariance: i128, one: i128, other: i128) -> f64 {
    if one <= 0 || other <= 0 {
        return 0.0;
    }
    covariance as f64 / ((one as f64).sqrt() * (other as f64).sqrt())
}

/// Entropy in nats of a histogram of `count` entries.
fn nats(histogram: impl IntoIterator<Item = u32>, count: usize) -> f64 {
    let count = count as f64;
    let occupied = histogram.into_iter().filter(|&h| h > 0);
    // Taken from 0: a minus sign would make the entropy of a constant picture -0.
    0.0 - occupied.map(|h| f64::from(h) / count).map(|p| p * p.ln()).sum::<f64>()
}

fn histogram(levels: &[u8]) -> [u32; 256] {
    let mut bins = [0_u32; 256];
    for &level in levels {
        if let Some(bin) = bins.get_mut(usize::from(level)) {
            *bin += 1;
        }
    }
    bins
}

/// EN: entropy of the 256 levels, bits.
pub fn entropy(picture: &Grey) -> f64 {
    nats(histogram(&picture.levels), picture.levels.len()) / std::f64::consts::LN_2
}

/// SF: root of the mean squared horizontal plus the mean squared vertical difference.
pub fn spatial_frequency(picture: &Grey, family: Family) -> f64 {
    let (width, height) = (picture.width, picture.height);
    let squares = |one: &[u8], next: &[u8]| one.iter().zip(next).map(|(&p, &q)| u64::from(p.abs_diff(q)).pow(2)).sum::<u64>();
    let across: u64 = picture.rows().map(|row| squares(row, row.get(1..).unwrap_or(&[]))).sum();
    let down = squares(&picture.levels, picture.levels.get(width..).unwrap_or(&[]));
    let (n_across, n_down) = match family {
        Family::Evaluator => ((width - 1) * height, width * (height - 1)),
        Family::Vifb => (width * height, width * height),
    };
    (across as f64 / n_across.max(1) as f64 + down as f64 / n_down.max(1) as f64).sqrt()
}

/// AG: mean of sqrt((gx^2 + gy^2) / 2), gradients central inside and one-sided on the border.
pub fn average_gradient(picture: &Grey, family: Family) -> f64 {
    let (width, height) = (picture.width, picture.height);
    let row = |y: usize| picture.levels.get(y * width..(y + 1) * width).unwrap_or(&[]);
    let mut total = 0.0;
    for y in 0..height {
        let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(height - 1)));
        // Differences are kept doubled: a central one spans two pixels, a one-sided one counts twice.
        let twice = if y == 0 || y + 1 == height { 2 } else { 1 };
        let vertical = |x: usize, a: u8, b: u8| (x, twice * (i32::from(b) - i32::from(a)));
        let length = |gx: i32, gy: i32| (f64::from(gx * gx + gy * gy) / 8.0).sqrt();
        let inner = here.windows(3).map(|w| match *w {
            [l, _, r] => i32::from(r) - i32::from(l),
            _ => 0,
        });
        let edge = |l: Option<&u8>, r: Option<&u8>| match (l, r) {
            (Some(&l), Some(&r)) => 2 * (i32::from(r) - i32::from(l)),
            _ => 0,
        };
        let first = edge(here.first(), here.get(1));
        let last = edge(width.checked_sub(2).and_then(|x| here.get(x)), here.last());
        let horizontal = std::iter::once(first).chain(inner).chain((width > 1).then_some(last));
        let vertical = above.iter().zip(below).enumerate().map(|(x, (&a, &b))| vertical(x, a, b).1);
        total += horizontal.zip(vertical).map(|(gx, gy)| length(gx, gy)).sum::<f64>();
    }
    let pixels = match family {
        Family::Evaluator => width * height,
        Family::Vifb => (width - 1) * (height - 1),
    };
    total / pixels.max(1) as f64
}

/// MI, with its joint histogram kept.
#[derive(Debug, Default)]
pub(super) struct MutualInformation {
    joint: Vec<u32>,
}

impl MutualInformation {
    pub(super) fn score(&mut self, a: &Grey, b: &Grey, f: &Grey) -> f64 {
        self.between(f, a) + self.between(f, b)
    }

    fn between(&mut self, f: &Grey, source: &Grey) -> f64 {
        self.joint.clear();
        self.joint.resize(1 << 16, 0);
        for (&f, &s) in f.levels.iter().zip(&source.levels) {
            if let Some(bin) = self.joint.get_mut(usize::from(u16::from_be_bytes([f, s]))) {
                *bin += 1;
            }
        }
        let count = f.levels.len();
        let alone = nats(histogram(&f.levels), count) + nats(histogram(&source.levels), count);
        (alone - nats(self.joint.iter().copied(), count)).max(0.0)
    }
}
