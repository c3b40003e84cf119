//! Chance and texture without state: integer hashes, and smooth noise on a lattice of them.
//!
//! *In*: lattice coordinates and seeds. *Out*: numbers in 0..1, or of a normal distribution's shape. *Invariant*: a value depends on its
//! arguments alone, so pictures are the same whatever the order or the number of threads that make them.

use crate::types::num;
use std::sync::OnceLock;

/// Well-mixed bits of `x` (a finaliser of two multiplications and three shifts).
#[inline]
pub const fn hash(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    let x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35);
    x ^ (x >> 16)
}
/// Bits of a pair.
#[inline]
pub const fn pair(a: u32, b: u32) -> u32 {
    hash(a.wrapping_mul(0x9e37_79b9) ^ hash(b.wrapping_add(0x7f4a_7c15)))
}
/// Bits of three numbers.
#[inline]
pub const fn triple(a: u32, b: u32, c: u32) -> u32 {
    pair(pair(a, b), c)
}
/// Bits as a fraction in 0..1.
#[inline]
pub fn unit(bits: u32) -> f32 {
    // 24 bits fit a float's fraction exactly.
    num::count_f32(bits >> 8) * (1.0 / 16_777_216.0)
}
/// Bits as a number of mean 0, deviation 1, nearly normal: the sum of four bytes.
#[inline]
pub fn normal(bits: u32) -> f32 {
    let sum: u32 = bits.to_le_bytes().iter().map(|b| u32::from(*b)).sum();
    (num::count_f32(sum) - 510.0) * (1.0 / 147.8)
}
/// A lattice coordinate as bits.
#[inline]
pub const fn bits(i: i32) -> u32 {
    i.cast_unsigned()
}

/// Lattice values a side, and texels of a baked tile a side.
const SIDE: u32 = 256;
const TILE: u32 = 512;
/// Texels of a baked tile per lattice cell of its widest octave.
const FINE: f32 = 8.0;

/// Values looked up in place of being computed: the inner loops of all textures end here.
struct Tables {
    lattice: Box<[f32; 65_536]>,
    /// Two and four octaves, 16 bits.
    baked: [Box<[u16; 262_144]>; 2],
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut lattice = Box::new([0.0; 65_536]);
        (0..).zip(lattice.iter_mut()).for_each(|(i, v)| *v = unit(hash(i)));
        let bake = |octaves: u32| {
            let mut tile = Box::new([0; 262_144]);
            for (i, texel) in (0_u32..).zip(tile.iter_mut()) {
                let (x, y) = (num::count_f32(i % TILE) / FINE, num::count_f32(i / TILE) / FINE);
                let (mut sum, mut weight, mut total) = (0.0, 0.5, 0.0);
                for octave in 0..octaves {
                    let scale = num::count_f32(1 << octave);
                    sum += weight * wrapped(x * scale, y * scale, 64 << octave, octave);
                    total += weight;
                    weight *= 0.5;
                }
                *texel = num::level16(sum / total * 65_535.0);
            }
            tile
        };
        Tables { lattice, baked: [bake(2), bake(4)] }
    })
}

/// Smooth noise that repeats after `period` cells.
fn wrapped(x: f32, y: f32, period: i32, seed: u32) -> f32 {
    let (ix, iy) = (num::floor_i32(x), num::floor_i32(y));
    let (fx, fy) = (x - num::int_f32(ix), y - num::int_f32(iy));
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let at = |i: i32, j: i32| unit(triple(bits(i.rem_euclid(period)), bits(j.rem_euclid(period)), seed));
    let (low, high) = (at(ix, iy) + (at(ix + 1, iy) - at(ix, iy)) * sx, at(ix, iy + 1) + (at(ix + 1, iy + 1) - at(ix, iy + 1)) * sx);
    low + (high - low) * sy
}

/// Smooth noise in 0..1 with features of size one; repeats after 256.
#[inline]
pub fn smooth2(x: f32, y: f32, seed: u32) -> f32 {
    let table = &tables().lattice;
    let shift = seed.wrapping_mul(0x9e37_79b9);
    let (ix, iy) = (num::floor_i32(x), num::floor_i32(y));
    let (fx, fy) = (x - num::int_f32(ix), y - num::int_f32(iy));
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let (x0, y0) = (bits(ix).wrapping_add(shift >> 24), bits(iy).wrapping_add(shift >> 16));
    let (x1, y1) = (x0.wrapping_add(1) % SIDE, y0.wrapping_add(1) % SIDE * SIDE);
    let (x0, y0) = (x0 % SIDE, y0 % SIDE * SIDE);
    let at = |i: u32| table.get(num::usize(i)).copied().unwrap_or(0.0);
    let (a, b, c, d) = (at(y0 + x0), at(y0 + x1), at(y1 + x0), at(y1 + x1));
    let (low, high) = (a + (b - a) * sx, c + (d - c) * sx);
    low + (high - low) * sy
}
/// Noise of two or four scales in 0..1, the widest of size one; each has half the size and half the weight of the one before. Repeats after 64.
#[inline]
pub fn cloudy2(x: f32, y: f32, seed: u32, octaves: u32) -> f32 {
    let [two, four] = &tables().baked;
    let table = if octaves > 2 { four } else { two };
    let shift = seed.wrapping_mul(0x9e37_79b9);
    let (x, y) = (x * FINE, y * FINE);
    let (ix, iy) = (num::floor_i32(x), num::floor_i32(y));
    let (fx, fy) = (x - num::int_f32(ix), y - num::int_f32(iy));
    let (x0, y0) = (bits(ix).wrapping_add(shift >> 23), bits(iy).wrapping_add(shift >> 14));
    let (x1, y1) = (x0.wrapping_add(1) % TILE, y0.wrapping_add(1) % TILE * TILE);
    let (x0, y0) = (x0 % TILE, y0 % TILE * TILE);
    let at = |i: u32| table.get(num::usize(i)).map_or(0.0, |v| f32::from(*v));
    let (a, b, c, d) = (at(y0 + x0), at(y0 + x1), at(y1 + x0), at(y1 + x1));
    let (low, high) = (a + (b - a) * fx, c + (d - c) * fx);
    (low + (high - low) * fy) * (1.0 / 65_535.0)
}
/// Smooth noise in space, by three planes' worth of two dimensions: cheap, and good enough for leaves.
#[inline]
pub fn smooth3(p: [f32; 3], seed: u32) -> f32 {
    let [x, y, z] = p;
    let slab = num::floor_i32(z);
    let f = z - num::int_f32(slab);
    let (low, high) = (smooth2(x, y, hash(seed ^ bits(slab))), smooth2(x, y, hash(seed ^ bits(slab.wrapping_add(1)))));
    low + (high - low) * f * f * (3.0 - 2.0 * f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_the_moments_it_promises() {
        let n = 20_000;
        let values: Vec<f32> = (0..n).map(|i| normal(hash(i))).collect();
        let mean = values.iter().sum::<f32>() / n as f32;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n as f32).sqrt();
        assert!(mean.abs() < 0.02 && (deviation - 1.0).abs() < 0.02, "{mean} {deviation}");
        let smooth: Vec<f32> = (0..n).map(|i| smooth2(i as f32 * 0.37, i as f32 * -0.11, 7)).collect();
        assert!(smooth.iter().all(|v| (0.0..1.0).contains(v)));
        assert!((smooth.iter().sum::<f32>() / n as f32 - 0.5).abs() < 0.02);
    }
}
