//! A world with a rig in it, tick by tick: what a source plays and an export writes.
//!
//! *In*: [`LiveConfig`]: the world, the rig, how many steps a second. *Out*: per tick the readings of the sensors that are due, with the moment they
//! were made at. *Invariant*: tick `k` is at `k / step_hz` seconds; a sensor of rate `r` is due whenever `k r / step_hz` reaches the next whole
//! number, so that readings of equal rates share their instants.

use super::model::{Instance, Snapshot};
use super::motion::{EgoDriver, World, WorldConfig};
use super::scene::{Layer, Raster};
use super::sensors::{EgoMotion, Geometry, Moment, Rig, RigReading, SensorKind, SensorSpec, visibility};
use crate::types::{BevMap, Box3, Error, Payload, Result, SensorTime, num};
use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use std::sync::Arc;

/// Seconds of the future that the expert's way points cover, and between them.
const FUTURE: [f64; 2] = [3.0, 0.5];

/// What is needed for a world with sensors.
#[derive(Debug, Clone)]
pub struct LiveConfig {
    /// Town, traffic, sky.
    pub world: WorldConfig,
    /// The sensors.
    pub sensors: Vec<SensorSpec>,
    /// Steps a second.
    pub step_hz: f64,
    /// Seconds that pass before the first tick, so that traffic flows.
    pub warm_up_s: f64,
    /// Whether the ego vehicle stays where it is.
    pub parked: bool,
    /// Place of the rig (x, y, z, metres, and heading, degrees) where there is no ego vehicle.
    pub place: [f64; 4],
}

/// A world with a rig.
#[derive(Debug)]
pub struct Live {
    world: World,
    geometry: Arc<Geometry>,
    /// The sensors.
    pub rig: Rig,
    step_hz: f64,
    place: [f64; 4],
    tick: u64,
    motion: Option<EgoMotion>,
}

/// What one tick gave.
#[derive(Debug)]
pub struct Tick {
    /// Its number.
    pub number: u64,
    /// When.
    pub at: SensorTime,
    /// The vehicle that carries the rig.
    pub ego: EgoMotion,
    /// The world.
    pub moment: Moment,
    /// Readings of the sensors that are due, in the order of the rig.
    pub readings: Vec<RigReading>,
}

/// A box of the truth with what sensors make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The box, vehicle frame.
    pub box3: Box3,
    /// nuScenes attribute, where it has one.
    pub attribute: Option<&'static str>,
    /// Share of it that the place of the rig sees past other things, 0..=1.
    pub visibility: f32,
    /// Points of the LiDAR on it.
    pub lidar_points: usize,
}

