//! BEV pooling: features of all pixels at all depths, summed per cell of the ground, without ever being written out.
//!
//! *In*: per pixel the scores of the depths and the features (`[images, pixels, depths + channels]`), and the runs of cells. *Out*: the
//! sums, `[samples, levels * channels, X, Y]`. *Invariant*: equals softmax, outer product and scatter-add up to the order of sums.
//! The lifted tensor (six cameras: 638 MB) does not exist: rows of one image column that fall into the same cell are first summed in
//! registers, 16 channels at a time, and a thread owns its channels' part of the map.

use super::frustum::{Cells, Run};
use crate::nets::simd::{self, Kernel, Simd};
use rayon::prelude::*;

/// Channels that are summed together: one vector register of 512 bits, or two of 256.
const LANES: usize = 16;

/// What is pooled.
pub(super) struct Lift<'a> {
    /// `[images][rows * columns][depths + channels]`: scores before the softmax, then features.
    pub values: &'a [f32],
    /// Images of each sample.
    pub cameras: usize,
    /// Depths, rows, columns.
    pub size: [usize; 3],
    /// Features of a pixel.
    pub channels: usize,
    /// Runs of each image's columns.
    pub runs: &'a [Vec<Vec<Run>>],
}

/// Channels rounded up to whole registers.
pub(super) const fn padded(channels: usize) -> usize {
    channels.next_multiple_of(LANES)
}

/// The sums as `[samples][padded channels][levels][X][Y]`.
pub(super) fn pool(lift: &Lift<'_>, cells: &Cells) -> Vec<f32> {
    let [depths, rows, columns] = lift.size;
    let blocks = padded(lift.channels) / LANES;
    let samples = lift.runs.len().checked_div(lift.cameras).unwrap_or(0);
    let images = lift.runs.len();
    // Per image column: softmax weights [depth][row] and features [block][row][16].
    let mut weights = vec![0.0_f32; images * columns * depths * rows];
    let mut features = vec![[0.0_f32; LANES]; images * columns * blocks * rows];
    let columns_of = weights.par_chunks_mut((depths * rows).max(1)).zip(features.par_chunks_mut((blocks * rows).max(1)));
    columns_of.enumerate().for_each(|(at, (weights, features))| {
        let (image, column) = (at / columns, at % columns);
        let width = depths + lift.channels;
        for row in 0..rows {
            let start = ((image * rows + row) * columns + column) * width;
            let Some((scores, values)) = lift.values.get(start..start + width).and_then(|v| v.split_at_checked(depths)) else { continue };
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for (target, score) in weights.iter_mut().skip(row).step_by(rows).zip(scores) {
                *target = (score - highest).exp();
                sum += *target;
            }
            weights.iter_mut().skip(row).step_by(rows).for_each(|w| *w /= sum);
            for (target, values) in features.iter_mut().skip(row).step_by(rows).zip(values.chunks(LANES)) {
                target.iter_mut().zip(values).for_each(|(t, v)| *t = *v);
            }
        }
    });
    let total = cells.total();
    let mut out = vec![0.0_f32; samples * blocks * LANES * total];
    out.par_chunks_mut((LANES * total).max(1)).enumerate().for_each(|(at, planes)| {
        let (sample, block) = (at / blocks, at % blocks);
        let mut sums = vec![[0.0_f32; LANES]; total];
        for image in sample * lift.cameras..(sample + 1) * lift.cameras {
            for (column, runs) in lift.runs.get(image).into_iter().flatten().enumerate() {
                let at = image * columns + column;
                let weights = weights.get(at * depths * rows..(at + 1) * depths * rows).unwrap_or_default();
                let start = (at * blocks + block) * rows;
                let features = features.get(start..start + rows).unwrap_or_default();
                simd::run(Column { runs, weights, features, sums: &mut sums });
            }
        }
        for (lane, plane) in planes.chunks_exact_mut(total).enumerate() {
            plane.iter_mut().zip(&sums).for_each(|(p, s)| *p = s.get(lane).copied().unwrap_or_default());
        }
    });
    out
}

