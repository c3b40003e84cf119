//! VIF in the pixel domain: how much of each source's information F carries, at four scales. Sheikh and Bovik 2006.
//!
//! *In*: three grey pictures of one size. *Out*: V(A, F) + V(B, F). *Invariant*: a source without information counts 1.

use super::Grey;
use super::windows::{Windows, gaussian, weigh};

const TINY: f64 = 1e-10;
const NOISE: f64 = 2.0;
/// Logarithms are taken of products of so many factors, each below 2^16: the product stays finite.
const BATCH: usize = 32;

/// Planes of the three pictures at the present scale.
#[derive(Debug, Default)]
pub(super) struct Fidelity {
    planes: [Vec<f64>; 3],
    rows: Vec<f64>,
    shrunk: Vec<f64>,
    factors: [Vec<f64>; 4],
}

/// What is shared and what there is, in log10 units, summed over pixels and scales.
#[derive(Debug, Default, Clone, Copy)]
struct Information {
    shared: f64,
    whole: f64,
}

impl Information {
    fn ratio(self) -> f64 {
        if self.whole > 0.0 { self.shared / self.whole } else { 1.0 }
    }
}

impl Fidelity {
    pub(super) fn score(&mut self, windows: &mut Windows, a: &Grey, b: &Grey, f: &Grey) -> f64 {
        let (mut width, mut height) = (f.width, f.height);
        for (plane, picture) in self.planes.iter_mut().zip([f, a, b]) {
            plane.clear();
            plane.extend(picture.levels.iter().map(|&v| f64::from(v)));
        }
        let mut total = [Information::default(); 2];
        for scale in 1..=4_u32 {
            let side = (1_usize << (5 - scale)) + 1;
            let kernel = gaussian(side, side as f64 / 5.0);
            if scale > 1 {
                if width < side || height < side {
                    break;
                }
                for plane in &mut self.planes {
                    shrink(plane, width, &kernel, &mut self.rows, &mut self.shrunk);
                }
                (width, height) = ((width - side) / 2 + 1, (height - side) / 2 + 1);
            }
            if height >= side {
                measure(windows, &self.planes, width, &kernel, &mut self.factors, &mut total);
            }
        }
        total.iter().map(|t| t.ratio()).sum()
    }
}

/// Filters ("valid" area) and keeps every second pixel of every second row.
fn shrink(plane: &mut Vec<f64>, width: usize, kernel: &[f64], row: &mut Vec<f64>, shrunk: &mut Vec<f64>) {
    let (n, height) = (kernel.len(), plane.len() / width);
    let out = width - n + 1;
    row.resize(width + out, 0.0);
    shrunk.clear();
    for y in (0..=height - n).step_by(2) {
        let Some((down, across)) = row.split_at_mut_checked(width) else { return };
        weigh(down, kernel, |k| plane.get((y + k) * width..(y + k + 1) * width));
        weigh(across, kernel, |k| down.get(k..k + out));
        shrunk.extend(across.iter().step_by(2));
    }
    std::mem::swap(plane, shrunk);
}

/// Adds one scale.
fn measure(
    windows: &mut Windows,
    [f, a, b]: &[Vec<f64>; 3],
    width: usize,
    kernel: &[f64],
    factors: &mut [Vec<f64>; 4],
    total: &mut [Information; 2],
) {
    windows.each_row([f, a, b], width, kernel, |[f, a, b, ff, aa, bb, fa, fb]| {
        let [shared_a, whole_a, shared_b, whole_b] = factors;
        gains([a, f, aa, ff, fa], shared_a, whole_a);
        gains([b, f, bb, ff, fb], shared_b, whole_b);
        let [ta, tb] = total;
        for (sum, factors) in [(&mut ta.shared, &*shared_a), (&mut ta.whole, whole_a), (&mut tb.shared, shared_b), (&mut tb.whole, whole_b)]
        {
            *sum += factors.chunks(BATCH).map(|c| c.iter().product::<f64>().log10()).sum::<f64>();
        }
    });
}

/// The factors under the logarithms, for a row of windowed means: source, fused, their squares, their product.
fn gains([s, f, ss, ff, sf]: [&[f64]; 5], shared: &mut Vec<f64>, whole: &mut Vec<f64>) {
    shared.resize(s.len(), 1.0);
    whole.resize(s.len(), 1.0);
    let inputs = s.iter().zip(f).zip(ss).zip(ff).zip(sf);
    for (((((s, f), ss), ff), sf), (shared, whole)) in inputs.zip(shared.iter_mut().zip(whole.iter_mut())) {
        let v1 = (ss - s * s).max(0.0);
        let v2 = (ff - f * f).max(0.0);
        let v12 = sf - s * f;
        let g = v12 / (v1 + TINY);
        let rest = v2 - g * v12;
        let either = |condition: bool, yes: f64, no: f64| if condition { yes } else { no };
        // The cases follow one another in the reference, each on what the one before it left.
        let (flat, lost) = (v1 < TINY, v2 < TINY);
        let g = either(flat, 0.0, g);
        let rest = either(flat, v2, rest);
        let v1 = either(flat, 0.0, v1);
        let g = either(lost, 0.0, g);
        let rest = either(lost, 0.0, rest);
        let rest = either(g < 0.0, v2, rest);
        let g = g.max(0.0);
        let rest = rest.max(TINY);
        *shared = 1.0 + g * g * v1 / (rest + NOISE);
        *whole = 1.0 + v1 / NOISE;
    }
}
