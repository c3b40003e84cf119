//! One moving vehicle: its body, how it moves, who drives it, what it intends.
//!
//! *In / Out*: plain state. *Invariant*: [`Vehicle::footprint`] is where its body is.

use super::events::Watch;
use super::mind::Reason;
use super::physics::{Model, State};
use super::track::Track;
use crate::types::Control;
use crate::world::model::{Body, Instance, Lights};
use crate::world::scene::{Footprint, LaneId, Rng, Turn, pose};
use std::sync::Arc;

/// How somebody drives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Manner {
    /// Share of the speed limit.
    pub(crate) pace: f64,
    /// Seconds behind the one in front.
    pub(crate) headway: f64,
    /// m/s^2.
    pub(crate) acceleration: f64,
    /// Metres to the one in front when standing.
    pub(crate) distance: f64,
}

impl Manner {
    pub(crate) fn by_chance(class: &str, rng: &mut Rng) -> Self {
        let heavy = matches!(class, "truck" | "bus");
        Self {
            pace: if class == "bicycle" { 1.0 } else { rng.range(0.82, 1.04) },
            headway: rng.range(1.1, 1.8),
            acceleration: if heavy { rng.range(0.9, 1.2) } else { rng.range(1.4, 2.2) },
            distance: rng.range(1.8, 2.8),
        }
    }
}

/// Who drives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Driver {
    /// Traffic: follows its lane exactly.
    Traffic,
    /// The expert: pedals and steering along its track.
    Expert,
    /// Somebody outside.
    External,
}

/// A vehicle.
#[derive(Debug, Clone)]
pub(crate) struct Vehicle {
    pub(crate) id: u32,
    pub(crate) body: Arc<Body>,
    pub(crate) paint: [u8; 3],
    pub(crate) model: Model,
    pub(crate) state: State,
    pub(crate) driver: Driver,
    pub(crate) control: Control,
    pub(crate) track: Track,
    pub(crate) manner: Manner,
    /// The connection that it may drive through.
    pub(crate) grant: Option<LaneId>,
    /// Seconds that it has had, or has not had, its grant.
    pub(crate) granted: f64,
    /// Seconds that it has stood.
    pub(crate) waited: f64,
    /// The lane at whose stop sign it has stopped.
    pub(crate) stopped: Option<LaneId>,
    /// Where it will turn.
    pub(crate) blink: Option<Turn>,
    /// Distance along the last lane of its track where it wants to be.
    pub(crate) goal: Option<f64>,
    /// Where it was sent.
    pub(crate) destination: Option<(LaneId, f64)>,
    /// Whether it picks a new destination when it is there.
    pub(crate) cruises: bool,
    /// Seconds that it still stands after a collision.
    pub(crate) shaken: f64,
    /// Seconds since it last changed lanes.
    pub(crate) since_change: f64,
    pub(crate) watch: Watch,
    /// Why it goes no faster.
    pub(crate) reason: Reason,
    pub(crate) rng: Rng,
}

impl Vehicle {
    /// Half of length and width.
    pub(crate) fn half(&self) -> [f64; 2] {
        [self.body.size[0] / 2.0, self.body.size[1] / 2.0]
    }
    /// What it covers of the ground.
    pub(crate) fn footprint(&self) -> Footprint {
        Footprint { centre: [self.state.x, self.state.y], heading: self.state.heading, half: self.half() }
    }
    pub(crate) fn class(&self) -> &'static str {
        self.body.class.unwrap_or("car")
    }
    pub(crate) fn long(&self) -> bool {
        self.body.size[0] > 7.0
    }
    /// What sensors see.
    pub(crate) fn instance(&self, time: f64, dark: bool) -> Instance {
        let s = &self.state;
        let [vx, vy] = s.velocity();
        let on = (time * 1.5 + f64::from(self.id) * 0.37).fract() < 0.5;
        let moving = s.speed.abs() > 0.2;
        let attribute = match self.class() {
            "bicycle" | "motorcycle" => Some("cycle.with_rider"),
            _ if moving => Some("vehicle.moving"),
            _ => Some("vehicle.stopped"),
        };
        Instance {
            id: self.id,
            body: self.body.clone(),
            pose: pose([s.x, s.y], 0.0, s.heading),
            velocity: [vx, vy, 0.0],
            yaw_rate: s.yaw_rate,
            paint: self.paint,
            lights: Lights {
                head: dark,
                brake: s.acceleration < -0.7 || (!moving && s.acceleration <= 0.05),
                left: on && self.blink == Some(Turn::Left),
                right: on && self.blink == Some(Turn::Right),
                reverse: self.control.reverse && self.driver == Driver::External,
            },
            signal: None,
            warmth: 1.0,
            attribute,
        }
    }
}
