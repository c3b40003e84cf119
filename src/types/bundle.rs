//! Frames of several sensors that belong to one instant.

use super::{Frame, HostTime, SensorId, SensorTime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What became of one sensor in one bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// A frame within the window.
    Ok,
    /// No frame within the window before the deadline.
    Missing,
    /// There was one, and it could not be used: the report says why.
    Rejected,
    /// The sensor's stream has ended.
    Ended,
}

/// Frames of one instant, and what is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    /// The reference frame's time, also where that frame was rejected.
    pub at: SensorTime,
    /// Sorted by the order in which the pipeline names its sensors.
    pub frames: Vec<Frame>,
    /// Every sensor of the pipeline and whether it is here.
    pub presence: Vec<(SensorId, Presence)>,
    /// Largest distance of a frame from `at`.
    pub skew: Duration,
}

impl Bundle {
    /// The frame of one sensor.
    pub fn frame(&self, sensor: SensorId) -> Option<&Frame> {
        self.frames.iter().find(|f| f.sensor == sensor)
    }
    /// The same, to replace its payload.
    pub fn frame_mut(&mut self, sensor: SensorId) -> Option<&mut Frame> {
        self.frames.iter_mut().find(|f| f.sensor == sensor)
    }
    /// Sensors that should be here and are not.
    pub fn missing(&self) -> impl Iterator<Item = SensorId> + '_ {
        self.presence.iter().filter(|(_, p)| *p != Presence::Ok).map(|(s, _)| *s)
    }
    /// Arrival of the frame that has waited longest.
    pub fn oldest_arrival(&self) -> Option<HostTime> {
        self.frames.iter().map(|f| f.arrived).min()
    }
}
