//! SSIM: with a 7x7 uniform window by exact running sums (ranges 2 and 255), and with an 11x11 Gaussian window.
//!
//! *In*: three grey pictures of one size. *Out*: the mean over all whole windows, summed over both sources.
//! *Invariant*: in a picture smaller than the window, the window shrinks to the smaller side. Wang et al. 2004.

use super::Grey;
use super::windows::{Windows, gaussian as gaussian_window};

const SIDE: usize = 7;
const K1: f64 = 0.01;
const K2: f64 = 0.03;

/// Sums over a column or window: F, A, B, FF, AA, BB, FA, FB. The largest, 49 * 255^2, fits easily.
type Sums = [u32; 8];

/// Running sums of one picture width.
#[derive(Debug, Default)]
pub(super) struct Uniform {
    columns: Vec<Sums>,
}

impl Uniform {
    /// Sum over both sources with data range 2 and with 255.
    pub(super) fn score(&mut self, a: &Grey, b: &Grey, f: &Grey) -> [f64; 2] {
        let side = SIDE.min(f.width).min(f.height);
        let formula = Formula::new(side);
        self.columns.clear();
        self.columns.resize(f.width, [0; 8]);
        let mut total = [0.0; 2];
        let rows = || f.rows().zip(a.rows()).zip(b.rows());
        let mut leaving = rows();
        for (y, entering) in rows().enumerate() {
            self.change(entering, u32::wrapping_add);
            if y + 1 < side {
                continue;
            }
            self.slide(side, &formula, &mut total);
            if let Some(row) = leaving.next() {
                self.change(row, u32::wrapping_sub);
            }
        }
        let windows = ((f.width - side + 1) * (f.height - side + 1)) as f64;
        total.map(|t| t / windows)
    }

    fn change(&mut self, ((f, a), b): ((&[u8], &[u8]), &[u8]), by: fn(u32, u32) -> u32) {
        for (((column, &f), &a), &b) in self.columns.iter_mut().zip(f).zip(a).zip(b) {
            let products = products(f, a, b);
            column.iter_mut().zip(products).for_each(|(c, p)| *c = by(*c, p));
        }
    }

    fn slide(&self, side: usize, formula: &Formula, total: &mut [f64; 2]) {
        let mut window: Sums = [0; 8];
        let (head, tail) = self.columns.split_at_checked(side - 1).unwrap_or_default();
        for column in head {
            window.iter_mut().zip(column).for_each(|(w, c)| *w += c);
        }
        for (entering, leaving) in tail.iter().zip(&self.columns) {
            window.iter_mut().zip(entering).for_each(|(w, c)| *w += c);
            formula.add(&window, total);
            window.iter_mut().zip(leaving).for_each(|(w, c)| *w -= c);
        }
    }
}

fn products(f: u8, a: u8, b: u8) -> Sums {
    let [f, a, b] = [f, a, b].map(u32::from);
    [f, a, b, f * f, a * a, b * b, f * a, f * b]
}

/// SSIM of one window from its integer sums: everything multiplied by the squared number of pixels.
struct Formula {
    pixels: u32,
    /// Sample covariance: pixels / (pixels - 1).
    correction: f64,
    /// C1 and C2 for the ranges 2 and 255, times the squared number of pixels.
    constants: [[f64; 2]; 2],
}

impl Formula {
    fn new(side: usize) -> Self {
        let pixels = (side * side) as f64;
        let constants = [2.0, 255.0].map(|range| [K1, K2].map(|k: f64| (k * range * pixels).powi(2)));
        let correction = if side > 1 { pixels / (pixels - 1.0) } else { 1.0 };
        Self { pixels: crate::types::num::u32(side * side), correction, constants }
    }

    fn add(&self, &[f, a, b, ff, aa, bb, fa, fb]: &Sums, total: &mut [f64; 2]) {
        let n = self.pixels;
        // n * sum of squares <= 49^2 * 255^2 < 2^28: exact in 32 bits.
        let spread = |xy: u32, x: u32, y: u32| f64::from((n * xy).cast_signed() - (x * y).cast_signed()) * self.correction;
        let (vf, [f2, a2, b2, af, bf]) = (spread(ff, f, f), [f * f, a * a, b * b, a * f, b * f].map(f64::from));
        let (va, vb, caf, cbf) = (spread(aa, a, a), spread(bb, b, b), spread(fa, f, a), spread(fb, f, b));
        for (sum, [c1, c2]) in total.iter_mut().zip(self.constants) {
            let top = (2.0 * af + c1) * (2.0 * caf + c2);
            let bottom = (a2 + f2 + c1) * (va + vf + c2);
            let top_b = (2.0 * bf + c1) * (2.0 * cbf + c2);
            let bottom_b = (b2 + f2 + c1) * (vb + vf + c2);
            *sum += top / bottom + top_b / bottom_b;
        }
    }
}

/// Sum over both sources with an 11x11 Gaussian window (sigma 1.5) and data range 255; population covariance.
pub(super) fn gaussian(windows: &mut Windows, a: &Grey, b: &Grey, f: &Grey) -> f64 {
    let smaller = f.width.min(f.height);
    // The largest odd side that fits.
    let side = 11.min(smaller - usize::from(smaller.is_multiple_of(2)));
    let kernel = gaussian_window(side, 1.5);
    let [pf, pa, pb] = [f, a, b].map(|p| p.levels.iter().map(|&v| f64::from(v)).collect::<Vec<f64>>());
    let [c1, c2] = [K1, K2].map(|k| (k * 255.0).powi(2));
    let (mut total, mut count) = (0.0, 0_u32);
    windows.each_row([&pf, &pa, &pb], f.width, &kernel, |[f, a, b, ff, aa, bb, fa, fb]| {
        let similarity = |f: f64, s: f64, ff: f64, ss: f64, fs: f64| {
            let top = (2.0 * f * s + c1) * (2.0 * (fs - f * s) + c2);
            top / ((f * f + s * s + c1) * (ff - f * f + ss - s * s + c2))
        };
        let with_a = f.iter().zip(a).zip(ff).zip(aa).zip(fa).map(|((((f, s), ff), ss), fs)| similarity(*f, *s, *ff, *ss, *fs));
        let with_b = f.iter().zip(b).zip(ff).zip(bb).zip(fb).map(|((((f, s), ff), ss), fs)| similarity(*f, *s, *ff, *ss, *fs));
        total += with_a.zip(with_b).map(|(a, b)| a + b).sum::<f64>();
        count += crate::types::num::u32(f.len());
    });
    total / f64::from(count.max(1))
}
