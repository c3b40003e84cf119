//! PairingNet in the pipeline: torn fragments, one after the other, to the pairs that fit.
//!
//! *In*: fragments. *Out*: `Outcome::Matches` and the best pair put together as `Outcome::Fused`. *Invariant*: searched first (one vector for each
//! piece), matched second (only the likeliest neighbours); without a weight file the parameters are random by the seed, and
//! [`StageInfo::weights`] says so. The same pieces in the same order give the same pairs.

use super::fragment_pairs::{Limits, Table};
use super::weights;
use crate::heads::fragments::{Compare, Describer, Rules};
use crate::nets::pairingnet::PairingNet;
use crate::nets::{self, DeviceChoice};
use crate::runtime::{Cx, Outlet, Stage, StageInfo, WeightsInfo};
use crate::types::{OutcomeKind, Packet, Result, SensorId};
use serde::{Deserialize, Serialize};

/// Whose pieces, which network, how far is searched.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairingnetConfig {
    /// The sensor that brings the pieces.
    #[serde(default = "fragments")]
    pub pieces: SensorId,
    /// `tiny` for live use, `base` for weights trained with the published code.
    #[serde(default = "tiny")]
    pub preset: String,
    /// Weight file, or `matching=A.pth,searching=B.pth`; without, random parameters by `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Seed of the random parameters where no file is named, and of the registration.
    #[serde(default = "one")]
    pub seed: u64,
    /// `auto`, `cpu`, `cuda` or `wgpu`.
    #[serde(default)]
    pub device: DeviceChoice,
    /// Likeliest neighbours that a new piece is matched with.
    #[serde(default = "ten")]
    pub candidates: usize,
    /// Pieces kept for comparison; the oldest is forgotten first.
    #[serde(default = "many")]
    pub remember: usize,
    /// Least confidence of a pair that is sent on, 0..=1.
    #[serde(default = "least")]
    pub least_score: f32,
}

pub(super) fn fragments() -> SensorId {
    SensorId::new("fragments")
}
fn tiny() -> String {
    "tiny".to_owned()
}
const fn one() -> u64 {
    1
}
pub(super) const fn ten() -> usize {
    10
}
pub(super) const fn many() -> usize {
    256
}
pub(super) const fn least() -> f32 {
    0.5
}

impl PairingnetConfig {
    /// The stage, its network loaded.
    ///
    /// # Errors
    /// The preset, the device or the weight file is not there or does not fit, or a limit makes no sense.
    pub fn build(self) -> Result<Pairingnet> {
        let limits =
            Limits { remember: self.remember, candidates: self.candidates, least_score: self.least_score }.checked("pairingnet")?;
        let (device, place) = nets::pick(self.device)?;
        let (network, report) = PairingNet::load(&self.preset, weights::origin(self.weights.as_deref(), self.seed), &device)?;
        tracing::info!("pairingnet {}: {} on {place}", self.preset, report.origin);
        let mut rules = Rules::default();
        rules.search.seed = self.seed;
        let compare = Compare::Network(Box::new(Describer::new(network, device)));
        Ok(Pairingnet { weights: weights::info(&report), table: Table::new(compare, limits, rules), sensor: self.pieces })
    }
}

/// See [`PairingnetConfig`].
#[derive(Debug)]
pub struct Pairingnet {
    weights: WeightsInfo,
    table: Table,
    sensor: SensorId,
}

impl Stage for Pairingnet {
    fn info(&self) -> StageInfo {
        let outcomes = vec![(OutcomeKind::Matches, None), (OutcomeKind::Fused, None)];
        StageInfo { requires: vec![self.sensor], outcomes, weights: Some(self.weights.clone()) }
    }

    fn process(&mut self, packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        self.table.process(self.sensor, packet, out)
    }
}
