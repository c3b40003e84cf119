//! Row of `bench kernels` for LeTFuser: the semantic depth cloud at the published size.

use super::super::Result;
use super::kernels::{Row, in_turn};
use crate::nets::letfuser::trial;
use crate::nets::{DeviceChoice, pick};
use crate::types::Error;

/// Times the depth projection beside tensor operations.
pub(super) fn rows() -> Result<Vec<Row>> {
    let (device, _) = pick(DeviceChoice::Cpu)?;
    let trial = trial(&device);
    let (a, b) = ((trial.ours)()?, (trial.plain)()?);
    let differing = a.iter().zip(&b).filter(|(a, b)| a != b).count();
    if a.len() != b.len() || differing > 0 {
        return Err(Error::mismatch("the same cells from both sides", format!("{differing} that differ"), trial.name));
    }
    let (ours_ms, plain_ms) = in_turn(9, || drop((trial.ours)()), || drop((trial.plain)()));
    let kept = plain_ms.median() >= 5.0 * ours_ms.median();
    let detail = format!("{}; from scores and depths on the device to the one-hot map; every cell equal", trial.name);
    Ok(vec![Row {
        what: "semantic depth cloud",
        bar: "at least 5x",
        kept,
        ours_ms,
        plain_ms: Some(plain_ms),
        plain_is: trial.plain_is,
        detail,
    }])
}
