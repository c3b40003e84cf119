//! Infrared-visible fusion by guided filtering, after "GFF" (Li, Kang, Hu, "Image Fusion with Guided Filtering", IEEE TIP 2013).
//!
//! *In*: a thermal and a colour picture of equal size, aligned to the pixel. *Out*: a colour picture: the luma (BT.601)
//! is fused, the chroma is the visible picture's. *Invariant*: every output is finite and in 0..=255, also for constant
//! pictures; the result does not depend on the number of threads.
//!
//! As published:
//! 1. Two scales: base = mean over 31 x 31, detail = the rest.
//! 2. Saliency: absolute Laplacian (3 x 3), smoothed by a Gaussian (radius 5, sigma 5); a map says where the infrared's is larger.
//! 3. Guided filters fit the map to the edges of each picture (base: r 45, eps 0.3; detail: r 7, eps 1e-6); the weights are normalised.
//! 4. Output = weighted bases + weighted details.

use super::box_filter::{BoxScratch, box_mean};
use super::fuse_image::{luma, shifted};
use super::guided_filter::{GuidedScratch, guided_filter};
use crate::types::{RgbImage, ThermalImage};
use rayon::prelude::*;

/// Fixed parameters of the published method.
const BASE_RADIUS: usize = 15;
const GAUSS_RADIUS: usize = 5;
const GAUSS_SIGMA: f32 = 5.0;
const BASE_GUIDE: (usize, f32) = (45, 0.3);
const DETAIL_GUIDE: (usize, f32) = (7, 1e-6);

/// Infrared and visible luma of one pixel, both in 0..=1.
type Pair = [f32; 2];

/// Fuses pairs of pictures; keeps its working memory from call to call.
#[derive(Debug, Default)]
pub(super) struct GuidedFusion {
    pairs: Vec<Pair>,
    bases: Vec<Pair>,
    saliency: Vec<Pair>,
    smooth: Vec<Pair>,
    padded: Vec<Pair>,
    choice: Vec<f32>,
    planes: [Vec<f32>; 2],
    base_weights: [Vec<f32>; 2],
    detail_weights: [Vec<f32>; 2],
    box2: BoxScratch<2>,
    guided: GuidedScratch,
}

impl GuidedFusion {
    /// All three pictures have the same size; `out` is interleaved RGB.
    pub(super) fn fuse(&mut self, infrared: &ThermalImage, visible: &RgbImage, out: &mut [u8]) {
        let (width, height) = (visible.width(), visible.height());
        self.resize(width * height);
        self.load(infrared, visible);
        box_mean(&self.pairs, width, BASE_RADIUS, &mut self.bases, &mut self.box2);
        self.choose(width);
        for ((plane, base), detail) in self.planes.iter().zip(&mut self.base_weights).zip(&mut self.detail_weights) {
            guided_filter(plane, &self.choice, width, BASE_GUIDE, base, &mut self.guided);
            guided_filter(plane, &self.choice, width, DETAIL_GUIDE, detail, &mut self.guided);
        }
        self.blend(visible, out);
    }

    fn resize(&mut self, len: usize) {
        for pairs in [&mut self.pairs, &mut self.bases, &mut self.saliency, &mut self.smooth] {
            pairs.resize(len, [0.0; 2]);
        }
        for plane in self.planes.iter_mut().chain(&mut self.base_weights).chain(&mut self.detail_weights).chain([&mut self.choice]) {
            plane.resize(len, 0.0);
        }
    }

    fn load(&mut self, infrared: &ThermalImage, visible: &RgbImage) {
        let [cold, light] = &mut self.planes;
        let samples = infrared.data().iter().zip(visible.data().as_chunks::<3>().0);
        for (((i, v), pair), (&count, &rgb)) in cold.iter_mut().zip(light).zip(&mut self.pairs).zip(samples) {
            (*i, *v) = (infrared.fraction(count).min(1.0), luma(rgb));
            *pair = [*i, *v];
        }
    }

    /// Where the infrared's smoothed absolute Laplacian is the larger, `choice` is 1, else 0.
    fn choose(&mut self, width: usize) {
        laplacian(&self.pairs, width, &mut self.saliency);
        let kernel = gaussian_kernel();
        smooth_rows(&self.saliency, width, &kernel, &mut self.padded, &mut self.smooth);
        smooth_columns(&self.smooth, width, &kernel, &mut self.saliency);
        for (c, &[i, v]) in self.choice.iter_mut().zip(&self.saliency) {
            *c = if i > v { 1.0 } else { 0.0 };
        }
    }

