//! Resizing: area average when an axis shrinks, bilinear when it grows, nearest for depth and labels.
//!
//! *In / Out*: interleaved samples `[height][width][channel]`; the edges of both pictures coincide, so pixel `x` of the
//! output covers `x .. x + 1` times `input width / output width` of the input. *Invariant*: weights of a pixel add up to
//! one, so a constant picture stays constant; nearest never makes a value that the input does not hold.

use crate::types::num;
use rayon::prelude::*;

/// Rows that one task makes.
const BAND: usize = 16;

/// An 8- or 16-bit sample.
pub trait Sample: Copy + Send + Sync {
    /// Widened for arithmetic.
    fn widen(self) -> f32;
    /// Nearest sample, saturating.
    fn narrow(value: f32) -> Self;
}
impl Sample for u8 {
    fn widen(self) -> f32 {
        f32::from(self)
    }
    fn narrow(value: f32) -> Self {
        num::level(value)
    }
}
impl Sample for u16 {
    fn widen(self) -> f32 {
        f32::from(self)
    }
    fn narrow(value: f32) -> Self {
        num::level16(value)
    }
}

/// First input sample and the weights of it and its followers, for each output sample of one axis.
#[derive(Debug, Clone, Default, PartialEq)]
struct Axis {
    taps: Vec<(usize, Vec<f32>)>,
}

impl Axis {
    fn new(input: usize, output: usize) -> Self {
        let scale = input as f64 / output.max(1) as f64;
        let tap =
            |o: usize| if scale > 1.0 { area(o as f64 * scale, scale, input) } else { bilinear((o as f64 + 0.5) * scale - 0.5, input) };
        Self { taps: (0..output).map(tap).collect() }
    }
}

/// Weights of the samples that `start .. start + length` covers, by the covered part of each.
fn area(start: f64, length: f64, input: usize) -> (usize, Vec<f32>) {
    let first = num::cell(start, input).unwrap_or(input.saturating_sub(1));
    let end = (start + length).min(input as f64);
    let covered = |i: usize| (end.min((i + 1) as f64) - start.max(i as f64)).max(0.0);
    let mut weights: Vec<f64> = (first..input).map(covered).take_while(|w| *w > 1e-9).collect();
    if weights.is_empty() {
        weights.push(1.0);
    }
    let sum: f64 = weights.iter().sum();
    (first, weights.iter().map(|w| num::f32(w / sum)).collect())
}

fn bilinear(centre: f64, input: usize) -> (usize, Vec<f32>) {
    let at = centre.clamp(0.0, input.saturating_sub(1) as f64);
    let first = num::cell(at, input).unwrap_or(0);
    let weight = num::f32(at - first as f64);
    if weight > 0.0 { (first, vec![1.0 - weight, weight]) } else { (first, vec![1.0]) }
}

/// Resizes pictures of one size to another; its tables are made when a size changes, its memory is used again.
#[derive(Debug, Default)]
pub struct Resizer {
    size: [usize; 4],
    columns: Axis,
    rows: Axis,
    lines: Vec<f32>,
}

impl Resizer {
    /// Resizes `source` (`[width, height]`, `C` channels) to `out`. A buffer that does not fit its size leaves `out` as it is.
    pub fn resize<T: Sample, const C: usize>(&mut self, source: &[T], [w, h]: [usize; 2], out: &mut [T], [ow, oh]: [usize; 2]) {
        if source.len() != w * h * C || out.len() != ow * oh * C || source.is_empty() || out.is_empty() {
            return;
        }
        if self.size != [w, h, ow, oh] {
            (self.columns, self.rows) = (Axis::new(w, ow), Axis::new(h, oh));
            self.size = [w, h, ow, oh];
        }
        let bands = oh.div_ceil(BAND);
        self.lines.resize(bands * w * C, 0.0);
        let (columns, rows) = (&self.columns, &self.rows);
        let jobs = out.par_chunks_mut(BAND * ow * C).zip(rows.taps.par_chunks(BAND)).zip(self.lines.par_chunks_mut(w * C));
        jobs.for_each(|((out, taps), line)| {
            for (out, (first, weights)) in out.chunks_exact_mut(ow * C).zip(taps) {
                gather_rows(source, w * C, *first, weights, line);
                gather_columns::<T, C>(line, columns, out);
            }
        });
    }
}

