//! Guided filter: smooths a plane while it follows the edges of another (He, Sun, Tang, "Guided Image Filtering", TPAMI 2013).
//!
//! *In*: guide and input, `f32` planes of equal size, row-major. *Out*: a plane of the same size.
//! *Invariant*: finite input gives finite output (the regularisation `eps` is above zero), whatever the content.

use super::box_filter::{BoxScratch, box_mean};
use rayon::prelude::*;

/// Memory that a guided filter uses again from call to call.
#[derive(Debug, Default)]
pub struct GuidedScratch {
    moments: Vec<[f32; 4]>,
    means: Vec<[f32; 4]>,
    lines: Vec<[f32; 2]>,
    mean_lines: Vec<[f32; 2]>,
    box4: BoxScratch<4>,
    box2: BoxScratch<2>,
}

/// Pixels that one task handles in point-wise loops.
pub(crate) const STRIP: usize = 1 << 14;

/// Filters `input` by `guide` with window radius `radius` and regularisation `eps` into `out`. All planes hold whole rows
/// of `width` pixels and have the same length, else nothing is done.
pub fn guided_filter(
    guide: &[f32],
    input: &[f32],
    width: usize,
    (radius, eps): (usize, f32),
    out: &mut [f32],
    scratch: &mut GuidedScratch,
) {
    let len = guide.len();
    if width == 0 || input.len() != len || out.len() != len {
        return;
    }
    let GuidedScratch { moments, means, lines, mean_lines, box4, box2 } = scratch;
    moments.resize(len, [0.0; 4]);
    means.resize(len, [0.0; 4]);
    lines.resize(len, [0.0; 2]);
    mean_lines.resize(len, [0.0; 2]);
    moments.par_chunks_mut(STRIP).zip(guide.par_chunks(STRIP)).zip(input.par_chunks(STRIP)).for_each(|((m, g), p)| {
        for ((m, &g), &p) in m.iter_mut().zip(g).zip(p) {
            *m = [g, p, g * p, g * g];
        }
    });
    box_mean(moments, width, radius, means, box4);
    lines.par_chunks_mut(STRIP).zip(means.par_chunks(STRIP)).for_each(|(l, m)| {
        for (l, &[g, p, gp, gg]) in l.iter_mut().zip(m) {
            let a = (gp - g * p) / ((gg - g * g).max(0.0) + eps);
            *l = [a, p - a * g];
        }
    });
    box_mean(lines, width, radius, mean_lines, box2);
    out.par_chunks_mut(STRIP).zip(mean_lines.par_chunks(STRIP)).zip(guide.par_chunks(STRIP)).for_each(|((o, l), g)| {
        for ((o, &[a, b]), &g) in o.iter_mut().zip(l).zip(g) {
            *o = a * g + b;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_input_stays_and_an_edge_of_the_guide_is_kept() {
        let (w, h) = (40, 30);
        let guide: Vec<f32> = (0..w * h).map(|i| if i % w < 20 { 0.1 } else { 0.9 }).collect();
        let mut out = vec![0.0; w * h];
        let mut scratch = GuidedScratch::default();
        guided_filter(&guide, &vec![0.25; w * h], w, (5, 1e-6), &mut out, &mut scratch);
        assert!(out.iter().all(|v| (v - 0.25).abs() < 1e-4));
        guided_filter(&guide, &guide, w, (5, 1e-6), &mut out, &mut scratch);
        assert!(out.iter().zip(&guide).all(|(a, b)| (a - b).abs() < 1e-2));
    }
}
