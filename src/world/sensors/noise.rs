//! Chance and texture without state: integer hashes, and smooth noise on a lattice of them.
//!
//! *In*: lattice coordinates and seeds. *Out*: numbers in 0..1, or of a normal distribution's shape. *Invariant*: a value depends on its
//! arguments alone, so pictures are the same whatever the order or the number of threads that make them.

use crate::types::num;

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

/// Smooth noise in 0..1 with features of size one.
#[inline]
pub fn smooth2(x: f32, y: f32, seed: u32) -> f32 {
    let (ix, iy) = (num::floor_i32(x), num::floor_i32(y));
    let (fx, fy) = (x - num::int_f32(ix), y - num::int_f32(iy));
    let (sx, sy) = (fx * fx * (3.0 - 2.0 * fx), fy * fy * (3.0 - 2.0 * fy));
    let (r0, r1) = (hash(bits(iy).wrapping_mul(0x9e37_79b9) ^ seed), hash(bits(iy.wrapping_add(1)).wrapping_mul(0x9e37_79b9) ^ seed));
    let at = |row: u32, i: i32| unit(hash(row ^ bits(i).wrapping_mul(0x27d4_eb2f)));
    let (a, b, c, d) = (at(r0, ix), at(r0, ix.wrapping_add(1)), at(r1, ix), at(r1, ix.wrapping_add(1)));
    let (low, high) = (a + (b - a) * sx, c + (d - c) * sx);
    low + (high - low) * sy
}
/// Noise of several scales in 0..1: each octave has half the size and half the weight of the one before.
#[inline]
pub fn cloudy2(mut x: f32, mut y: f32, seed: u32, octaves: u32) -> f32 {
    let (mut sum, mut weight, mut total) = (0.0, 0.5, 0.0);
    for octave in 0..octaves {
        sum += weight * smooth2(x, y, seed.wrapping_add(octave));
        total += weight;
        weight *= 0.5;
        // Turned a little, so that the lattices do not line up.
        (x, y) = (1.6 * x + 1.2 * y, 1.6 * y - 1.2 * x);
    }
    sum / total
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
