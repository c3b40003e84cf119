//! Box mean of planes in constant time per pixel, by running sums along rows and then along columns.
//!
//! *In / Out*: `N` interleaved `f32` planes, row-major, `[height][width][N]`; the window is `(2r+1)^2`, clipped at the
//! edges, and the mean is over the samples that are inside. *Invariant*: the result does not depend on the number of
//! threads (rows are cut into bands of fixed height; sums are kept in `f64`).

use crate::types::num;
use rayon::prelude::*;

/// Rows of one band of the column pass.
const BAND: usize = 120;

/// Memory that [`box_mean`] uses again from call to call.
#[derive(Debug, Default)]
pub struct BoxScratch<const N: usize> {
    rows: Vec<[f32; N]>,
    sums: Vec<[f64; N]>,
}

fn add<const N: usize>(sum: &mut [f64; N], value: &[f32; N], sign: f64) {
    for (s, v) in sum.iter_mut().zip(value) {
        *s += sign * f64::from(*v);
    }
}

fn scaled<const N: usize>(sum: &[f64; N], factor: f64) -> [f32; N] {
    sum.map(|s| num::f32(s * factor))
}

fn mean_row<const N: usize>(row: &[[f32; N]], radius: usize, out: &mut [[f32; N]]) {
    let (mut lead, mut trail) = (row.iter(), row.iter());
    let (mut sum, mut count) = ([0.0; N], 0_usize);
    for v in lead.by_ref().take(radius) {
        add(&mut sum, v, 1.0);
        count += 1;
    }
    for (x, o) in out.iter_mut().enumerate() {
        if let Some(v) = lead.next() {
            add(&mut sum, v, 1.0);
            count += 1;
        }
        if x > radius
            && let Some(v) = trail.next()
        {
            add(&mut sum, v, -1.0);
            count -= 1;
        }
        *o = scaled(&sum, 1.0 / count.max(1) as f64);
    }
}

fn accumulate<const N: usize>(sums: &mut [[f64; N]], row: &[[f32; N]], sign: f64) {
    for (s, v) in sums.iter_mut().zip(row) {
        add(s, v, sign);
    }
}

/// Means along columns for the rows of one band that starts at row `top`.
fn mean_band<const N: usize>(rows: &[[f32; N]], width: usize, radius: usize, top: usize, sums: &mut [[f64; N]], out: &mut [[f32; N]]) {
    let first = top.saturating_sub(radius + 1);
    let mut lead = rows.chunks_exact(width).skip(first);
    let mut trail = rows.chunks_exact(width).skip(first);
    let mut count = 0_usize;
    sums.fill([0.0; N]);
    for row in lead.by_ref().take(top + radius - first) {
        accumulate(sums, row, 1.0);
        count += 1;
    }
    for (dy, o) in out.chunks_exact_mut(width).enumerate() {
        if let Some(row) = lead.next() {
            accumulate(sums, row, 1.0);
            count += 1;
        }
        if top + dy > radius
            && let Some(row) = trail.next()
        {
            accumulate(sums, row, -1.0);
            count -= 1;
        }
        let factor = 1.0 / count.max(1) as f64;
        for (o, s) in o.iter_mut().zip(sums.iter()) {
            *o = scaled(s, factor);
        }
    }
}

/// Writes the box mean of `source` with the given radius to `out`; both hold whole rows of `width` pixels, else nothing is done.
pub fn box_mean<const N: usize>(source: &[[f32; N]], width: usize, radius: usize, out: &mut [[f32; N]], scratch: &mut BoxScratch<N>) {
    if width == 0 || source.len() != out.len() || !source.len().is_multiple_of(width) {
        return;
    }
    let bands = (source.len() / width).div_ceil(BAND);
    scratch.rows.resize(source.len(), [0.0; N]);
    scratch.sums.resize(bands * width, [0.0; N]);
    let strip = 16 * width;
    source
        .par_chunks(strip)
        .zip(scratch.rows.par_chunks_mut(strip))
        .for_each(|(s, o)| s.chunks_exact(width).zip(o.chunks_exact_mut(width)).for_each(|(s, o)| mean_row(s, radius, o)));
    let rows = &scratch.rows;
    out.par_chunks_mut(BAND * width)
        .zip(scratch.sums.par_chunks_mut(width))
        .enumerate()
        .for_each(|(band, (o, sums))| mean_band(rows, width, radius, band * BAND, sums, o));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_the_mean_over_the_clipped_window() {
        for (w, h, r) in [(7_usize, 5_usize, 1_usize), (9, 300, 3), (1, 1, 4), (3, 250, 130), (40, 2, 15)] {
            let source: Vec<[f32; 2]> = (0..w * h).map(|i| [((i * 37) % 101) as f32, -(((i * 13) % 17) as f32)]).collect();
            let mut out = vec![[0.0; 2]; w * h];
            box_mean(&source, w, r, &mut out, &mut BoxScratch::default());
            for (i, o) in out.iter().enumerate() {
                let (x, y) = (i % w, i / w);
                let (mut sum, mut n) = (0.0, 0.0);
                for yy in y.saturating_sub(r)..=(y + r).min(h - 1) {
                    for xx in x.saturating_sub(r)..=(x + r).min(w - 1) {
                        sum += source[yy * w + xx][0];
                        n += 1.0;
                    }
                }
                assert!((o[0] - sum / n).abs() < 1e-3, "{w}x{h} r{r} at {x},{y}: {} {}", o[0], sum / n);
            }
        }
    }
}
