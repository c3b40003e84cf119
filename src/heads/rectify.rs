//! Rectification: takes the lens distortion out of a picture through a table made once per calibration.
//!
//! *In*: a picture through a Brown-Conrady lens. *Out*: what a pinhole with the same intrinsics would see, same size.
//! *Invariant*: a pixel whose source lies outside the picture is empty (black, NaN, label 0), never a stretched border;
//! bilinear for colour and thermal, nearest for depth and labels.

use super::resample::Sample;
use crate::types::{Distortion, Intrinsics, num};
use rayon::prelude::*;

/// The ideal direction that lands at `(x, y)` through the lens, both normalised: the inverse of [`Distortion::distort`]
/// by Newton's method. `None` where it does not converge (beyond the lens model's fold).
pub fn undistort(lens: &Distortion, x: f64, y: f64) -> Option<(f64, f64)> {
    let (mut u, mut v) = (x, y);
    for _ in 0..20 {
        let (du, dv) = lens.distort(u, v);
        let (ex, ey) = (du - x, dv - y);
        if ex.hypot(ey) < 1e-10 {
            return within_fold(lens, u * u + v * v).then_some((u, v));
        }
        let h = 1e-6;
        let ((ax, ay), (bx, by)) = (lens.distort(u + h, v), lens.distort(u, v + h));
        let (a, c, b, d) = ((ax - du) / h, (ay - dv) / h, (bx - du) / h, (by - dv) / h);
        let det = a * d - b * c;
        if det.abs() < 1e-9 || !det.is_finite() {
            return None;
        }
        u -= (d * ex - b * ey) / det;
        v -= (a * ey - c * ex) / det;
    }
    None
}

/// Whether the lens model still grows at squared radius `r2` and has grown all the way to it: beyond its fold, far
/// directions come back into the picture, which no lens does.
pub fn within_fold(lens: &Distortion, r2: f64) -> bool {
    let Distortion::BrownConrady { k1, k2, k3, .. } = *lens else { return true };
    let slope = |q: f64| 1.0 + q * (3.0 * k1 + q * (5.0 * k2 + q * 7.0 * k3));
    // The cubic is lowest at the end or where its derivative 3 k1 + 10 k2 q + 21 k3 q^2 vanishes (both roots, in the stable form).
    let (half, root) = (5.0 * k2, (25.0 * k2 * k2 - 63.0 * k1 * k3).sqrt());
    let sum = -(half + root.copysign(half));
    let turns = [sum / (21.0 * k3), 3.0 * k1 / sum];
    r2.is_finite() && slope(r2) > 0.0 && turns.iter().all(|&q| !(q > 0.0 && q < r2) || slope(q) > 0.0)
}

/// Where one output pixel comes from: the upper left of four input pixels and the weights of the right and lower ones.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Origin {
    at: u32,
    right: f32,
    down: f32,
}

/// No source: outside the picture.
const NOWHERE: u32 = u32::MAX;

/// A table from output pixels to input positions.
#[derive(Debug, Clone, PartialEq)]
pub struct Remap {
    width: usize,
    height: usize,
    table: Vec<Origin>,
}

impl Remap {
    /// The table that rectifies a camera's pictures.
    pub fn rectify(camera: &Intrinsics, lens: &Distortion) -> Self {
        let (width, height) = (camera.width, camera.height);
        let row = |y: usize| (0..width).map(move |x| origin(camera, lens, x as f64, y as f64));
        Self { width, height, table: (0..height).flat_map(row).collect() }
    }
    /// Columns and rows of the pictures it is for.
    pub const fn size(&self) -> [usize; 2] {
        [self.width, self.height]
    }
    /// Bilinear remap of interleaved samples of `C` channels; a buffer that does not fit leaves `out` as it is.
    pub fn bilinear<T: Sample + Default, const C: usize>(&self, source: &[T], out: &mut [T]) {
        if source.len() != self.table.len() * C || out.len() != source.len() {
            return;
        }
        let pixels = source.as_chunks::<C>().0;
        let (dx, dy) = (usize::from(self.width > 1), if self.height > 1 { self.width } else { 0 });
        let strip = 16 * self.width;
        let jobs = out.as_chunks_mut::<C>().0.par_chunks_mut(strip).zip(self.table.par_chunks(strip));
        jobs.for_each(|(out, table)| {
            for (o, from) in out.iter_mut().zip(table) {
                *o = four(pixels, num::usize(from.at), dx, dy).map_or([T::default(); C], |p| mix(p, from.right, from.down));
            }
        });
    }
    /// Nearest remap of single samples; `empty` where there is no source.
    pub fn nearest<T: Copy>(&self, source: &[T], empty: T) -> Vec<T> {
        let pick = |from: &Origin| {
            let step = usize::from(from.right >= 0.5) + if from.down >= 0.5 { self.width } else { 0 };
            let known = if from.at == NOWHERE { None } else { source.get(num::usize(from.at) + step) };
            known.copied().unwrap_or(empty)
        };
        self.table.iter().map(pick).collect()
    }
}