fn gather_rows<T: Sample>(source: &[T], stride: usize, first: usize, weights: &[f32], line: &mut [f32]) {
    line.fill(0.0);
    for (row, &k) in source.chunks_exact(stride).skip(first).zip(weights) {
        line.iter_mut().zip(row).for_each(|(l, s)| *l += k * s.widen());
    }
}

fn gather_columns<T: Sample, const C: usize>(line: &[f32], columns: &Axis, out: &mut [T]) {
    let pixels = line.as_chunks::<C>().0;
    for (o, (first, weights)) in out.as_chunks_mut::<C>().0.iter_mut().zip(&columns.taps) {
        let mut sum = [0.0_f32; C];
        for (pixel, &k) in pixels.get(*first..).unwrap_or_default().iter().zip(weights) {
            sum.iter_mut().zip(pixel).for_each(|(s, p)| *s += k * p);
        }
        o.iter_mut().zip(sum).for_each(|(o, s)| *o = T::narrow(s));
    }
}

/// The nearest input sample for each output sample of one axis: the one that holds the output's centre.
fn nearest_axis(input: usize, output: usize) -> impl Iterator<Item = usize> + Clone {
    (0..output).map(move |o| ((2 * o + 1) * input / (2 * output.max(1))).min(input.saturating_sub(1)))
}

/// Nearest-sample resize of `source` (`[width, height]`, row-major) to `[out width, out height]`.
pub fn resize_nearest<T: Copy>(source: &[T], [w, h]: [usize; 2], [ow, oh]: [usize; 2]) -> Vec<T> {
    let columns: Vec<usize> = nearest_axis(w, ow).collect();
    let mut out = Vec::with_capacity(ow * oh);
    for y in nearest_axis(h, oh) {
        let row = source.get(y * w..(y + 1) * w).unwrap_or_default();
        out.extend(columns.iter().filter_map(|&x| row.get(x).copied()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_and_halving_averages_four() {
        let mut resizer = Resizer::default();
        for (w, h, ow, oh) in [(1, 1, 5, 3), (5, 3, 1, 1), (17, 9, 640, 2), (640, 480, 321, 7), (3, 3, 3, 3)] {
            let mut out = vec![0_u8; ow * oh * 3];
            resizer.resize::<u8, 3>(&vec![77; w * h * 3], [w, h], &mut out, [ow, oh]);
            assert!(out.iter().all(|&v| v == 77), "{w}x{h} to {ow}x{oh}");
        }
        let mut out = [0_u16; 2];
        resizer.resize::<u16, 1>(&[0, 10, 100, 200, 20, 30, 300, 400], [4, 2], &mut out, [2, 1]);
        assert_eq!(out, [15, 250]);
    }
    #[test]
    fn growing_is_bilinear_between_the_centres() {
        let mut out = [0_u8; 4];
        Resizer::default().resize::<u8, 1>(&[0, 100], [2, 1], &mut out, [4, 1]);
        assert_eq!(out, [0, 25, 75, 100]);
    }
    #[test]
    fn nearest_takes_the_sample_under_the_centre() {
        assert_eq!(resize_nearest(&[1, 2, 3, 4], [4, 1], [2, 2]), vec![2, 4, 2, 4]);
        assert_eq!(resize_nearest(&[1, 2], [2, 1], [4, 1]), vec![1, 1, 2, 2]);
        assert_eq!(resize_nearest(&[9], [1, 1], [2, 3]), vec![9; 6]);
    }
}