/// One image column into the sums of 16 channels.
struct Column<'a> {
    runs: &'a [Run],
    weights: &'a [f32],
    features: &'a [[f32; LANES]],
    sums: &'a mut [[f32; LANES]],
}

impl Kernel for Column<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut weights = self.weights;
        let mut features = self.features;
        for run in self.runs {
            if features.is_empty() {
                features = self.features;
            }
            let length = crate::types::num::usize(run.length);
            let (Some((w, rest)), Some((f, below))) = (weights.split_at_checked(length), features.split_at_checked(length)) else { return };
            (weights, features) = (rest, below);
            let Some(target) = self.sums.get_mut(crate::types::num::usize(run.cell)) else { continue };
            if let [sum] = S::as_mut_simd_f32s(target).0 {
                let mut total = *sum;
                for (w, f) in w.iter().zip(f) {
                    if let [f] = S::as_simd_f32s(f).0 {
                        total = simd.mul_add_f32s(simd.splat_f32s(*w), *f, total);
                    }
                }
                *sum = total;
                continue;
            }
            if let [low, high] = S::as_mut_simd_f32s(target).0 {
                let (mut a, mut b) = (*low, *high);
                for (w, f) in w.iter().zip(f) {
                    if let [f, g] = S::as_simd_f32s(f).0 {
                        let w = simd.splat_f32s(*w);
                        (a, b) = (simd.mul_add_f32s(w, *f, a), simd.mul_add_f32s(w, *g, b));
                    }
                }
                (*low, *high) = (a, b);
                continue;
            }
            for (w, f) in w.iter().zip(f) {
                target.iter_mut().zip(f).for_each(|(s, f)| *s += w * f);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_equals_softmax_outer_product_and_scatter() {
        let cells = Cells::new([[0.0, 3.0, 1.0], [0.0, 2.0, 1.0], [0.0, 2.0, 1.0]]);
        let (depths, rows, columns, channels, cameras, samples) = (3, 4, 2, 18, 2, 2);
        let width = depths + channels;
        let number = |i: usize| ((i * 7919 % 1013) as f32) / 500.0 - 1.0;
        let values: Vec<f32> = (0..samples * cameras * rows * columns * width).map(number).collect();
        let cell = |i: usize| if i % 5 == 4 { Cells::OUTSIDE } else { ((i / 2) * 31 % 12) as u32 };
        let mut runs = Vec::new();
        let mut wanted = vec![0.0_f32; samples * padded(channels) * 12];
        for image in 0..samples * cameras {
            let mut of_image = Vec::new();
            for column in 0..columns {
                let mut of_column: Vec<Run> = Vec::new();
                for depth in 0..depths {
                    for row in 0..rows {
                        let c = cell(image * 100 + column * 37 + depth * 11 + row);
                        match of_column.last_mut() {
                            Some(last) if row > 0 && last.cell == c => last.length += 1,
                            _ => of_column.push(Run { cell: c, length: 1 }),
                        }
                        if c == Cells::OUTSIDE {
                            continue;
                        }
                        let pixel = &values[((image * rows + row) * columns + column) * width..][..width];
                        let sum: f32 = pixel[..depths].iter().map(|v| v.exp()).sum();
                        for channel in 0..channels {
                            let at = ((image / cameras) * padded(channels) + channel) * 12 + c as usize;
                            wanted[at] += pixel[depth].exp() / sum * pixel[depths + channel];
                        }
                    }
                }
                of_image.push(of_column);
            }
            runs.push(of_image);
        }
        let found = pool(&Lift { values: &values, cameras, size: [depths, rows, columns], channels, runs: &runs }, &cells);
        assert_eq!(found.len(), wanted.len());
        assert!(wanted.iter().any(|v| v.abs() > 0.5));
        for (a, b) in found.iter().zip(&wanted) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}
