//! Light to a picture: exposure, glare, rain on the way, tone, noise.
//!
//! *In*: linear light per pixel. *Out*: [`RgbImage`]. Exposure is metered on the picture itself and bounded, as a camera's gain is: what no
//! lamp lights at night stays dark. *Invariant*: chance comes from seed, step and pixel.

use super::light::{Light, ramp};
use super::noise::{hash, normal, pair, triple, unit};
use super::shade::Radiance;
use crate::types::{Result, RgbImage, num};
use nalgebra::Vector3;
use rayon::prelude::*;

type V3 = Vector3<f32>;

/// Largest gain, which a dark street at night asks for.
const MOST: f32 = 22.0;
/// White point of the tone curve, in exposed light.
const WHITE: f32 = 5.0;
/// How far the camera's white follows the light.
const BALANCE: f32 = 0.75;
/// Entries of the tone table.
const STEPS: usize = 8192;

/// A camera's own part of a picture.
#[derive(Debug, Clone, Copy)]
pub struct Develop {
    /// Deviation of the noise in daylight, levels of 255.
    pub noise: f32,
    /// Chance.
    pub seed: u32,
    /// Counts pictures.
    pub frame: u32,
}

/// Makes a picture.
///
/// # Errors
/// Where the size is not that of the light.
pub fn develop(radiance: &Radiance, width: usize, height: usize, light: &Light, rain: f32, how: &Develop) -> Result<RgbImage> {
    let gain = exposure(radiance, light);
    let balance = balance(light);
    let glare = glare(radiance, width, height, gain);
    let table = tone_table();
    let mut bytes = vec![0_u8; width * height * 3];
    // Gain lifts noise with the light.
    let deviation = how.noise * (1.0 + 0.55 * (gain.max(1.0).log2()));
    let chance = pair(how.seed, how.frame);
    let veil = Streaks::new(light, rain, width, height, chance);
    let (across, down) = (1.0 / width as f32, 1.0 / height as f32);
    bytes.par_chunks_mut(width * 3 * 8).enumerate().for_each(|(band, rows)| {
        for (y, row) in (band * 8..).zip(rows.chunks_mut(width * 3)) {
            let dy = y as f32 * down - 0.5;
            let line = pair(num::u32(y), chance);
            let lights = radiance.get(y * width..(y + 1) * width).unwrap_or_default();
            for (x, (pixel, lit)) in row.chunks_exact_mut(3).zip(lights).enumerate() {
                let dx = x as f32 * across - 0.5;
                let corner = 1.0 - 0.32 * (dx * dx + dy * dy);
                let mut exposed = *lit * gain;
                if glare.width > 0 {
                    exposed += glare.at(x, y);
                }
                if veil.amount > 0.0 {
                    exposed += veil.at(x, y) * gain;
                }
                let exposed = exposed.component_mul(&balance) * corner;
                let bits = pair(num::u32(x), line);
                let (grey, tint) = (normal(bits), normal(bits.wrapping_mul(0x9e37_79b1) ^ bits >> 15));
                let shifts = [grey + 0.5 * tint, grey - 0.25 * tint, grey - 0.45 * tint];
                for ((out, v), shift) in pixel.iter_mut().zip(exposed.iter()).zip(shifts) {
                    *out = num::nearest_level(tone(&table, *v) + shift * deviation);
                }
            }
        }
    });
    RgbImage::new(width, height, bytes)
}

/// Gains that bring the light of the hour most of the way to white, as a camera's white balance does: some of the evening stays.
fn balance(light: &Light) -> V3 {
    let lamps = V3::new(1.0, 0.80, 0.55) * (0.02 * light.lamps);
    let comes = light.ambient + light.sun_colour * light.sun.z.max(0.0) + lamps;
    let mean = 0.2126 * comes.x + 0.7152 * comes.y + 0.0722 * comes.z;
    comes.map(|c| (mean / c.max(1e-6)).powf(BALANCE))
}

/// Gain by the mean of the light's logarithm over a coarse grid, pulled towards what the hour suggests.
fn exposure(radiance: &Radiance, light: &Light) -> f32 {
    let step = (radiance.len() / 4096).max(1);
    let (mut sum, mut count) = (0.0_f32, 0.0_f32);
    for lit in radiance.iter().step_by(step) {
        sum += (0.2126 * lit.x + 0.7152 * lit.y + 0.0722 * lit.z + 2e-4).ln();
        count += 1.0;
    }
    let mean = (sum / count.max(1.0)).exp();
    let dark = 1.0 - ramp(-3.2, -0.6, light.day.max(1e-5).log10());
    let key = 0.30 - 0.22 * dark;
    (key / mean).clamp(0.7, MOST)
}

/// The tone curve with the standard's transfer function, over the square root of exposed light.
fn tone_table() -> Vec<f32> {
    (0..=STEPS)
        .map(|i| {
            let root = i as f32 / STEPS as f32;
            let v = root * root * WHITE;
            let curve = (v * (1.0 + v / (WHITE * WHITE)) / (1.0 + v * 0.82)).min(1.0);
            let coded = if curve <= 0.003_130_8 { 12.92 * curve } else { 1.055 * curve.powf(1.0 / 2.4) - 0.055 };
            coded.min(1.0) * 255.0
        })
        .collect()
}
#[inline]
fn tone(table: &[f32], v: f32) -> f32 {
    // The table is fine enough that its nearest entry is within a tenth of a level.
    let root = (v * (1.0 / WHITE)).clamp(0.0, 1.0).sqrt() * STEPS as f32;
    usize::try_from(num::trunc_i32(root + 0.5)).ok().and_then(|i| table.get(i)).copied().unwrap_or(255.0)
}

