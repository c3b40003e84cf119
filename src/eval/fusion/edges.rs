//! Qabf: how well F keeps strength and direction of the sources' edges. Xydeas and Petrovic 2000.
//!
//! *In*: three grey pictures of one size. *Out*: the quality of both sources, weighted by their edge strength, 0 to 1;
//! 0 where neither has an edge, that is, where both are black (outside lie zeros). *Invariant*: squared strengths are whole numbers below 2^24, exact in `f32`.
//!
//! As in the reference, where source and F are equally strong the ratio of strengths is replaced by the strength itself
//! (0 in flat regions, saturated elsewhere); that is deliberate, papers' numbers hold it.

use super::Grey;
use std::f32::consts::{FRAC_2_PI, FRAC_PI_2, LN_2, LOG2_E};

/// Sobel responses of one row.
#[derive(Debug, Default)]
struct Row {
    padded: [Vec<f32>; 2],
    squared: Vec<f32>,
    strength: Vec<f32>,
    angle: Vec<f32>,
}

/// Row buffers of the three pictures.
#[derive(Debug, Default)]
pub(super) struct Edges {
    rows: [Row; 3],
    zeros: Vec<u8>,
    kept: Vec<f32>,
}

impl Edges {
    pub(super) fn score(&mut self, a: &Grey, b: &Grey, f: &Grey) -> f64 {
        self.zeros.clear();
        self.zeros.resize(f.width, 0);
        self.kept.resize(f.width, 0.0);
        let (mut kept, mut whole) = (0.0, 0.0);
        for y in 0..f.height {
            for (row, picture) in self.rows.iter_mut().zip([f, a, b]) {
                let line = |y: Option<usize>| y.and_then(|y| picture.levels.get(y * f.width..(y + 1) * f.width)).unwrap_or(&self.zeros);
                row.fill(line(y.checked_sub(1)), line(Some(y)), line(Some(y + 1)));
            }
            let [fused, sources @ ..] = &self.rows;
            for source in sources {
                quality(source, fused, &mut self.kept);
                kept += self.kept.iter().map(|&q| f64::from(q)).sum::<f64>();
                whole += source.strength.iter().map(|&g| f64::from(g)).sum::<f64>();
            }
        }
        if whole > 0.0 { kept / whole } else { 0.0 }
    }
}

impl Row {
    /// Sobel with zeros outside the picture.
    fn fill(&mut self, above: &[u8], here: &[u8], below: &[u8]) {
        let width = here.len();
        for padded in &mut self.padded {
            padded.clear();
            padded.resize(width + 2, 0.0);
        }
        for line in [&mut self.squared, &mut self.strength, &mut self.angle] {
            line.resize(width, 0.0);
        }
        let [smooth, difference] = &mut self.padded;
        let inner = smooth.iter_mut().skip(1).zip(difference.iter_mut().skip(1));
        for ((s, d), ((&a, &h), &b)) in inner.zip(above.iter().zip(here).zip(below)) {
            let [a, h, b] = [a, h, b].map(f32::from);
            *s = a + 2.0 * h + b;
            *d = a - b;
        }
        let at = |line: &'_ [f32], k: usize| -> std::ops::Range<usize> { k..(k + width).min(line.len()) };
        let s = [0, 2].map(|k| smooth.get(at(smooth, k)).unwrap_or(&[]));
        let d = [0, 1, 2].map(|k| difference.get(at(difference, k)).unwrap_or(&[]));
        let ([s0, s2], [d0, d1, d2]) = (s, d);
        let inputs = s0.iter().zip(s2).zip(d0).zip(d1).zip(d2);
        let outputs = self.squared.iter_mut().zip(&mut self.strength).zip(&mut self.angle);
        for (((((s0, s2), d0), d1), d2), ((squared, strength), angle)) in inputs.zip(outputs) {
            let (gx, gy) = (s2 - s0, d0 + 2.0 * d1 + d2);
            *squared = gx * gx + gy * gy;
            *strength = squared.sqrt();
            *angle = direction(gx, gy);
        }
    }
}

/// Quality times strength for one row of a source.
fn quality(source: &Row, fused: &Row, kept: &mut [f32]) {
    let sources = source.squared.iter().zip(&source.strength).zip(&source.angle);
    let fuseds = fused.squared.iter().zip(&fused.strength).zip(&fused.angle);
    for ((((s2, s), sa), ((f2, f), fa)), kept) in sources.zip(fuseds).zip(kept) {
        let ratio = s.min(*f) / s.max(*f);
        // Beyond 3 the sigmoid is 1 to the last bit.
        let strength = if s2 == f2 { f.min(3.0) } else { ratio };
        let direction = 1.0 - (sa - fa).abs() * FRAC_2_PI;
        let below = (1.0 + exp(-15.0 * (strength - 0.5))) * (1.0 + exp(-22.0 * (direction - 0.8)));
        *kept = 0.9994 * 0.9879 / below * s;
    }
}

/// atan(gy / gx), and a right angle where gx is 0. Error below 2e-7.
fn direction(gx: f32, gy: f32) -> f32 {
    const TERMS: [f32; 8] = [-0.015_731_249, 0.042_137_623, -0.074_568_55, 0.106_183_71, -0.141_977_98, 0.199_918_72, -0.333_330_37, 1.0];
    let (x, y) = (gx.abs(), gy.abs());
    let slope = x.min(y) / x.max(y);
    let square = slope * slope;
    let series = TERMS.iter().fold(0.002_766_283_5, |sum, term| sum * square + term) * slope;
    let angle = if y > x { FRAC_PI_2 - series } else { series };
    let signed = if gx * gy < 0.0 { -angle } else { angle };
    if gx == 0.0 { FRAC_PI_2 } else { signed }
}

/// The exponential function for arguments within 80 of 0, relative error below 1e-6: 2^whole by the exponent's bits, 2^part by a
/// polynomial.
fn exp(x: f32) -> f32 {
    const TERMS: [f32; 6] = [0.001_340_042_8, 0.009_618_057, 0.055_503_27, 0.240_226_5, LN_2, 1.0];
    // Adding it leaves the nearest whole number in the lowest bits.
    const ROUNDER: f32 = 12_582_912.0;
    let scaled = x * LOG2_E;
    let shifted = scaled + ROUNDER;
    let part = scaled - (shifted - ROUNDER);
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    TERMS.iter().fold(0.000_154_614_45, |sum, term| sum * part + term) * power
}