impl Live {
    /// Builds the world and makes it ready.
    ///
    /// # Errors
    /// Where the configuration makes no world or no rig, or a sensor is faster than the steps.
    pub fn new(config: &LiveConfig) -> Result<Self> {
        if !(config.step_hz.is_finite() && (0.1..=1000.0).contains(&config.step_hz)) {
            return Err(Error::mismatch("0.1 to 1000 steps a second", config.step_hz.to_string(), "step_hz"));
        }
        if !(config.warm_up_s.is_finite() && (0.0..=600.0).contains(&config.warm_up_s)) {
            return Err(Error::mismatch("0 to 600 seconds", config.warm_up_s.to_string(), "warm_up_s"));
        }
        let rig = Rig::new(&config.sensors, config.world.seed)?;
        for sensor in &rig.sensors {
            if sensor.spec.rate_hz.unwrap_or(10.0) > config.step_hz + 1e-9 {
                let wanted = format!("a rate of at most step_hz = {}", config.step_hz);
                return Err(Error::mismatch(wanted, format!("{:?}", sensor.spec.rate_hz), format!("sensor `{}`", sensor.spec.name)));
            }
            if config.world.ego == EgoDriver::None && sensor.spec.kind.is_truth() {
                let place = format!("sensor `{}`", sensor.spec.name);
                return Err(Error::mismatch("an ego vehicle, whose truth it tells", "ego = \"none\"", place));
            }
        }
        let mut world = World::new(&config.world)?;
        let geometry = Arc::new(Geometry::new(world.scene()));
        let mut warm = config.warm_up_s;
        while warm > 1e-9 {
            world.step(warm.min(0.05))?;
            warm -= 0.05;
        }
        if let (true, Some(id)) = (config.parked, world.ego()) {
            world.control(id, crate::types::Control { brake: 1.0, ..crate::types::Control::default() })?;
        }
        Ok(Self { world, geometry, rig, step_hz: config.step_hz, place: config.place, tick: 0, motion: None })
    }
    /// The world, to look at.
    pub const fn world(&self) -> &World {
        &self.world
    }
    /// Number of the tick that comes next.
    pub const fn next_tick(&self) -> u64 {
        self.tick
    }
    /// Lets ticks pass without reading any sensor.
    ///
    /// # Errors
    /// Where the world cannot be moved on.
    pub fn pass(&mut self, ticks: u64) -> Result<()> {
        for _ in 0..ticks {
            if self.tick > 0 {
                self.world.step(1.0 / self.step_hz)?;
            }
            self.tick += 1;
            self.motion = None;
        }
        Ok(())
    }
    /// Numbers of the sensors that are due at a tick.
    fn due(&self, tick: u64) -> Vec<usize> {
        let count = |rate: f64, tick: f64| (tick * rate / self.step_hz + 1e-9).floor();
        let is_due = |rate: f64| tick == 0 || count(rate, tick as f64) > count(rate, tick as f64 - 1.0);
        (0..).zip(&self.rig.sensors).filter(|(_, s)| is_due(s.spec.rate_hz.unwrap_or(10.0))).map(|(i, _)| i).collect()
    }
    /// Moves the world on to the next tick and reads what is due.
    ///
    /// # Errors
    /// Where a sensor cannot be read.
    pub fn advance(&mut self) -> Result<Tick> {
        let number = self.tick;
        let snapshot = if number == 0 { self.world.snapshot() } else { self.world.step(1.0 / self.step_hz)? };
        self.tick += 1;
        let moment = self.geometry.at(&snapshot);
        let ego = self.motion_of(&snapshot);
        self.motion = Some(ego);
        let at = SensorTime::from_seconds(number as f64 / self.step_hz).unwrap_or_default();
        let (truth, measured): (Vec<usize>, Vec<usize>) =
            self.due(number).into_iter().partition(|i| self.rig.sensors.get(*i).is_some_and(|s| s.spec.kind.is_truth()));
        let frame = num::low_u32(number);
        let mut readings = self.rig.read(&moment, &ego, &measured, frame)?;
        for sensor in truth {
            if let Some(payload) = self.truth(sensor)? {
                readings.push(RigReading { sensor, payload, hits: None });
            }
        }
        readings.sort_by_key(|r| r.sensor);
        Ok(Tick { number, at, ego, moment, readings })
    }
    fn motion_of(&self, snapshot: &Snapshot) -> EgoMotion {
        let ego = snapshot.ego.and_then(|id| snapshot.movers.iter().find(|m| m.id == id));
        let Some(Instance { pose, velocity, yaw_rate, .. }) = ego else {
            let [x, y, z, heading] = self.place;
            let turn = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), heading.to_radians());
            let pose = Isometry3::from_parts(Translation3::new(x, y, z), turn);
            return EgoMotion { pose, velocity: [0.0; 3], acceleration: [0.0; 3], yaw_rate: 0.0 };
        };
        let before = self.motion.map_or(*velocity, |m| m.velocity);
        let acceleration = (Vector3::from(*velocity) - Vector3::from(before)) * self.step_hz;
        EgoMotion { pose: *pose, velocity: *velocity, acceleration: acceleration.into(), yaw_rate: *yaw_rate }
    }
    fn truth(&self, sensor: usize) -> Result<Option<Payload>> {
        let (Some(mounted), Some(id)) = (self.rig.sensors.get(sensor), self.world.ego()) else { return Ok(None) };
        let range = mounted.spec.range();
        Ok(Some(match mounted.spec.kind {
            SensorKind::Boxes => Payload::Boxes(Arc::new(self.world.boxes(id, range)?.into_iter().map(|b| b.box3).collect())),
            SensorKind::Map => Payload::Map(Arc::new(self.map(id, range)?)),
            SensorKind::Route => Payload::Trajectory(Arc::new(self.world.route_ahead(id, range)?)),
            SensorKind::Future => Payload::Trajectory(Arc::new(self.world.expert_future(id, FUTURE[0], FUTURE[1])?)),
            SensorKind::Control => Payload::Control(self.world.expert_control(id)?),
            _ => return Ok(None),
        }))
    }
    fn map(&self, id: u32, side: f64) -> Result<BevMap> {
        const CELL: f64 = 0.5;
        let cells = num::cell(side / CELL, 1 << 12).unwrap_or(1).max(1);
        let raster = Raster { origin: [-side / 2.0, -side / 2.0], cell: CELL, nx: cells, ny: cells };
        self.world.map_around(id, &Layer::ALL, &raster)
    }
    /// The truth of a tick's boxes within so many metres: visibility from `height` metres above the vehicle's origin, and the points that a
    /// LiDAR of this tick has on each.
    ///
    /// # Errors
    /// Where there is no ego vehicle.
    pub fn labels(&self, tick: &Tick, within: f64, height: f64) -> Result<Vec<Label>> {
        let Some(id) = self.world.ego() else { return Ok(Vec::new()) };
        let eye = tick.ego.pose * nalgebra::Point3::new(0.0, 0.0, height);
        let sweeps: Vec<_> = tick.readings.iter().filter_map(|r| r.hits.as_ref()).collect();
        let boxes = self.world.boxes(id, within)?;
        Ok(boxes
            .into_iter()
            .map(|b| Label {
                visibility: visibility(&tick.moment, &eye.coords, b.id, Some(id)),
                lidar_points: sweeps.iter().map(|s| s.instances.iter().filter(|i| **i == b.id).count()).sum(),
                attribute: b.attribute,
                box3: b.box3,
            })
            .collect())
    }
}
