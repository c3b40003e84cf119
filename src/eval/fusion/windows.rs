//! Windowed means of three planes and five of their products under a separable, symmetric window ("valid" area).
//!
//! *In*: planes F, A, B, row-major. *Out*: for each output row the eight means, each `width - n + 1` long, top to bottom.
//! *Invariant*: row y of the output covers input rows y to y + n - 1. Only n filtered rows are held at a time.

/// The planes and products whose means are wanted: F, A, B, FF, AA, BB, FA, FB.
pub(super) const FIELDS: usize = 8;

/// Buffers of the filter, reused from picture to picture.
#[derive(Debug, Default)]
pub(super) struct Windows {
    products: Vec<f64>,
    ring: Vec<f64>,
    means: Vec<f64>,
}

/// A normalised Gaussian of odd length `n`.
pub(super) fn gaussian(n: usize, sigma: f64) -> Vec<f64> {
    let centre = (n / 2) as f64;
    let raw = (0..n).map(|i| (-(i as f64 - centre).powi(2) / (2.0 * sigma * sigma)).exp());
    let sum: f64 = raw.clone().sum();
    raw.map(|w| w / sum).collect()
}

impl Windows {
    /// Calls `row` with the eight means of every output row; not at all where the planes are smaller than the window.
    pub(super) fn each_row(&mut self, planes: [&[f64]; 3], width: usize, kernel: &[f64], mut row: impl FnMut([&[f64]; FIELDS])) {
        let n = kernel.len();
        let Some(out) = (width + 1).checked_sub(n).filter(|&o| o > 0) else { return };
        self.products.resize(FIELDS * width, 0.0);
        self.ring.resize(n * FIELDS * out, 0.0);
        self.means.resize(FIELDS * out, 0.0);
        let [f, a, b] = planes.map(|p| p.chunks_exact(width));
        for (y, ((f, a), b)) in f.zip(a).zip(b).enumerate() {
            fill_products(&mut self.products, width, f, a, b);
            let Some(slot) = self.ring.chunks_exact_mut(FIELDS * out).nth(y % n) else { return };
            for (product, filtered) in self.products.chunks_exact(width).zip(slot.chunks_exact_mut(out)) {
                weigh(filtered, kernel, |k| product.get(k..k + out));
            }
            if y + 1 < n {
                continue;
            }
            let (ring, length) = (&self.ring, FIELDS * out);
            weigh(&mut self.means, kernel, |k| {
                let at = (y + 1 + k) % n * length;
                ring.get(at..at + length)
            });
            let mut fields = self.means.chunks_exact(out);
            row(std::array::from_fn(|_| fields.next().unwrap_or(&[])));
        }
    }
}

fn fill_products(products: &mut [f64], width: usize, f: &[f64], a: &[f64], b: &[f64]) {
    let multiply = |(x, y): (&[f64], &[f64]), out: &mut [f64]| {
        for ((o, x), y) in out.iter_mut().zip(x).zip(y) {
            *o = x * y;
        }
    };
    for (at, out) in products.chunks_exact_mut(width).enumerate() {
        match at {
            0 => out.copy_from_slice(f),
            1 => out.copy_from_slice(a),
            2 => out.copy_from_slice(b),
            3 => multiply((f, f), out),
            4 => multiply((a, a), out),
            5 => multiply((b, b), out),
            6 => multiply((f, a), out),
            _ => multiply((f, b), out),
        }
    }
}

/// `out = sum of kernel[k] * tap(k)`, with the symmetric kernel folded; every tap is as long as `out`.
pub(super) fn weigh<'a>(out: &mut [f64], kernel: &[f64], tap: impl Fn(usize) -> Option<&'a [f64]>) {
    let n = kernel.len();
    let centre = n / 2;
    let (Some(&middle), Some(line)) = (kernel.get(centre), tap(centre)) else { return };
    for (o, x) in out.iter_mut().zip(line) {
        *o = middle * x;
    }
    // Two folded pairs of taps at a time halve the traffic on `out`.
    let mut pairs = kernel.iter().take(centre).enumerate().filter_map(|(k, &w)| Some((w, tap(k)?, tap(n - 1 - k)?)));
    while let Some((w, left, right)) = pairs.next() {
        if let Some((w2, left2, right2)) = pairs.next() {
            let lines = out.iter_mut().zip(left).zip(right).zip(left2).zip(right2);
            for ((((o, l), r), l2), r2) in lines {
                *o += w * (l + r) + w2 * (l2 + r2);
            }
        } else {
            for ((o, l), r) in out.iter_mut().zip(left).zip(right) {
                *o += w * (l + r);
            }
        }
    }
}