    fn blend(&self, visible: &RgbImage, out: &mut [u8]) {
        let (width, strip) = (visible.width(), 16 * visible.width());
        let ([bi, bv], [di, dv]) = (&self.base_weights, &self.detail_weights);
        let weights = (bi.par_chunks(strip), bv.par_chunks(strip), di.par_chunks(strip), dv.par_chunks(strip));
        let pictures = (self.pairs.par_chunks(strip), self.bases.par_chunks(strip), visible.data().par_chunks(3 * strip));
        let jobs = (out.par_chunks_mut(3 * width * 16), weights, pictures).into_par_iter();
        jobs.for_each(|(out, (bi, bv, di, dv), (pairs, bases, rgb))| {
            let weights = bi.iter().zip(bv).zip(di.iter().zip(dv));
            let pictures = pairs.iter().zip(bases).zip(rgb.as_chunks::<3>().0);
            for ((o, ((bi, bv), (di, dv))), (([i, v], [base_i, base_v]), rgb)) in
                out.as_chunks_mut::<3>().0.iter_mut().zip(weights).zip(pictures)
            {
                let (wb, wd) = (share(*bi, 1.0 - *bv), share(*di, 1.0 - *dv));
                let base = wb * base_i + (1.0 - wb) * base_v;
                let fused = base + wd * (i - base_i) + (1.0 - wd) * (v - base_v);
                shifted(o, rgb, 255.0 * (fused - v));
            }
        });
    }
}

/// The infrared's share of two weights that need not add up to one.
fn share(infrared: f32, visible: f32) -> f32 {
    let (i, v) = (infrared.clamp(0.0, 1.0), visible.clamp(0.0, 1.0));
    if i + v > 1e-6 { i / (i + v) } else { 0.5 }
}

fn laplacian(source: &[Pair], width: usize, out: &mut [Pair]) {
    let row = |y: usize| source.get(y * width..(y + 1) * width).unwrap_or_default();
    let last = (source.len() / width.max(1)).saturating_sub(1);
    out.par_chunks_mut(width.max(1)).enumerate().for_each(|(y, out)| {
        let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(last)));
        let left = here.iter().take(1).chain(here);
        let right = here.iter().skip(1).chain(here.last());
        for (((((o, a), b), c), l), r) in out.iter_mut().zip(above).zip(below).zip(here).zip(left).zip(right) {
            for (o, (((a, b), c), (l, r))) in o.iter_mut().zip(a.iter().zip(b).zip(c).zip(l.iter().zip(r))) {
                *o = (a + b + l + r - 4.0 * c).abs();
            }
        }
    });
}

const TAPS: usize = 2 * GAUSS_RADIUS + 1;

fn gaussian_kernel() -> [f32; TAPS] {
    let raw: [f32; TAPS] = std::array::from_fn(|i| {
        let d = i as f32 - GAUSS_RADIUS as f32;
        (-d * d / (2.0 * GAUSS_SIGMA * GAUSS_SIGMA)).exp()
    });
    let sum: f32 = raw.iter().sum();
    raw.map(|k| k / sum)
}

fn weigh(sum: &mut Pair, k: f32, value: &Pair) {
    for (s, v) in sum.iter_mut().zip(value) {
        *s += k * v;
    }
}

fn smooth_rows(source: &[Pair], width: usize, kernel: &[f32; TAPS], padded: &mut Vec<Pair>, out: &mut [Pair]) {
    let long = width + 2 * GAUSS_RADIUS;
    padded.resize(source.len() / width.max(1) * long, [0.0; 2]);
    let rows = source.par_chunks_exact(width.max(1)).zip(padded.par_chunks_exact_mut(long)).zip(out.par_chunks_exact_mut(width.max(1)));
    rows.with_min_len(16).for_each(|((row, padded), out)| {
        let (first, last) = (row.first().copied().unwrap_or_default(), row.last().copied().unwrap_or_default());
        let edge = std::iter::repeat_n(first, GAUSS_RADIUS);
        let values = edge.chain(row.iter().copied()).chain(std::iter::repeat_n(last, GAUSS_RADIUS));
        padded.iter_mut().zip(values).for_each(|(p, v)| *p = v);
        for (o, window) in out.iter_mut().zip(padded.windows(TAPS)) {
            let mut sum = [0.0; 2];
            window.iter().zip(kernel).for_each(|(v, &k)| weigh(&mut sum, k, v));
            *o = sum;
        }
    });
}

fn smooth_columns(source: &[Pair], width: usize, kernel: &[f32; TAPS], out: &mut [Pair]) {
    let last = (source.len() / width.max(1)).saturating_sub(1);
    out.par_chunks_mut(width.max(1)).enumerate().with_min_len(16).for_each(|(y, out)| {
        out.fill([0.0; 2]);
        for (d, &k) in kernel.iter().enumerate() {
            let from = (y + d).saturating_sub(GAUSS_RADIUS).min(last);
            let row = source.get(from * width..(from + 1) * width).unwrap_or_default();
            out.iter_mut().zip(row).for_each(|(o, v)| weigh(o, k, v));
        }
    });
}
