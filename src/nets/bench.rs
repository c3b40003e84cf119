//! What `bench models` times beside whole networks: our kernels against the same thing in plain tensor operations.
//!
//! *In*: a device. *Out*: [`comparisons`], a list to which each network adds its own. *Invariant*: both sides of a [`Comparison`] compute the
//! same numbers from the same inputs; whoever times them checks that first.

use super::{Device, segmif};
use crate::types::Result;
use burn::tensor::TensorData;

/// One side of a comparison.
pub type Side = Box<dyn Fn() -> Result<TensorData>>;

/// Ours against plain tensor operations.
pub struct Comparison {
    /// What is computed, with its sizes.
    pub name: String,
    /// What the plain side does.
    pub plain_is: &'static str,
    /// Our way.
    pub ours: Side,
    /// The plain way.
    pub plain: Side,
    /// Largest difference that counts as the same, relative to the largest value.
    pub tolerance: f32,
}

/// Every comparison of this build.
pub fn comparisons(device: &Device) -> Vec<Comparison> {
    segmif::comparisons(device)
}

/// The largest difference of two results relative to the largest value; infinite where their sizes differ.
pub fn difference(a: &TensorData, b: &TensorData) -> f32 {
    let (a, b) = (a.as_slice::<f32>().unwrap_or_default(), b.as_slice::<f32>().unwrap_or_default());
    if a.len() != b.len() || a.is_empty() {
        return f32::INFINITY;
    }
    let top = b.iter().fold(f32::MIN_POSITIVE, |top, v| top.max(v.abs()));
    let off = |(a, b): (&f32, &f32)| if a.is_finite() && b.is_finite() { (a - b).abs() / top } else { f32::INFINITY };
    a.iter().zip(b).map(off).fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_every_comparison_agree() {
        for c in comparisons(&Device::flex()) {
            let off = difference(&(c.ours)().unwrap(), &(c.plain)().unwrap());
            assert!(off <= c.tolerance, "{}: {off}", c.name);
        }
        assert_eq!(difference(&TensorData::from([1.0_f32]), &TensorData::from([1.0_f32, 2.0])), f32::INFINITY);
        assert_eq!(difference(&TensorData::from([1.0_f32, 3.0]), &TensorData::from([1.0_f32, 4.0])), 0.25);
    }
}
