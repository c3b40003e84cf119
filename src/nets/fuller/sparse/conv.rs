//! One sparse convolution with its norm and activation.
//!
//! *In*: features of the input sites, a [`Rule`], for a block's end the features that go around it. *Out*: features of the output sites.
//! *Invariant*: BatchNorm is folded into weights and bias; the output is written once. A tile of output sites is summed in the cache,
//! four sites (two where a register holds 8 numbers) by 32 channels in registers, over weights packed in that order: nothing is gathered
//! into or scattered from memory.

use super::rule::{Rule, Shape, TILE};
use crate::nets::blocks::batch_norm;
use crate::nets::loader::{Init, Loader};
use crate::nets::profile::{Class, operator};
use crate::nets::simd::{self, Kernel, Simd};
use crate::types::num;
use rayon::prelude::*;

const EPSILON: f64 = 1e-3;
/// Sites that share a pass over the weights.
const ROWS: usize = 4;
/// Channels of a strip of weights.
const LANES: usize = 32;

/// See the module.
#[derive(Debug)]
pub struct SparseConv {
    /// `[position][strip][input][32]`, scaled by the norm.
    packed: Vec<f32>,
    /// Per output channel, padded to whole strips.
    bias: Vec<f32>,
    inputs: usize,
    outputs: usize,
    shape: Shape,
}

impl SparseConv {
    /// Reads `CONV.weight`, `[kx, ky, kz, in, out]` (or spconv 2's `[out, kx, ky, kz, in]`), and the norm `NORM`.
    pub fn load(loader: &mut Loader, conv: &str, norm: &str, shape: Shape, [inputs, outputs]: [usize; 2]) -> Self {
        let [kx, ky, kz] = shape.kernel;
        let name = format!("{conv}.weight");
        let volume = shape.volume();
        let init = Init::Normal((2.0 / (volume * inputs) as f64).sqrt());
        let (ours, other) = ([kx, ky, kz, inputs, outputs], [outputs, kx, ky, kz, inputs]);
        let turned = ours != other && loader.shape_of(&name).is_some_and(|s| s == other);
        let mut weight = loader.host(&name, if turned { &other } else { &ours }, init);
        if turned {
            let rows = volume * inputs;
            weight = (0..rows).flat_map(|row| weight.iter().skip(row).step_by(rows).copied().collect::<Vec<f32>>()).collect();
        }
        let (scale, shift) = batch_norm(loader, norm, outputs, EPSILON);
        let read = |t: burn::tensor::Tensor<1>| t.into_data().as_slice::<f32>().map(<[f32]>::to_vec).unwrap_or_default();
        let (scale, mut bias) = (read(scale), read(shift));
        let strips = outputs.div_ceil(LANES);
        bias.resize(strips * LANES, 0.0);
        let mut packed = vec![0.0; volume * strips * inputs * LANES];
        for (position, (packed, weight)) in
            packed.chunks_exact_mut(strips * inputs * LANES).zip(weight.chunks_exact(inputs * outputs)).enumerate()
        {
            debug_assert!(position < volume);
            for (input, row) in weight.chunks_exact(outputs).enumerate() {
                for (strip, (values, scales)) in row.chunks(LANES).zip(scale.chunks(LANES)).enumerate() {
                    let target = packed.iter_mut().skip((strip * inputs + input) * LANES);
                    target.zip(values.iter().zip(scales)).for_each(|(t, (w, s))| *t = w * s);
                }
            }
        }
        Self { packed, bias, inputs, outputs, shape }
    }

    /// Kernel, stride, padding.
    pub const fn shape(&self) -> Shape {
        self.shape
    }
    /// Channels out.
    pub const fn outputs(&self) -> usize {
        self.outputs
    }
    /// Multiply-adds for this many pairs of sites.
    pub const fn cost(&self, pairs: u64) -> u64 {
        pairs * self.inputs as u64 * self.outputs as u64
    }
    /// Weights of a kernel position as `[in][out]`, and the bias: what the plain version multiplies with.
    pub(super) fn unpacked(&self, position: usize) -> Vec<f32> {
        let strips = self.outputs.div_ceil(LANES);
        let size = strips * self.inputs * LANES;
        let packed = self.packed.get(position * size..(position + 1) * size).unwrap_or_default();
        let row = |input: usize| {
            let strips = packed.chunks_exact(self.inputs * LANES).flat_map(move |s| s.iter().skip(input * LANES).take(LANES));
            strips.take(self.outputs).copied()
        };
        (0..self.inputs).flat_map(row).collect()
    }
    /// Bias per output channel.
    pub(super) fn bias(&self) -> Vec<f32> {
        self.bias.iter().take(self.outputs).copied().collect()
    }

