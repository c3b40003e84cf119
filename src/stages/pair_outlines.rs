//! Torn fragments to the pairs that fit, without a network: by the course of their borders and the colours along them.
//!
//! *In*: fragments. *Out*: as [`super::Pairingnet`]. *Invariant*: no weights and no chance but the seed of the registration. Every new piece is compared
//! with every piece that is remembered (there is no vector to search by), or with the latest `candidates` of them.

use super::fragment_pairs::{Compare, Limits, Table};
use super::pairingnet::{fragments, least, many};
use crate::heads::fragments::signature::{signatures, similarity};
use crate::heads::fragments::{Rules, Shape};
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{OutcomeKind, Packet, Result, SensorId};
use ndarray::Array2;
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
        Ok(PairOutlines { table: Table::new(limits.checked("pair_outlines")?, rules), sensor: self.pieces, compare: Signatures })
    }
}

/// See [`PairOutlinesConfig`].
#[derive(Debug)]
pub struct PairOutlines {
    table: Table<Known>,
    sensor: SensorId,
    compare: Signatures,
}

/// A piece's border read forwards and backwards.
#[derive(Debug)]
struct Known {
    source: Vec<f32>,
    target: Vec<f32>,
}

#[derive(Debug, Default)]
struct Signatures;

impl Compare for Signatures {
    type Known = Known;
    fn know(&self, shape: &Shape) -> Result<Known> {
        Ok(Known { source: signatures(shape, false), target: signatures(shape, true) })
    }
    fn likely(&self, _new: &Known, _old: &Known) -> f32 {
        0.0
    }
    fn similarity(&self, new: &Known, old: &Known) -> Result<Array2<f32>> {
        Ok(similarity(&new.source, &old.target))
    }
}

impl Stage for PairOutlines {
    fn info(&self) -> StageInfo {
        let outcomes = vec![(OutcomeKind::Matches, None), (OutcomeKind::Fused, None)];
        StageInfo { requires: vec![self.sensor], outcomes, weights: None }
    }

    fn process(&mut self, packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        self.table.process(&self.compare, self.sensor, packet, out)
    }
}
