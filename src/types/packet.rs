//! What travels on an edge: a bundle, the results so far, and a head that only ever grows.

use super::{Bundle, HostTime, Outcome, SensorId, SensorTime};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// One frame that a result rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who measured.
    pub sensor: SensorId,
    /// Which of its frames.
    pub seq: u64,
    /// When it was true.
    pub captured: SensorTime,
    /// When it reached this program.
    pub arrived: HostTime,
}

/// Time that one stage spent on this packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageTime {
    /// The stage's name in the pipeline.
    pub stage: Arc<str>,
    /// Nanoseconds from entering its queue to leaving it.
    pub waited: u64,
    /// Nanoseconds of work.
    pub worked: u64,
    /// Digest of the weights it used, where it has any.
    pub weights: Option<Arc<str>>,
}

/// Where a packet comes from: which frames, how far apart, which stages and weights, how long in each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Lineage {
    /// The frames.
    pub origins: Arc<Vec<Origin>>,
    /// The stages passed, in order.
    pub stages: Vec<StageTime>,
}

impl Lineage {
    /// Time since the oldest frame reached the program.
    pub fn age(&self, now: HostTime) -> Duration {
        self.origins.iter().map(|o| now.since(o.arrived)).max().unwrap_or_default()
    }
    /// Largest distance in time between two frames.
    pub fn spread(&self) -> Duration {
        let times = || self.origins.iter().map(|o| o.captured);
        times().max().zip(times().min()).map(|(a, b)| a.since(b)).unwrap_or_default()
    }
}

/// What is known of a packet without opening it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// Counts the bundles from 0.
    pub seq: u64,
    /// The bundle's instant.
    pub at: SensorTime,
    /// Where it comes from.
    pub lineage: Lineage,
}

/// What travels on an edge. Cloning copies a few dozen bytes and shares the rest.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Known without opening.
    pub head: Head,
    /// The frames; a stage that changes one makes its own bundle (`Arc::make_mut`, payloads stay shared).
    pub bundle: Arc<Bundle>,
    /// Results so far, each with the name of the stage that gave it.
    pub outcomes: Vec<(Arc<str>, Outcome)>,
}
