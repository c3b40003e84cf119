//! Rows of `bench kernels` for memory: a network that runs for hours must not grow.

use super::super::Result;
use super::super::machine::memory_mib;
use super::kernels::{Row, alone};
use crate::nets::{self, DeviceChoice, Origin, TapChoice, card};
use crate::types::Error;

/// Passes before the first look at the memory, and between it and the last.
const PASSES: [usize; 2] = [10, 30];
/// MiB by which resident memory may differ between the two looks: pages that the allocator keeps or gives back.
const SLACK: f64 = 4.0;

/// One row a network, `tiny` at its live size.
pub(super) fn rows() -> Result<Vec<Row>> {
    let (device, _) = nets::pick(DeviceChoice::Cpu)?;
    let names = [
        ("letfuser", "LeTFuser tiny, memory in steady state"),
        ("fuller", "FULLER tiny, memory in steady state"),
        ("pairingnet", "PairingNet tiny, memory in steady state"),
    ];
    names.into_iter().map(|(name, what)| row(name, what, &device)).collect()
}

fn row(name: &str, what: &'static str, device: &nets::Device) -> Result<Row> {
    let size = card::find(name, "tiny")?.gigamacs.first().map(|(h, w, _)| (*h, *w));
    let (model, _) = nets::build(name, "tiny", Origin::Seed(1), device)?;
    let inputs = size.and_then(|(h, w)| model.example(h, w)).ok_or_else(|| Error::mismatch("a live size on its card", "none", name))?;
    let pass = || nets::forward(&*model, &inputs, &TapChoice::None, device).map(drop);
    for _ in 0..PASSES[0] {
        pass()?;
    }
    let before = memory_mib("VmRSS");
    let ours_ms = alone(PASSES[1], || drop(pass()));
    let growth = memory_mib("VmRSS") - before;
    let detail = format!("resident memory moved by {growth:+.1} MiB over {} passes after {}", PASSES[1], PASSES[0]);
    Ok(Row { what, bar: "flat: at most 4 MiB more", kept: growth <= SLACK, ours_ms, plain_ms: None, plain_is: "", detail })
}
