//! Fusion by Laplacian pyramids: at every node of the pyramids the value of larger magnitude is taken (Burt, "The pyramid as a
//! structure for efficient computation", 1984; Burt and Adelson, "Merging images through pattern decomposition", SPIE 575, 1985).
//!
//! *In*: a thermal and a colour picture of equal size. *Out*: the visible picture with the fused luma.
//! Generating kernel with a = 0.4, levels down to a shorter side of fewer than 8 pixels, the lowest one chosen like the others. No other parameters.
//! *Invariant*: two equal pictures give themselves back; the result does not depend on the number of threads.

use super::fuse_image::{luma, shifted};
use crate::types::{RgbImage, ThermalImage};
use rayon::prelude::*;

/// Generating kernel, a = 0.4.
const KERNEL: [f32; 5] = [0.05, 0.25, 0.4, 0.25, 0.05];
/// A level whose shorter side is below this is the last.
const LEAST: usize = 8;

/// Samples of `N` pictures at one pixel.
type Samples<const N: usize> = [f32; N];

/// One level: the Gaussian pyramids of both pictures, the fused pyramid.
#[derive(Debug, Default)]
struct Level {
    size: [usize; 2],
    both: Vec<Samples<2>>,
    fused: Vec<Samples<1>>,
}

/// Fuses pairs; keeps its working memory.
#[derive(Debug, Default)]
pub(super) struct PyramidFusion {
    levels: Vec<Level>,
    wide: Vec<Samples<2>>,
    rows: Vec<Samples<2>>,
    thin: Vec<Samples<1>>,
    thin_rows: Vec<Samples<1>>,
}

impl PyramidFusion {
    /// All three pictures have the same size; `out` is interleaved RGB.
    pub(super) fn fuse(&mut self, infrared: &ThermalImage, visible: &RgbImage, out: &mut [u8]) {
        self.shape([visible.width(), visible.height()]);
        let Some(first) = self.levels.first_mut() else { return };
        let samples = infrared.data().iter().zip(visible.data().as_chunks::<3>().0);
        first.both.clear();
        first.both.extend(samples.map(|(count, rgb)| [infrared.fraction(*count).min(1.0), luma(*rgb)]));
        self.build();
        self.merge();
        let Some(Level { both, fused, .. }) = self.levels.first() else { return };
        let pixels = out.as_chunks_mut::<3>().0.iter_mut().zip(visible.data().as_chunks::<3>().0);
        for ((o, rgb), ([_, light], [fused])) in pixels.zip(both.iter().zip(fused)) {
            shifted(o, rgb, 255.0 * (fused - light));
        }
    }

    /// Levels for pictures of this size; memory is kept where the size stays.
    fn shape(&mut self, size: [usize; 2]) {
        if self.levels.first().is_some_and(|l| l.size == size) {
            return;
        }
        self.levels.clear();
        let mut size = size;
        loop {
            let [width, height] = size;
            self.levels.push(Level { size, both: vec![[0.0; 2]; width * height], fused: vec![[0.0]; width * height] });
            if width.min(height) < LEAST {
                return;
            }
            size = size.map(|s| s.div_ceil(2));
        }
    }

    /// Gaussian pyramids of both pictures.
    fn build(&mut self) {
        for index in 1..self.levels.len() {
            let (done, rest) = self.levels.split_at_mut(index);
            let (Some(from), Some(to)) = (done.last(), rest.first_mut()) else { return };
            reduce(&from.both, from.size, &mut self.rows, &mut to.both, to.size);
        }
    }

    /// From the lowest level up: expand what is fused so far, add the stronger of the two details.
    fn merge(&mut self) {
        if let Some(last) = self.levels.last_mut() {
            last.fused.iter_mut().zip(&last.both).for_each(|(f, pair)| *f = [stronger(pair)]);
        }
        for index in (1..self.levels.len()).rev() {
            let (upper, lower) = self.levels.split_at_mut(index);
            let (Some(to), Some(from)) = (upper.last_mut(), lower.first()) else { return };
            expand(&from.both, from.size, &mut self.rows, &mut self.wide, to.size);
            expand(&from.fused, from.size, &mut self.thin_rows, &mut self.thin, to.size);
            let coarse = self.wide.iter().zip(&self.thin);
            for ((fused, [i, v]), ([base_i, base_v], [base])) in to.fused.iter_mut().zip(&to.both).zip(coarse) {
                *fused = [base + stronger(&[i - base_i, v - base_v])];
            }
        }
    }
}

fn stronger([infrared, visible]: &Samples<2>) -> f32 {
    if infrared.abs() > visible.abs() { *infrared } else { *visible }
}

/// `sum += weight * value`.
fn add<const N: usize>(sum: &mut Samples<N>, weight: f32, value: &Samples<N>) {
    sum.iter_mut().zip(value).for_each(|(s, v)| *s += weight * v);
}

/// Index `at - 2` mirrored into `0..count`, the edge pixel not doubled.
fn mirrored(at: usize, count: usize) -> usize {
    let last = count.saturating_sub(1);
    let distance = at.abs_diff(2);
    if distance <= last { distance } else { (2 * last).saturating_sub(distance) }
}

