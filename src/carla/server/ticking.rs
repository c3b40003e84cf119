//! One step of an episode, and what its listeners are sent of it.
//!
//! *Invariant*: everything sent about a step carries the same frame and time; nothing is sensed that nobody listens to.

use super::super::axes;
use super::super::pack::{Bytes, Wire};
use super::super::sensor::{Collision, Obstacle, SensorKind, pack_into};
use super::super::snapshot::{ActorState, LightInfo, Own, Snapshot, VehicleState};
use super::super::stream::Header;
use super::super::structs::{Actor, ActorDescription, LightColour, Transform, Vector3D};
use super::episode::{Entry, Episode, Role, SNAPSHOTS};
use super::hub::{opened, sealed};
use super::reckon;
use super::simulator::{Hit, LightNow, Other, Simulator, Wanted};
use crate::types::num;

impl<S: Simulator> Episode<S> {
    /// Moves the world on, and tells everybody who listens.
    pub fn tick(&mut self, seconds: f64) -> u64 {
        let hits = self.sim.step(seconds);
        self.frame += 1;
        self.time += seconds;
        self.send_snapshot(seconds);
        self.send_hits(&hits);
        self.send_readings(seconds);
        self.frame
    }
    fn header(&self, kind: SensorKind, at: Transform) -> Option<Header> {
        Some(Header { kind: kind.number(self.version)?, frame: self.frame, time: self.time, transform: at })
    }
    fn send_snapshot(&mut self, seconds: f64) {
        let Some(header) = self.header(SensorKind::Snapshot, Transform::default()) else { return };
        let lights = self.sim.light_states();
        let snapshot = Snapshot {
            header,
            episode: self.id,
            platform: self.started.elapsed().as_secs_f64(),
            delta: num::f32(seconds),
            origin: [0; 3],
            flags: u32::from(std::mem::take(&mut self.map_changed)),
            actors: self.actors.values().map(|e| self.state(e, &lights)).collect(),
        };
        if self.hub.wanted(SNAPSHOTS) {
            let mut message = opened();
            message.extend(snapshot.write());
            self.hub.publish(SNAPSHOTS, sealed(message));
        }
    }
    fn state(&self, entry: &Entry, lights: &[LightNow]) -> ActorState {
        let motion = self.motion(entry.actor.id);
        let own = match &entry.role {
            Role::Vehicle { .. } => {
                let (light, light_id) = match motion.at_light {
                    Some(n) => (lights.get(n).map_or_else(Default::default, |l| l.colour), self.light_ids.get(n).copied()),
                    None => (LightColour::Green, None),
                };
                Own::vehicle(&VehicleState {
                    control: motion.control.clone(),
                    speed_limit: motion.speed_limit,
                    light,
                    light_id,
                    failure: 0,
                })
            }
            Role::Walker => Own::walker(&motion.walk),
            Role::Light(number) => {
                let now = lights.get(*number).copied().unwrap_or_default();
                let [green, yellow, red] = now.times;
                let site = self.site.lights.get(*number);
                Own::light(&LightInfo {
                    sign: site.map_or_else(String::new, |l| l.sign.clone()),
                    times: [green, yellow, red, now.elapsed],
                    pole: 0,
                    frozen: now.frozen,
                    colour: now.colour,
                })
            }
            Role::Sign(name) => Own::sign(name),
            _ => Own::default(),
        };
        // Sensors move with their carrier, but a snapshot gives velocities to bodies only.
        let still = matches!(entry.role, Role::Sensor(_) | Role::Spectator);
        let or_none = |v: Vector3D| if still { Vector3D::default() } else { v };
        ActorState {
            id: entry.actor.id,
            activity: 1,
            transform: motion.transform,
            velocity: or_none(motion.velocity),
            angular_velocity: or_none(motion.angular_velocity),
            acceleration: or_none(motion.acceleration),
            own,
        }
    }
    /// The other side of a contact as clients are told of it.
    fn told(&self, other: &Other) -> Option<Actor> {
        match other {
            Other::Actor(id) => self.actors.get(id).map(|e| e.actor.clone()),
            Other::Fixed(name, tag) => {
                let description = ActorDescription { uid: 0, id: (*name).to_owned(), attributes: Vec::new() };
                Some(Actor { description, semantic_tags: Bytes(vec![*tag]), ..Actor::default() })
            }
        }
    }
    fn listening(&self, kind: SensorKind) -> Vec<(u32, u32, u32)> {
        let one = |e: &Entry| match &e.role {
            Role::Sensor(m) if m.kind == kind && self.hub.wanted(m.stream) => Some((e.actor.id, m.stream, e.actor.parent)),
            _ => None,
        };
        self.actors.values().filter_map(one).collect()
    }
    fn send_packed<T: Wire>(&self, id: u32, stream: u32, kind: SensorKind, value: &T) {
        let Some(header) = self.header(kind, self.pose(id)) else { return };
        let mut message = opened();
        header.write(&mut message);
        pack_into(value, self.version, &mut message);
        self.hub.publish(stream, sealed(message));
    }
    /// Collisions, at most one a sensor and step.
    fn send_hits(&self, hits: &[Hit]) {
        for (id, stream, parent) in self.listening(SensorKind::Collision) {
            let mine = hits.iter().find(|h| h.actor == parent);
            // Told from the other side, the impulse points the other way.
            let turned = || {
                let theirs = hits.iter().find(|h| h.other == Other::Actor(parent))?;
                let impulse = axes::to_vector(&-axes::vector(&theirs.impulse));
                Some(Hit { actor: parent, other: Other::Actor(theirs.actor), impulse })
            };
            let Some(hit) = mine.cloned().or_else(turned) else { continue };
            let (Some(actor), Some(other)) = (self.actors.get(&parent), self.told(&hit.other)) else { continue };
            let event = Collision { actor: actor.actor.clone(), other, normal_impulse: hit.impulse };
            self.send_packed(id, stream, SensorKind::Collision, &event);
        }
    }
    fn send_readings(&mut self, seconds: f64) {
        let mut wanted = Vec::new();
        let (now, half) = (self.time, seconds / 2.0);
        let mut due = Vec::new();
        for entry in self.actors.values_mut() {
            let Role::Sensor(m) = &mut entry.role else { continue };
            if m.kind == SensorKind::Collision || !m.kind.streams() || now + half < m.due {
                continue;
            }
            // On the beat of its period, not of when it happened to be sent.
            m.due = if m.period > 0.0 { (m.due + m.period).max(now + half) } else { now };
            due.push((entry.actor.id, entry.actor.parent, m.kind, m.stream, m.period.max(seconds)));
        }
        for (id, parent, kind, stream, delta) in due {
            if !self.hub.wanted(stream) {
                continue;
            }
            let motion = self.motion(id);
            match kind {
                SensorKind::Imu => {
                    let what = self.actors.get(&id).map(|e| e.actor.description.clone()).unwrap_or_default();
                    let reading = reckon::imu(&what, &motion, &motion.transform, f64::from(self.gravity), self.frame);
                    self.send_packed(id, stream, kind, &reading);
                }
                SensorKind::Gnss => {
                    let what = self.actors.get(&id).map(|e| e.actor.description.clone()).unwrap_or_default();
                    let reading = reckon::gnss(&what, &motion.transform, self.site.origin, self.frame);
                    self.send_packed(id, stream, kind, &reading);
                }
                SensorKind::Obstacle => {
                    let seen = self.sim.obstacle(id, &motion.transform, parent);
                    let told = seen.and_then(|(other, distance)| Some((self.told(&other)?, distance)));
                    if let (Some((other, distance)), Some(e)) = (told, self.actors.get(&parent)) {
                        let event = Obstacle { actor: e.actor.clone(), other, distance };
                        self.send_packed(id, stream, kind, &event);
                    }
                }
                _ if kind.camera() && self.settings.no_rendering_mode => {}
                _ => {
                    let Some(header) = self.header(kind, motion.transform.clone()) else { continue };
                    let mut message = opened();
                    header.write(&mut message);
                    let reading =
                        Wanted { id, kind, transform: motion.transform, velocity: motion.velocity, parent, delta, message, ready: false };
                    wanted.push((stream, reading));
                }
            }
        }
        let (streams, mut wanted): (Vec<u32>, Vec<Wanted>) = wanted.into_iter().unzip();
        self.sim.sense(&mut wanted);
        for (stream, reading) in streams.into_iter().zip(wanted).filter(|(_, w)| w.ready) {
            self.hub.publish(stream, sealed(reading.message));
        }
    }
}