fn origin(camera: &Intrinsics, lens: &Distortion, x: f64, y: f64) -> Origin {
    let nowhere = Origin { at: NOWHERE, right: 0.0, down: 0.0 };
    let ray = camera.unproject(x, y, 1.0);
    if !within_fold(lens, ray.x * ray.x + ray.y * ray.y) {
        return nowhere;
    }
    let (dx, dy) = lens.distort(ray.x, ray.y);
    let (u, v) = (camera.fx * dx + camera.cx, camera.fy * dy + camera.cy);
    let axis = |c: f64, size: usize| {
        let c = if c < 0.0 && c > -1e-6 { 0.0 } else { c };
        let inside = c >= 0.0 && c <= (size - 1) as f64 + 1e-6;
        let low = num::cell(c, size)?.min(size.saturating_sub(2));
        inside.then(|| (low, num::f32((c - low as f64).clamp(0.0, 1.0))))
    };
    match (axis(u, camera.width), axis(v, camera.height)) {
        (Some((col, right)), Some((row, down))) => Origin { at: num::u32(row * camera.width + col), right, down },
        _ => nowhere,
    }
}

fn four<const C: usize, T>(pixels: &[[T; C]], at: usize, dx: usize, dy: usize) -> Option<[&[T; C]; 4]> {
    Some([pixels.get(at)?, pixels.get(at + dx)?, pixels.get(at + dy)?, pixels.get(at + dy + dx)?])
}

fn mix<T: Sample + Default, const C: usize>([a, b, c, d]: [&[T; C]; 4], right: f32, down: f32) -> [T; C] {
    let (left, up) = (1.0 - right, 1.0 - down);
    let mut out = [T::default(); C];
    for ((((o, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *o = T::narrow(up * (left * a.widen() + right * b.widen()) + down * (left * c.widen() + right * d.widen()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENS: Distortion = Distortion::BrownConrady { k1: -0.28, k2: 0.07, p1: 0.0002, p2: -0.0001, k3: 0.0 };

    fn camera(width: usize, height: usize) -> Intrinsics {
        Intrinsics::new(width, height, 0.9 * width as f64, 0.9 * width as f64, (width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0)
            .unwrap()
    }

    #[test]
    fn undistort_undoes_distort() {
        for i in -10..=10 {
            for j in -8..=8 {
                let (x, y) = (f64::from(i) * 0.06, f64::from(j) * 0.06);
                let (dx, dy) = LENS.distort(x, y);
                let (u, v) = undistort(&LENS, dx, dy).unwrap();
                assert!((u - x).abs() < 1e-8 && (v - y).abs() < 1e-8, "{x} {y}: {u} {v}");
            }
        }
    }

    #[test]
    fn the_fold_is_where_the_radius_stops_growing() {
        for [k1, k2, k3] in [[-0.28, 0.07, 0.0], [-0.28, 0.0, 0.0], [-0.4, 0.05, 0.0], [-0.4, 0.1, -0.01], [0.1, -0.2, 0.03], [0.0; 3]] {
            let lens = Distortion::BrownConrady { k1, k2, p1: 0.0, p2: 0.0, k3 };
            let mut fold = f64::INFINITY;
            for i in 1..8000 {
                let r = f64::from(i) * 0.001;
                if lens.distort(r, 0.0).0 <= lens.distort(r - 0.001, 0.0).0 {
                    fold = r;
                    break;
                }
            }
            for i in 1..80 {
                let r = f64::from(i) * 0.1;
                assert!((r - fold).abs() < 0.002 || within_fold(&lens, r * r) == (r < fold), "{k1} {k2} {k3}: {r}, fold {fold}");
            }
        }
    }

    /// Brightness of a smooth grid pattern in ideal coordinates.
    fn pattern(x: f64, y: f64) -> f64 {
        127.0 + 60.0 * (x * 25.0).sin() + 60.0 * (y * 25.0).cos()
    }

    #[test]
    fn a_grid_seen_through_the_lens_is_straight_again() {
        let k = camera(320, 240);
        let mut seen = Vec::new();
        for v in 0..240 {
            for u in 0..320 {
                let ray = k.unproject(f64::from(u), f64::from(v), 1.0);
                let (x, y) = undistort(&LENS, ray.x, ray.y).unwrap();
                seen.push(num::level(num::f32(pattern(x, y))));
            }
        }
        let remap = Remap::rectify(&k, &LENS);
        let mut out = vec![0_u8; seen.len()];
        remap.bilinear::<u8, 1>(&seen, &mut out);
        let mut compared = 0;
        for (i, (&o, from)) in out.iter().zip(&remap.table).enumerate() {
            let ray = k.unproject((i % 320) as f64, (i / 320) as f64, 1.0);
            if from.at != NOWHERE {
                compared += 1;
                assert!((f64::from(o) - pattern(ray.x, ray.y)).abs() < 2.0, "pixel {i}: {o}");
            }
        }
        assert!(compared > 320 * 240 * 9 / 10);
    }

    #[test]
    fn without_distortion_and_in_one_pixel_nothing_moves() {
        for (w, h) in [(1, 1), (1, 5), (6, 1), (7, 4)] {
            let remap = Remap::rectify(&camera(w, h), &Distortion::None);
            let source: Vec<u16> = (0..w * h).map(|i| num::u16(i * 7 + 1)).collect();
            let mut out = vec![0_u16; w * h];
            remap.bilinear::<u16, 1>(&source, &mut out);
            assert_eq!(out, source, "{w}x{h}");
            assert_eq!(remap.nearest(&source, 0), source, "{w}x{h}");
        }
    }
}
