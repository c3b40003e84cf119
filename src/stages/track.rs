//! Boxes of another stage (or a sensor's annotations) followed over time.
//!
//! *In*: `Outcome::Boxes3` of the named stage, the vehicle's pose where a sensor gives it. *Out*: `Outcome::Boxes3` with track numbers, filtered
//! positions and velocities. *Invariant*: a bundle without these boxes goes on untouched; without a pose the vehicle counts as
//! standing, so its own motion ends up in the velocities.

use super::pick;
use crate::heads::track::{TrackRule, Tracker};
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{Box3, Error, Outcome, OutcomeKind, Packet, Payload, Result, SensorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Whose boxes, and what counts as the same object.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackConfig {
    /// The stage, or the sensor of annotations, whose boxes are followed; without, the last boxes that any stage before this one gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<String>,
    /// Sensor that gives the vehicle's pose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ego: Option<SensorId>,
    /// Farther from where it was expected, a box is another object; metres.
    #[serde(default = "gate")]
    pub gate: f64,
    /// Seconds without a box until a track ends.
    #[serde(default = "patience")]
    pub patience: f64,
    /// Standard deviation of a box's position, metres.
    #[serde(default = "noise")]
    pub noise: f64,
    /// Standard deviation of an object's acceleration, m/s².
    #[serde(default = "agility")]
    pub agility: f64,
}

fn gate() -> f64 {
    TrackRule::default().gate
}
fn patience() -> f64 {
    TrackRule::default().patience
}
fn noise() -> f64 {
    TrackRule::default().noise
}
fn agility() -> f64 {
    TrackRule::default().agility
}

impl TrackConfig {
    /// The stage.
    ///
    /// # Errors
    /// A number is not above zero.
    pub fn build(self) -> Result<Track> {
        let numbers = [self.gate, self.patience, self.noise, self.agility];
        if numbers.iter().any(|v| !(v.is_finite() && *v > 0.0)) {
            return Err(Error::mismatch("gate, patience, noise and agility above zero", format!("{numbers:?}"), "track"));
        }
        let rule = TrackRule { gate: self.gate, patience: self.patience, noise: self.noise, agility: self.agility };
        Ok(Track { tracker: Tracker::new(rule), config: self })
    }
}

/// See [`TrackConfig`].
#[derive(Debug)]
pub struct Track {
    config: TrackConfig,
    tracker: Tracker,
}

impl Track {
    fn found(&self, packet: &Packet) -> Option<Arc<Vec<Box3>>> {
        let wanted = self.config.boxes.as_deref();
        let annotated = packet.bundle.frames.iter().find(|f| Some(f.sensor.name()) == wanted);
        if let Some(Payload::Boxes(boxes)) = annotated.map(|f| &f.payload) {
            return Some(Arc::clone(boxes));
        }
        packet.outcomes.iter().rev().find_map(|(stage, outcome)| match outcome {
            Outcome::Boxes3(boxes) if wanted.is_none_or(|w| w == stage.as_ref()) => Some(Arc::clone(boxes)),
            _ => None,
        })
    }
}

impl Stage for Track {
    fn info(&self) -> StageInfo {
        StageInfo { requires: Vec::new(), outcomes: vec![(OutcomeKind::Boxes3, None)], weights: None }
    }

    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        if let Some(boxes) = self.found(&packet) {
            let world = match self.config.ego.and_then(|id| packet.bundle.frame(id)).map(|f| (f, &f.payload)) {
                None => nalgebra::Isometry3::identity(),
                Some((_, Payload::Ego(e))) => e.pose.isometry,
                Some((frame, _)) => return Err(pick::wrong_kind(frame, "the vehicle's state")),
            };
            let seconds = packet.head.at.nanos() as f64 * 1e-9;
            let tracked = self.tracker.follow(&boxes, seconds, &world);
            packet.outcomes.push((out.stage(), Outcome::Boxes3(Arc::new(tracked))));
        }
        out.send(packet);
        Ok(())
    }
}
