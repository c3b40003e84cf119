//! The CPU's vector unit: plain loops over arrays of fixed length, compiled once for AVX-512 and once for every machine.
//!
//! *In*: a closure-like [`Kernel`]. *Out*: what it returns. *Invariant*: both versions do the same sums in the same order; the wide one
//! rounds once per multiply-add.

use pulp::{Arch, Simd, WithSimd};

/// A computation that is compiled for each vector unit.
pub(super) trait Kernel {
    /// What it makes.
    type Output;
    /// The computation; `inline(always)`, and so is what it calls. `F` says how to multiply and add.
    fn run<F: Fused>(self) -> Self::Output;
}

/// `a * b + c`.
pub(super) trait Fused: Copy {
    /// Rounded once where the machine can, else twice.
    fn fma(a: f32, b: f32, c: f32) -> f32;
}

#[derive(Clone, Copy)]
struct Once;
#[derive(Clone, Copy)]
struct Twice;

impl Fused for Once {
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }
}
impl Fused for Twice {
    #[inline(always)]
    fn fma(a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

struct Wrap<K>(K);

impl<K: Kernel> WithSimd for Wrap<K> {
    type Output = K::Output;
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> K::Output {
        // Without a vector unit, `mul_add` is a call into the C library.
        if S::IS_SCALAR { self.0.run::<Twice>() } else { self.0.run::<Once>() }
    }
}

/// Runs a kernel on the widest unit of this machine.
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    Arch::new().dispatch(Wrap(kernel))
}