/// Light of lamps and of the sun spread by the lens, at a quarter of the resolution.
struct Glare {
    width: usize,
    height: usize,
    light: Vec<V3>,
}

fn glare(radiance: &Radiance, width: usize, height: usize, gain: f32) -> Glare {
    let (w, h) = (width.div_ceil(4), height.div_ceil(4));
    let mut bright = vec![V3::zeros(); w * h];
    let mut any = false;
    for (y, row) in radiance.chunks_exact(width).enumerate() {
        for (x, lit) in row.iter().enumerate() {
            let over = lit * gain;
            if over.max() > 2.2
                && let Some(slot) = bright.get_mut(y / 4 * w + x / 4)
            {
                *slot += over.map(|v| (v - 1.2).clamp(0.0, 10.0)) / 16.0;
                any = true;
            }
        }
    }
    if !any {
        return Glare { width: 0, height: 0, light: Vec::new() };
    }
    let narrow = blurred(&bright, w, h, 1);
    let wide = blurred(&blurred(&narrow, w, h, 3), w, h, 3);
    let light = narrow.iter().zip(&wide).map(|(n, b)| n * 0.28 + b * 0.55).collect();
    Glare { width: w, height: h, light }
}

/// Mean over a square of `2 reach + 1`, rows then columns.
fn blurred(image: &[V3], width: usize, height: usize, reach: usize) -> Vec<V3> {
    let line = |from: &[V3], at: usize, stride: usize, start: usize, count: usize| {
        let (low, high) = (at.saturating_sub(reach), (at + reach + 1).min(count));
        let sum = (low..high).filter_map(|i| from.get(start + i * stride)).fold(V3::zeros(), |s, v| s + v);
        sum / (2 * reach + 1) as f32
    };
    let across: Vec<V3> = (0..width * height).map(|i| line(image, i % width, 1, i / width * width, width)).collect();
    (0..width * height).map(|i| line(&across, i / width, width, i % width, height)).collect()
}

impl Glare {
    #[inline]
    fn at(&self, x: usize, y: usize) -> V3 {
        let (u, v) = ((x as f32 - 1.5).max(0.0) * 0.25, (y as f32 - 1.5).max(0.0) * 0.25);
        let (iu, iv) = (num::floor_i32(u), num::floor_i32(v));
        let (fu, fv) = (u - num::int_f32(iu), v - num::int_f32(iv));
        let get = |x: i32, y: i32| {
            let (x, y) = (usize::try_from(x).unwrap_or(0).min(self.width - 1), usize::try_from(y).unwrap_or(0).min(self.height - 1));
            self.light.get(y * self.width + x).copied().unwrap_or_default()
        };
        let (a, b, c, d) = (get(iu, iv), get(iu + 1, iv), get(iu, iv + 1), get(iu + 1, iv + 1));
        let (low, high) = (a + (b - a) * fu, c + (d - c) * fu);
        low + (high - low) * fv
    }
}

/// Drops that cross the picture while the shutter is open, near ones longer and fewer.
struct Streaks {
    amount: f32,
    colour: V3,
    unit: f32,
    chance: u32,
}

impl Streaks {
    fn new(light: &Light, rain: f32, _width: usize, height: usize, chance: u32) -> Self {
        let colour = light.horizon * 0.22 + V3::repeat(0.001) * light.lamps;
        Self { amount: rain.clamp(0.0, 1.0), colour, unit: height as f32 / 240.0, chance }
    }
    #[inline]
    fn at(&self, x: usize, y: usize) -> V3 {
        let (x, y) = (x as f32, y as f32);
        let mut sum = 0.0;
        for (layer, wide, tall, thick) in [(1_u32, 9.0, 34.0, 0.55), (2, 17.0, 74.0, 0.9)] {
            let (wide, tall) = (wide * self.unit, tall * self.unit);
            let slanted = x + y * 0.07;
            let column = num::floor_i32(slanted / wide);
            let shift = unit(triple(column.cast_unsigned(), layer, self.chance)) * tall;
            let row = num::floor_i32((y + shift) / tall);
            let bits = triple(column.cast_unsigned(), row.cast_unsigned(), self.chance ^ layer);
            if unit(bits) > 0.5 * self.amount + 0.08 {
                continue;
            }
            let middle = (num::int_f32(column) + 0.15 + 0.7 * unit(hash(bits))) * wide;
            let along = (y + shift) / tall - num::int_f32(row);
            let aside = ((slanted - middle) / (thick * self.unit.max(0.8))).abs();
            let fade = (4.0 * along * (1.0 - along)).clamp(0.0, 1.0);
            sum += (1.0 - aside).max(0.0) * fade * (0.4 + 0.6 * unit(hash(bits ^ 77)));
        }
        self.colour * sum
    }
}
