//! Contact shadows: how much of the sky above a surface is hidden by what stands near.
//!
//! *In*: a [`View`]. *Out*: [`Openness`], 0.25..=1, for every other pixel of every other row; between them the one of the most similar depth.
//! *Invariant*: only what the picture shows can hide the sky, within 90 centimetres (screen-space ambient occlusion).

use super::view::View;
use crate::types::num;
use nalgebra::Vector3;
use rayon::prelude::*;

type V3 = Vector3<f32>;

/// How far what stands near reaches, metres.
const RADIUS: f32 = 0.9;
/// Five directions, turned by half a step from pixel to pixel, so that rings do not show.
const TAPS: [[(f32, f32); 5]; 2] = [
    [(1.0, 0.1), (0.21, 0.62), (-0.82, 0.55), (-0.42, -0.28), (0.30, -0.95)],
    [(0.60, 0.30), (-0.12, 0.98), (-0.62, 0.02), (-0.50, -0.84), (0.62, -0.36)],
];

/// Openness and depth at half the resolution.
pub struct Openness {
    width: usize,
    cells: Vec<(f32, f32)>,
}

impl Openness {
    /// Of a view.
    pub fn new(view: &View<'_>) -> Self {
        let depths = view.depths();
        let (width, height) = (view.shot.intrinsics.width.div_ceil(2), view.shot.intrinsics.height.div_ceil(2));
        let mut cells = vec![(1.0, f32::INFINITY); width * height];
        cells.par_chunks_mut(width * 4).enumerate().for_each(|(band, rows)| {
            for (y, row) in (band * 4..).zip(rows.chunks_mut(width)) {
                for (x, cell) in row.iter_mut().enumerate() {
                    *cell = one(view, &depths, 2 * x, 2 * y);
                }
            }
        });
        Self { width, cells }
    }
    /// At a pixel whose surface lies so deep.
    #[inline]
    pub fn at(&self, pixel: [usize; 2], depth: f32) -> f32 {
        let [x, y] = pixel.map(|v| v / 2);
        let near = |x: usize, y: usize| self.cells.get(y * self.width + x.min(self.width - 1)).copied().unwrap_or((1.0, f32::INFINITY));
        let (x1, y1) = (x + (pixel[0] & 1), y + (pixel[1] & 1));
        let own = near(x, y);
        if (x1, y1) == (x, y) {
            return own.0;
        }
        let (mut sum, mut weight) = (0.0, 0.0);
        for (open, other) in [own, near(x1, y), near(x, y1), near(x1, y1)] {
            let apart = (other - depth).abs();
            let w = if apart < 0.04 * depth + 0.1 { 1.0 } else { 0.02 };
            (sum, weight) = (sum + open * w, weight + w);
        }
        sum / weight
    }
}

fn one(view: &View<'_>, depths: &[f32], x: usize, y: usize) -> (f32, f32) {
    let width = view.shot.intrinsics.width;
    let (sx, sy) = view.at_pixel(x, y);
    let Some((drawn, depth)) = view.sample(sx, sy) else { return (1.0, f32::INFINITY) };
    let reach = (RADIUS / (view.pixel_angle() * depth)).min(24.0);
    let Some((placed, facet)) = view.facet(drawn).filter(|_| reach >= 1.0) else { return (1.0, depth) };
    let (px, py) = (num::u32(x), num::u32(y));
    let (fx, fy) = (num::count_f32(px), num::count_f32(py));
    let [kx, ky, ox, oy] = view.pixel_rays();
    let own = V3::new((fx * kx + ox) * depth, (fy * ky + oy) * depth, depth);
    let normal = view.turn.tr_mul(&(placed.turn * facet.normal));
    let mut hidden = 0.0;
    let [even, odd] = &TAPS;
    for (dx, dy) in if (px ^ py) & 2 == 0 { even } else { odd } {
        let (tx, ty) = (num::floor_i32(fx + dx * reach + 0.5), num::floor_i32(fy + dy * reach + 0.5));
        let Some((ux, uy)) = usize::try_from(tx).ok().zip(usize::try_from(ty).ok()).filter(|(ux, _)| *ux < width) else { continue };
        let Some(other) = depths.get(uy * width + ux).copied().filter(|d| d.is_finite()) else { continue };
        let way = V3::new((num::int_f32(tx) * kx + ox) * other, (num::int_f32(ty) * ky + oy) * other, other) - own;
        let square = way.norm_squared();
        if square > 1e-6 {
            let up = normal.dot(&way) / square.sqrt();
            hidden += (up - 0.08).max(0.0) / (1.0 + square / (RADIUS * RADIUS) * 1.5);
        }
    }
    ((1.0 - hidden * 0.43).clamp(0.25, 1.0), depth)
}