/// Half the size: blurred by the kernel, every second pixel of every second row.
fn reduce<const N: usize>(
    source: &[Samples<N>],
    [width, height]: [usize; 2],
    rows: &mut Vec<Samples<N>>,
    out: &mut [Samples<N>],
    [half, _]: [usize; 2],
) {
    rows.resize(half * height, [0.0; N]);
    rows.par_chunks_exact_mut(half).zip(source.par_chunks_exact(width)).with_min_len(16).for_each(|(out, row)| {
        for (x, o) in out.iter_mut().enumerate() {
            let mut sum = [0.0; N];
            // Away from the edges the five samples are one slice.
            match (2 * x).checked_sub(2).and_then(|from| row.get(from..from + 5)) {
                Some(five) => five.iter().zip(KERNEL).for_each(|(v, k)| add(&mut sum, k, v)),
                None => (0..5).zip(KERNEL).for_each(|(d, k)| {
                    row.get(mirrored(2 * x + d, width)).iter().for_each(|v| add(&mut sum, k, v));
                }),
            }
            *o = sum;
        }
    });
    out.par_chunks_exact_mut(half).enumerate().with_min_len(16).for_each(|(y, out)| {
        out.fill([0.0; N]);
        for (d, k) in KERNEL.iter().enumerate() {
            let from = mirrored(2 * y + d, height) * half;
            let row = rows.get(from..from + half).unwrap_or_default();
            out.iter_mut().zip(row).for_each(|(o, v)| add(o, *k, v));
        }
    });
}

/// Twice the size: even samples are 0.1, 0.8, 0.1 of their neighbours below, odd ones the mean of two.
fn expand<const N: usize>(
    source: &[Samples<N>],
    [half, lines]: [usize; 2],
    rows: &mut Vec<Samples<N>>,
    out: &mut Vec<Samples<N>>,
    [width, height]: [usize; 2],
) {
    rows.resize(width * lines, [0.0; N]);
    rows.par_chunks_exact_mut(width).zip(source.par_chunks_exact(half)).with_min_len(16).for_each(|(out, row)| {
        let at = |x: usize| row.get(x.min(half - 1)).copied().unwrap_or([0.0; N]);
        for (x, o) in out.iter_mut().enumerate() {
            let mut sum = [0.0; N];
            let k = x / 2;
            if x % 2 == 0 {
                add(&mut sum, 0.1, &at(k.saturating_sub(1)));
                add(&mut sum, 0.8, &at(k));
                add(&mut sum, 0.1, &at(k + 1));
            } else {
                add(&mut sum, 0.5, &at(k));
                add(&mut sum, 0.5, &at(k + 1));
            }
            *o = sum;
        }
    });
    out.resize(width * height, [0.0; N]);
    out.par_chunks_exact_mut(width).enumerate().with_min_len(16).for_each(|(y, out)| {
        let row = |k: usize| rows.get(k.min(lines - 1) * width..(k.min(lines - 1) + 1) * width).unwrap_or_default();
        let k = y / 2;
        let shares = if y % 2 == 0 { [(k.saturating_sub(1), 0.1), (k, 0.8), (k + 1, 0.1)] } else { [(k, 0.5), (k + 1, 0.5), (k, 0.0)] };
        out.fill([0.0; N]);
        for (k, share) in shares {
            out.iter_mut().zip(row(k)).for_each(|(o, v)| add(o, share, v));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pictures_give_themselves_back() {
        for (width, height) in [(37, 23), (64, 48), (9, 8), (1, 5)] {
            let grey = |i: usize| u8::try_from((i * 7919) % 251).unwrap();
            let counts: Vec<u16> = (0..width * height).map(|i| u16::from(grey(i))).collect();
            let bytes: Vec<u8> = (0..width * height).flat_map(|i| [grey(i); 3]).collect();
            let (infrared, visible) =
                (ThermalImage::new(width, height, counts, 255).unwrap(), RgbImage::new(width, height, bytes).unwrap());
            let mut out = vec![0; width * height * 3];
            PyramidFusion::default().fuse(&infrared, &visible, &mut out);
            assert_eq!(out, visible.data(), "{width}x{height}");
        }
    }

    #[test]
    fn levels_keep_constants_and_ramps() {
        let source: Vec<Samples<1>> = (0..40 * 30).map(|i| [(i % 40) as f32]).collect();
        let (mut rows, mut half, mut back) = (Vec::new(), vec![[0.0]; 20 * 15], Vec::new());
        reduce(&source, [40, 30], &mut rows, &mut half, [20, 15]);
        assert!(half.iter().enumerate().all(|(i, [v])| !(2..18).contains(&(i % 20)) || (v - (i % 20) as f32 * 2.0).abs() < 1e-3));
        expand(&half, [20, 15], &mut rows, &mut back, [40, 30]);
        assert!(back.iter().enumerate().all(|(i, [v])| !(6..34).contains(&(i % 40)) || (v - (i % 40) as f32).abs() < 1e-3));
    }
}
