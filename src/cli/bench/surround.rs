//! Rows of `bench kernels` for the surround view: pooling, voxels, sparse convolution, at the published sizes.

use super::super::Result;
use super::kernels::{Row, in_turn};
use crate::nets::fuller::{Fuller, Trial, synthetic_rig, synthetic_sweep};
use crate::nets::{DeviceChoice, Origin, pick};
use crate::types::Error;

/// Difference of both sides over the largest value that still is the order of sums.
const SAME: f32 = 1e-4;

/// Times the three parts.
pub(super) fn rows() -> Result<Vec<Row>> {
    let (device, _) = pick(DeviceChoice::Cpu)?;
    let (network, _) = Fuller::load("base", &toml::Table::new(), Origin::Seed(1), &device)?;
    let rig = synthetic_rig([256, 704]);
    let (one, nine) = (synthetic_sweep(1), synthetic_sweep(9));
    let pooling = "softmax, outer product, scatter-add of tensor operations; geometry on both sides";
    Ok(vec![
        row("BEV pooling of six 256x704 cameras", "at least 5x", 3, pooling, &network.pooling_trial(&rig)?, |ours, plain| {
            plain >= 5.0 * ours
        })?,
        row("voxelisation of 300,000 points", "at most 60 ms", 9, "an ordered map", &network.voxel_trial(&nine)?, |ours, _| ours <= 60.0)?,
        row(
            "sparse encoder",
            "at most half of gather, matrix product, scatter",
            5,
            "gather, matrix product, scatter-add of tensor operations; the pairs of sites on both sides",
            &network.sparse_trial(&one)?,
            |ours, plain| plain >= 2.0 * ours,
        )?,
    ])
}

fn row(
    what: &'static str,
    bar: &'static str,
    passes: usize,
    plain_is: &'static str,
    trial: &Trial<'_>,
    kept: impl Fn(f64, f64) -> bool,
) -> Result<Row> {
    let (a, b) = ((trial.ours)()?, (trial.plain)()?);
    let most = b.iter().fold(f32::MIN_POSITIVE, |m, v| m.max(v.abs()));
    let off = a.iter().zip(&b).map(|(a, b)| (a - b).abs() / most).fold(if a.len() == b.len() { 0.0 } else { f32::INFINITY }, f32::max);
    if off > SAME {
        return Err(Error::mismatch("the same numbers from both sides", format!("off by {off:e} of the largest"), what));
    }
    let (ours_ms, plain_ms) = in_turn(passes, || drop((trial.ours)()), || drop((trial.plain)()));
    let kept = kept(ours_ms.median(), plain_ms.median());
    let detail = format!("{}; both sides agree to {off:.0e} of the largest value", trial.detail);
    Ok(Row { what, bar, kept, ours_ms, plain_ms: Some(plain_ms), plain_is, detail })
}