    /// max(0, convolution + bias + `around`) at every output site.
    pub fn forward(&self, features: &[f32], rule: &Rule, around: Option<&[f32]>) -> Vec<f32> {
        operator(Class::Sparse, num::count(self.cost(rule.pairs())), || self.sums(features, rule, around))
    }

    fn sums(&self, features: &[f32], rule: &Rule, around: Option<&[f32]>) -> Vec<f32> {
        let mut out = vec![0.0_f32; rule.outputs * self.outputs];
        let strips = self.outputs.div_ceil(LANES);
        let tiles = out.par_chunks_mut(TILE * self.outputs.max(1)).zip(&rule.tiles).enumerate();
        tiles.for_each_init(
            || vec![[0.0_f32; LANES]; TILE * strips],
            |sums, (at, (out, tile))| {
                simd::run(Job { conv: self, features, tile, sums });
                let start = at * TILE * self.outputs;
                let around = around.map(|a| a.get(start..start + out.len()).unwrap_or_default());
                for (row, target) in out.chunks_exact_mut(self.outputs).enumerate() {
                    let strips = sums.iter().skip(row).step_by(TILE).flatten();
                    target.iter_mut().zip(strips).for_each(|(t, s)| *t = *s);
                }
                match around {
                    Some(around) => out.iter_mut().zip(around).for_each(|(t, a)| *t = (*t + a).max(0.0)),
                    None => out.iter_mut().for_each(|t| *t = t.max(0.0)),
                }
            },
        );
        out
    }
}

/// The sums of one tile, `[strip][site][32]`.
struct Job<'a> {
    conv: &'a SparseConv,
    features: &'a [f32],
    tile: &'a super::rule::Tile,
    sums: &'a mut [[f32; LANES]],
}

impl Kernel for Job<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let inputs = self.conv.inputs;
        let bias = self.conv.bias.as_chunks::<LANES>().0;
        for (sums, bias) in self.sums.chunks_exact_mut(TILE).zip(bias) {
            sums.fill(*bias);
        }
        let per_position = bias.len() * inputs * LANES;
        let mut pairs = self.tile.pairs.as_slice();
        for (position, count) in &self.tile.counts {
            let Some((now, rest)) = pairs.split_at_checked(*count) else { return };
            pairs = rest;
            let Some(weights) = self.conv.packed.get(position * per_position..(position + 1) * per_position) else { return };
            for (weights, sums) in weights.chunks_exact(inputs * LANES).zip(self.sums.chunks_exact_mut(TILE)) {
                let weights = weights.as_chunks::<LANES>().0;
                // As many sites at once as leave every sum in a register: 32 channels are two vectors of 16 numbers, or four of 8.
                let sixteen = S::F32_LANES * 2 == LANES;
                let (groups, rest) = if sixteen { now.as_chunks::<ROWS>() } else { (&[] as &[_], now) };
                let (couples, rest) = if S::F32_LANES * 4 == LANES { rest.as_chunks::<2>() } else { (&[] as &[_], rest) };
                for group in groups {
                    four(simd, group, self.features, inputs, weights, sums);
                }
                for couple in couples {
                    two(simd, couple, self.features, inputs, weights, sums);
                }
                for pair in rest {
                    one(simd, *pair, self.features, inputs, weights, sums);
                }
            }
        }
    }
}

/// Features of a pair's input site.
#[inline(always)]
fn row<'f>((_, input): &(u32, u32), features: &'f [f32], inputs: usize) -> &'f [f32] {
    let start = num::usize(*input) * inputs;
    features.get(start..start + inputs).unwrap_or_default()
}

/// Four sites by 32 channels; the sums stay in eight registers while the weights pass by.
#[inline(always)]
fn four<S: Simd>(
    simd: S,
    group: &[(u32, u32); ROWS],
    features: &[f32],
    inputs: usize,
    weights: &[[f32; LANES]],
    sums: &mut [[f32; LANES]],
) {
    let row = |pair| row(pair, features, inputs);
    let zero = simd.splat_f32s(0.0);
    let load = |(out, _): &(u32, u32)| match sums.get(num::usize(*out)).map(|s| S::as_simd_f32s(s).0) {
        Some([a, b]) => [*a, *b],
        _ => [zero, zero],
    };
    let [g0, g1, g2, g3] = group;
    let ([mut a0, mut b0], [mut a1, mut b1], [mut a2, mut b2], [mut a3, mut b3]) = (load(g0), load(g1), load(g2), load(g3));
    let values = row(g0).iter().zip(row(g1)).zip(row(g2).iter().zip(row(g3)));
    for (weight, ((x0, x1), (x2, x3))) in weights.iter().zip(values) {
        let [a, b] = S::as_simd_f32s(weight).0 else { return };
        let (x0, x1, x2, x3) = (simd.splat_f32s(*x0), simd.splat_f32s(*x1), simd.splat_f32s(*x2), simd.splat_f32s(*x3));
        (a0, b0) = (simd.mul_add_f32s(x0, *a, a0), simd.mul_add_f32s(x0, *b, b0));
        (a1, b1) = (simd.mul_add_f32s(x1, *a, a1), simd.mul_add_f32s(x1, *b, b1));
        (a2, b2) = (simd.mul_add_f32s(x2, *a, a2), simd.mul_add_f32s(x2, *b, b2));
        (a3, b3) = (simd.mul_add_f32s(x3, *a, a3), simd.mul_add_f32s(x3, *b, b3));
    }
    for ((out, _), (a, b)) in group.iter().zip([(a0, b0), (a1, b1), (a2, b2), (a3, b3)]) {
        if let Some([x, y]) = sums.get_mut(num::usize(*out)).map(|s| S::as_mut_simd_f32s(s).0) {
            (*x, *y) = (a, b);
        }
    }
}

