//! The embedded world as a source: a town, traffic, a rig of sensors and the truth, with no data and no simulator.
//!
//! *In*: a configuration alone. *Out*: frames of the sensors that it lists, and of the truth kinds among them, tick by tick; in `live` mode the runtime
//! paces them by their stamps, else they come as fast as they can be made. *Invariant*: the same configuration gives the same frames, byte for
//! byte. Sensor frames: cameras as their intrinsics say, LiDAR and radar x forward, y left, z up.

use crate::runtime::{Cx, Reading, SensorInfo, Source};
use crate::types::{Error, Frame, Result};
use crate::world::live::{Live, LiveConfig};
use crate::world::model::Sky;
use crate::world::motion::{EgoDriver, WorldConfig};
use crate::world::sensors::SensorSpec;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// What the ego vehicle does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorldEgo {
    /// The expert drives it.
    #[default]
    Expert,
    /// It stands with its brakes on.
    Parked,
    /// There is none; the rig stands at `place`.
    None,
}

/// Which world, and what looks at it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSourceConfig {
    /// `town-01` (4 junctions) to `town-10` (100).
    #[serde(default = "town")]
    pub town: String,
    /// A town of so many junctions (4 to 100) instead, laid out by `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub junctions: Option<usize>,
    /// What chance depends on: traffic, noise, and the town where `junctions` is given.
    #[serde(default = "one")]
    pub seed: u64,
    /// Moving vehicles besides the ego vehicle.
    #[serde(default = "thirty")]
    pub vehicles: usize,
    /// Pedestrians and cyclists.
    #[serde(default = "twenty")]
    pub pedestrians: usize,
    /// `expert`, `parked` or `none`.
    #[serde(default)]
    pub ego: WorldEgo,
    /// Without an ego vehicle: where the rig stands, x, y, z in metres and heading in degrees from east.
    #[serde(default)]
    pub place: [f64; 4],
    /// Time of day and weather: `hour`, `clouds`, `rain`, `visibility`, `celsius`.
    #[serde(default)]
    pub sky: Sky,
    /// Steps a second; no sensor can be faster.
    #[serde(default = "ten")]
    pub step_hz: f64,
    /// Seconds that pass before the first frame, so that traffic flows.
    #[serde(default = "five")]
    pub warm_up_s: f64,
    /// Seconds after which it ends; without it, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// The sensors: `name`, `kind`, and what the kind knows.
    pub sensors: Vec<SensorSpec>,
}

fn town() -> String {
    "town-03".to_owned()
}
const fn one() -> u64 {
    1
}
const fn thirty() -> usize {
    30
}
const fn twenty() -> usize {
    20
}
const fn ten() -> f64 {
    10.0
}
const fn five() -> f64 {
    5.0
}

/// The world as a source.
#[derive(Debug)]
pub struct WorldSource {
    live: Live,
    /// Threads of its own: in the common pool a stage's few rows would wait until whole pictures of the world are drawn.
    pool: rayon::ThreadPool,
    ends_at: Option<f64>,
    step_hz: f64,
    counts: Vec<u64>,
    ready: VecDeque<Frame>,
}

impl WorldSourceConfig {
    /// The default world with these sensors.
    pub fn new(sensors: Vec<SensorSpec>) -> Self {
        Self {
            town: town(),
            junctions: None,
            seed: one(),
            vehicles: thirty(),
            pedestrians: twenty(),
            ego: WorldEgo::Expert,
            place: [0.0; 4],
            sky: Sky::default(),
            step_hz: ten(),
            warm_up_s: five(),
            seconds: None,
            sensors,
        }
    }
    /// The world behind it.
    pub fn live(&self) -> LiveConfig {
        let ego = match self.ego {
            WorldEgo::Expert | WorldEgo::Parked => EgoDriver::Expert,
            WorldEgo::None => EgoDriver::None,
        };
        let world = WorldConfig {
            town: self.town.clone(),
            junctions: self.junctions,
            seed: self.seed,
            vehicles: self.vehicles,
            pedestrians: self.pedestrians,
            ego,
            sky: self.sky,
        };
        let (sensors, parked) = (self.sensors.clone(), self.ego == WorldEgo::Parked);
        LiveConfig { world, sensors, step_hz: self.step_hz, warm_up_s: self.warm_up_s, parked, place: self.place }
    }
    /// Builds town, traffic and rig.
    ///
    /// # Errors
    /// Where there is no such town, there are no sensors, or a number makes no sense.
    pub fn build(self) -> Result<WorldSource> {
        if self.sensors.is_empty() {
            return Err(Error::mismatch(
                "at least one sensor, such as [[source.NAME.sensors]] name = \"front\", kind = \"rgb\"",
                "none",
                "sensors",
            ));
        }
        if self.seconds.is_some_and(|s| !(s.is_finite() && s > 0.0)) {
            return Err(Error::mismatch("seconds above 0", format!("{:?}", self.seconds), "seconds"));
        }
        let live = Live::new(&self.live())?;
        let counts = vec![0; live.rig.sensors.len()];
        let pool = rayon::ThreadPoolBuilder::new().thread_name(|n| format!("world-{n}")).build();
        let pool = pool.map_err(|e| Error::unavailable("threads for the world", e.to_string()))?;
        Ok(WorldSource { live, pool, ends_at: self.seconds, step_hz: self.step_hz, counts, ready: VecDeque::new() })
    }
}

impl Source for WorldSource {
    fn sensors(&self) -> Vec<SensorInfo> {
        let info =
            |s: &crate::world::sensors::Mounted| SensorInfo { id: s.id, modality: s.modality(), calibration: Arc::clone(&s.calibration) };
        self.live.rig.sensors.iter().map(info).collect()
    }
    fn next(&mut self, _: &Cx) -> Result<Reading> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(Reading::Frame(frame));
            }
            let tick = self.pool.install(|| self.live.advance())?;
            if self.ends_at.is_some_and(|end| tick.number as f64 / self.step_hz >= end - 1e-9) {
                return Ok(Reading::End);
            }
            for reading in tick.readings {
                let (Some(sensor), Some(count)) = (self.live.rig.sensors.get(reading.sensor), self.counts.get_mut(reading.sensor)) else {
                    continue;
                };
                self.ready.push_back(Frame::new(sensor.id, *count, tick.at, Arc::clone(&sensor.calibration), reading.payload));
                *count += 1;
            }
        }
    }
}
