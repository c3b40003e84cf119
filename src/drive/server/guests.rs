//! Vehicles, walkers and props that clients put into the world: how they move and what they run into.
//!
//! *Units and frames*: the world's (x east, y north, metres, radians, right-handed). *Invariant*: after a step no guest is deeper in
//! a fixed thing than a step's motion; a guest that nobody drives stands.

use crate::carla::WalkerControl;
use crate::types::{Control, num};
use crate::world::model::{Body, Instance, Lights};
use crate::world::motion::physics::{Model, State, drive};
use crate::world::scene::{Footprint, pose};
use nalgebra::Vector3;
use std::sync::Arc;

/// A body that a client owns.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    pub id: u32,
    pub body: Arc<Body>,
    pub paint: [u8; 3],
    pub model: Model,
    pub state: State,
    pub height: f64,
    pub control: Control,
    pub hand_brake: bool,
    pub walk: WalkerControl,
    pub lamps: u32,
    pub physics: bool,
    pub collides: bool,
    /// m/s in its own frame, held.
    pub constant: Option<[f64; 2]>,
    /// N for the next step, in the world.
    pub force: [f64; 2],
    /// Whether the world drives it.
    pub autopilot: bool,
    /// On foot, m/s in the world.
    walking: [f64; 2],
}

/// Something that may be run into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocker {
    pub footprint: Footprint,
    pub velocity: [f64; 2],
    /// Kilogrammes; infinite for what is fixed.
    pub mass: f64,
}

impl Guest {
    pub fn new(id: u32, body: Arc<Body>, paint: [u8; 3], place: [f64; 2], heading: f64) -> Self {
        let model = Model::of(body.class.unwrap_or("car"), body.size[0]);
        let state = State { x: place[0], y: place[1], heading, ..State::default() };
        Self {
            id,
            body,
            paint,
            model,
            state,
            height: 0.0,
            control: Control::default(),
            hand_brake: false,
            walk: WalkerControl::default(),
            lamps: 0,
            physics: true,
            collides: true,
            constant: None,
            force: [0.0; 2],
            autopilot: false,
            walking: [0.0; 2],
        }
    }
    pub fn walks(&self) -> bool {
        self.body.class == Some("pedestrian")
    }
    pub fn drives(&self) -> bool {
        matches!(self.body.class, Some("car" | "truck" | "bus" | "motorcycle" | "bicycle"))
    }
    pub fn footprint(&self) -> Footprint {
        Footprint {
            centre: [self.state.x, self.state.y],
            heading: self.state.heading,
            half: [self.body.size[0] / 2.0, self.body.size[1] / 2.0],
        }
    }
    pub fn velocity(&self) -> [f64; 2] {
        if self.walks() { self.walking } else { self.state.velocity() }
    }
    /// Puts it somewhere, at rest.
    pub fn put(&mut self, place: [f64; 2], heading: f64) {
        let steer = self.state.steer;
        self.state = State { x: place[0], y: place[1], heading, steer, ..State::default() };
        self.walking = [0.0; 2];
    }
    /// Gives it a velocity in the world.
    pub fn push(&mut self, velocity: [f64; 2]) {
        let (sin, cos) = self.state.heading.sin_cos();
        self.state.speed = velocity[0] * cos + velocity[1] * sin;
    }
    /// Moves it on.
    pub fn step(&mut self, wet: f64, seconds: f64) {
        if self.walks() {
            let d = crate::carla::axes::vector(&self.walk.direction);
            let flat = Vector3::new(d.x, d.y, 0.0).try_normalize(1e-6).unwrap_or_default();
            let speed = f64::from(self.walk.speed).clamp(0.0, 12.0);
            let velocity = [flat.x * speed, flat.y * speed];
            self.state.x += velocity[0] * seconds;
            self.state.y += velocity[1] * seconds;
            if speed > 0.05 && flat.norm() > 0.5 {
                self.state.heading = flat.y.atan2(flat.x);
            }
            self.state.speed = speed;
            self.walking = velocity;
        } else if self.drives() && self.physics {
            if let Some([along, left]) = self.constant {
                let (sin, cos) = self.state.heading.sin_cos();
                self.state.x += (cos * along - sin * left) * seconds;
                self.state.y += (sin * along + cos * left) * seconds;
                self.state.speed = along;
            } else {
                let (sin, cos) = self.state.heading.sin_cos();
                self.state.speed += (self.force[0] * cos + self.force[1] * sin) / self.model.mass * seconds;
                let brake = if self.hand_brake { 1.0 } else { self.control.brake };
                drive(&self.model, &mut self.state, Control { brake, ..self.control }, wet, seconds);
            }
            self.force = [0.0; 2];
        }
    }
    /// Pushes it out of what it has run into: the impulse on it, N s.
    pub fn run_into(&mut self, other: &Blocker) -> Option<[f64; 2]> {
        let (depth, out) = self.footprint().overlap(&other.footprint)?;
        let v = self.velocity();
        let closing = -((v[0] - other.velocity[0]) * out[0] + (v[1] - other.velocity[1]) * out[1]);
        let share = if other.mass.is_finite() { other.mass / (self.model.mass + other.mass) } else { 1.0 };
        self.state.x += out[0] * depth * share.max(0.5);
        self.state.y += out[1] * depth * share.max(0.5);
        let change = if closing > 0.0 { closing * share * 1.1 } else { 0.0 };
        if self.drives() {
            self.push([v[0] + out[0] * change, v[1] + out[1] * change]);
            // A glancing blow also turns the wheels' work into scraping.
            self.state.yaw_rate *= 0.5;
        }
        Some([out[0] * change * self.model.mass, out[1] * change * self.model.mass])
    }
    /// What sensors see.
    pub fn instance(&self, time: f64) -> Instance {
        let s = &self.state;
        let v = self.velocity();
        let on = (time * 1.5).fract() < 0.5;
        let bit = |n: u32| self.lamps & (1 << n) != 0;
        let moving = s.speed.abs() > 0.2;
        let attribute = match self.body.class {
            Some("pedestrian") => Some(if moving { "pedestrian.moving" } else { "pedestrian.standing" }),
            Some("bicycle" | "motorcycle") => Some("cycle.with_rider"),
            Some(_) if self.drives() => Some(if moving { "vehicle.moving" } else { "vehicle.stopped" }),
            _ => None,
        };
        Instance {
            id: self.id,
            body: self.body.clone(),
            pose: pose([s.x, s.y], self.height, s.heading),
            velocity: [v[0], v[1], 0.0],
            yaw_rate: s.yaw_rate,
            paint: self.paint,
            lights: Lights {
                head: bit(0) || bit(1) || bit(2),
                brake: bit(3) || self.control.brake > 0.05,
                left: bit(5) && on,
                right: bit(4) && on,
                reverse: bit(6) || self.control.reverse,
            },
            signal: None,
            warmth: if self.drives() || self.walks() { 1.0 } else { 0.0 },
            attribute,
        }
    }
    /// Gear as CARLA shows it.
    pub fn gear(&self) -> i32 {
        if self.control.reverse {
            return -1;
        }
        let gears = [0.3, 5.0, 9.0, 14.0, 20.0];
        i32::try_from(gears.iter().filter(|g| self.state.speed > **g).count()).unwrap_or(0)
    }
    /// The colour of an attribute, `r,g,b`.
    pub fn paint_of(text: &str) -> Option<[u8; 3]> {
        let mut parts = text.split(',').map(|p| p.trim().parse::<f64>().ok().map(|v| num::level(num::f32(v))));
        Some([parts.next()??, parts.next()??, parts.next()??])
    }
}