/// Two sites by 32 channels of four vectors each; the sums stay in eight registers of sixteen.
#[inline(always)]
fn two<S: Simd>(
    simd: S,
    [one, other]: &[(u32, u32); 2],
    features: &[f32],
    inputs: usize,
    weights: &[[f32; LANES]],
    sums: &mut [[f32; LANES]],
) {
    let row = |pair| row(pair, features, inputs);
    let zero = simd.splat_f32s(0.0);
    let load = |(out, _): &(u32, u32)| match sums.get(num::usize(*out)).map(|s| S::as_simd_f32s(s).0) {
        Some([a, b, c, d]) => [*a, *b, *c, *d],
        _ => [zero; 4],
    };
    let ([mut a0, mut b0, mut c0, mut d0], [mut a1, mut b1, mut c1, mut d1]) = (load(one), load(other));
    for (weight, (x0, x1)) in weights.iter().zip(row(one).iter().zip(row(other))) {
        let [a, b, c, d] = S::as_simd_f32s(weight).0 else { return };
        let (x0, x1) = (simd.splat_f32s(*x0), simd.splat_f32s(*x1));
        (a0, a1) = (simd.mul_add_f32s(x0, *a, a0), simd.mul_add_f32s(x1, *a, a1));
        (b0, b1) = (simd.mul_add_f32s(x0, *b, b0), simd.mul_add_f32s(x1, *b, b1));
        (c0, c1) = (simd.mul_add_f32s(x0, *c, c0), simd.mul_add_f32s(x1, *c, c1));
        (d0, d1) = (simd.mul_add_f32s(x0, *d, d0), simd.mul_add_f32s(x1, *d, d1));
    }
    for ((out, _), sum) in [(one, [a0, b0, c0, d0]), (other, [a1, b1, c1, d1])] {
        if let Some(target) = sums.get_mut(num::usize(*out)).map(|s| S::as_mut_simd_f32s(s).0) {
            target.iter_mut().zip(sum).for_each(|(t, s)| *t = s);
        }
    }
}

/// One site by 32 channels.
#[inline(always)]
fn one<S: Simd>(simd: S, pair: (u32, u32), features: &[f32], inputs: usize, weights: &[[f32; LANES]], sums: &mut [[f32; LANES]]) {
    let row = row(&pair, features, inputs);
    let Some(sum) = sums.get_mut(num::usize(pair.0)) else { return };
    if let [x, y] = S::as_mut_simd_f32s(sum).0 {
        let (mut a, mut b) = (*x, *y);
        for (weight, value) in weights.iter().zip(row) {
            if let [p, q] = S::as_simd_f32s(weight).0 {
                let value = simd.splat_f32s(*value);
                (a, b) = (simd.mul_add_f32s(value, *p, a), simd.mul_add_f32s(value, *q, b));
            }
        }
        (*x, *y) = (a, b);
        return;
    }
    if let [w, x, y, z] = S::as_mut_simd_f32s(sum).0 {
        let (mut a, mut b, mut c, mut d) = (*w, *x, *y, *z);
        for (weight, value) in weights.iter().zip(row) {
            if let [p, q, r, s] = S::as_simd_f32s(weight).0 {
                let value = simd.splat_f32s(*value);
                (a, b) = (simd.mul_add_f32s(value, *p, a), simd.mul_add_f32s(value, *q, b));
                (c, d) = (simd.mul_add_f32s(value, *r, c), simd.mul_add_f32s(value, *s, d));
            }
        }
        (*w, *x, *y, *z) = (a, b, c, d);
        return;
    }
    for (weight, value) in weights.iter().zip(row) {
        sum.iter_mut().zip(weight).for_each(|(s, w)| *s += value * w);
    }
}
