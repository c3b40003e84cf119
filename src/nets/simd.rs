//! The CPU's vector unit, chosen while the program runs.
//!
//! *In*: a [`Kernel`]. *Out*: what it returns. *Invariant*: a kernel does the same sums in the same order whatever the unit; wide units round
//! once per multiply-add. Kernels write their inner loops with the unit's own vectors where these hold 16 numbers, and as plain loops
//! over arrays elsewhere: a compiler keeps the former in registers, and turns the latter into what the machine has.

use pulp::{Arch, WithSimd};

pub(super) use pulp::Simd;

/// A computation that is compiled for each vector unit.
pub(super) trait Kernel {
    /// What it makes.
    type Output;
    /// The computation; `inline(always)`, and so is what it calls.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

struct Wrap<K>(K);

impl<K: Kernel> WithSimd for Wrap<K> {
    type Output = K::Output;
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> K::Output {
        self.0.run(simd)
    }
}

/// Runs a kernel on the widest unit of this machine.
pub(super) fn run<K: Kernel>(kernel: K) -> K::Output {
    Arch::new().dispatch(Wrap(kernel))
}

struct Lanes;
impl Kernel for Lanes {
    type Output = usize;
    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> usize {
        S::F32_LANES
    }
}

/// The unit that kernels run on here, by how many numbers its vectors hold.
pub fn vector_unit() -> &'static str {
    match run(Lanes) {
        16 => "AVX-512",
        8 => "AVX2",
        4 => "vectors of 4",
        _ => "no vectors",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn the_widest_unit_of_the_machine_is_used() {
        let has = |avx512: bool, avx2: bool| {
            if avx512 {
                16
            } else if avx2 {
                8
            } else {
                1
            }
        };
        let avx512 = std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512dq");
        let avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
        assert!(run(Lanes) >= has(avx512, avx2), "{} numbers a vector", run(Lanes));
    }
}
