//! Who drives: the interface of every driver.
//!
//! *In*: one instant: the ego's state, the way ahead, everybody else, the lights; raw messages of the sensors that the driver asked
//! for. *Out*: a control. *Units and frames*: the world's (x east, y north, metres, radians); controls as CARLA has them.
//! *Invariant*: a driver sees what the protocol brings and nothing else, so it drives a real server too.

use super::way::Dense;
use crate::carla::{LightColour, Transform, VehicleControl, Version};
use crate::types::Result;
use crate::world::scene::Footprint;
use std::collections::HashMap;
use std::sync::Arc;

/// A sensor that a driver wants.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorSpec {
    /// Its name.
    pub name: String,
    /// Blueprint.
    pub blueprint: String,
    /// Attributes that are not the blueprint's own.
    pub attributes: Vec<(String, String)>,
    /// In the vehicle, on the wire's axes.
    pub place: Transform,
}

/// Somebody else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Body {
    /// Its actor.
    pub id: u32,
    /// What it covers of the ground.
    pub footprint: Footprint,
    /// m/s, in the world.
    pub velocity: [f64; 2],
    /// Radians a second.
    pub yaw_rate: f64,
    /// Metres.
    pub height: f64,
    /// Whether it walks.
    pub walker: bool,
}

/// The ego vehicle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ego {
    /// What it covers of the ground.
    pub footprint: Footprint,
    /// Along its heading, m/s.
    pub speed: f64,
    /// Largest angle of its front wheels, radians.
    pub most_steer: f64,
    /// Between its axles, metres.
    pub wheelbase: f64,
    /// m/s.
    pub limit: f64,
    /// The light that the simulator says it stands under.
    pub light: Option<LightColour>,
}

/// One instant; all of it is its own, because a driver may still look at it when the loop has gone on.
#[derive(Debug, Clone)]
pub struct Instant {
    /// Seconds since the route's start.
    pub time: f64,
    /// Step of the simulation.
    pub frame: u64,
    /// Itself.
    pub ego: Ego,
    /// The way.
    pub way: Arc<Dense>,
    /// Index of the nearest point of the way.
    pub at: usize,
    /// Everybody else.
    pub others: Vec<Body>,
    /// Colours of lights by their number in the town, where the town is known.
    pub lights: HashMap<usize, LightColour>,
    /// This step's messages by sensor's name.
    pub sensors: HashMap<String, Vec<u8>>,
    /// How those messages are packed.
    pub version: Version,
}

/// What a driver is told before a route.
#[derive(Debug, Clone)]
pub struct Course {
    /// The way.
    pub way: Arc<Dense>,
    /// Latitude and longitude of the map's origin, degrees.
    pub origin: [f64; 2],
}

/// A driver.
pub trait Driver: Send {
    /// Its name in results.
    fn name(&self) -> &str;
    /// What it wants to see.
    fn sensors(&self) -> Vec<SensorSpec> {
        Vec::new()
    }
    /// Another route begins.
    ///
    /// # Errors
    /// Where it cannot be driven.
    fn begin(&mut self, _course: &Course) -> Result<()> {
        Ok(())
    }
    /// What to do.
    ///
    /// # Errors
    /// Where a sensor's message is not what it should be; the loop brakes then.
    fn step(&mut self, now: &Instant) -> Result<VehicleControl>;
}
