//! Torn fragments to the pairs that fit, without a network: by the course of their borders and the colours along them.
//!
//! *In*: fragments. *Out*: as [`super::Pairingnet`]. *Invariant*: no weights and no chance but the seed of the registration. Every new piece is compared
//! with every piece that is remembered (there is no vector to search by), or with the latest `candidates` of them.

use super::fragment_pairs::{Limits, Table};
use super::pairingnet::{fragments, least, many};
use crate::heads::fragments::{Compare, Rules};
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{OutcomeKind, Packet, Result, SensorId};
use serde::{Deserialize, Serialize};

/// Whose pieces, and how far is searched.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairOutlinesConfig {
    /// The sensor that brings the pieces.
    #[serde(default = "fragments")]
    pub pieces: SensorId,
    /// Pieces that a new one is compared with, the latest first.
    #[serde(default = "many")]
    pub candidates: usize,
    /// Pieces kept for comparison; the oldest is forgotten first.
    #[serde(default = "many")]
    pub remember: usize,
    /// Least confidence of a pair that is sent on, 0..=1.
    #[serde(default = "least")]
    pub least_score: f32,
    /// Seed of the registration.
    #[serde(default)]
    pub seed: u64,
}

impl PairOutlinesConfig {
    /// The stage.
    ///
    /// # Errors
    /// A limit makes no sense.
    pub fn build(self) -> Result<PairOutlines> {
        let limits = Limits { remember: self.remember, candidates: self.candidates, least_score: self.least_score };
        let mut rules = Rules::default();
        rules.search.seed = self.seed;
        Ok(PairOutlines { table: Table::new(Compare::Borders, limits.checked("pair_outlines")?, rules), sensor: self.pieces })
    }
}

/// See [`PairOutlinesConfig`].
#[derive(Debug)]
pub struct PairOutlines {
    table: Table,
    sensor: SensorId,
}

impl Stage for PairOutlines {
    fn info(&self) -> StageInfo {
        let outcomes = vec![(OutcomeKind::Matches, None), (OutcomeKind::Fused, None)];
        StageInfo { requires: vec![self.sensor], outcomes, weights: None }
    }

    fn process(&mut self, packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        self.table.process(self.sensor, packet, out)
    }
}
