//! The world's state as the stream of an episode brings it, once a step.
//!
//! *In / Out*: a header, the episode part (36 bytes) and 119 bytes an actor. *Invariant*: a message whose actor part is no
//! multiple of 119 is refused whole, so a later protocol's record is never misread.

use super::layout::{Append, Taker};
use super::physics::{VehicleControl, WalkerControl};
use super::stream::{HEADER, Header};
use super::structs::{LightColour, Transform, Vector3D};
use crate::types::{Error, Result};

/// Bytes of one actor.
const RECORD: usize = 119;
/// Bytes of an actor that depend on what it is.
const OWN: usize = 54;

/// The whole state at one frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Frame and simulation time.
    pub header: Header,
    /// Which episode; changes when a map is loaded.
    pub episode: u64,
    /// The server's own clock, seconds.
    pub platform: f64,
    /// Length of this step, seconds.
    pub delta: f32,
    /// Origin of large maps.
    pub origin: [i32; 3],
    /// 1 the map changed, 2 the street lights changed.
    pub flags: u32,
    /// Every actor.
    pub actors: Vec<ActorState>,
}

/// One actor's state.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ActorState {
    /// Who.
    pub id: u32,
    /// 1 active, 2 dormant, 3 about to go.
    pub activity: u8,
    /// World pose.
    pub transform: Transform,
    /// m/s.
    pub velocity: Vector3D,
    /// Degrees/s.
    pub angular_velocity: Vector3D,
    /// m/s2.
    pub acceleration: Vector3D,
    /// What its kind adds.
    pub own: Own,
}

/// The part of a record that depends on the actor; the record does not say which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own([u8; OWN]);

impl Default for Own {
    fn default() -> Self {
        Self([0; OWN])
    }
}

/// A vehicle's part.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VehicleState {
    /// The control that it follows.
    pub control: VehicleControl,
    /// km/h.
    pub speed_limit: f32,
    /// Colour of the light that it stands under.
    pub light: LightColour,
    /// That light's id, where it stands under one.
    pub light_id: Option<u32>,
    /// 0 none, 1 rollover, 2 engine, 3 puncture.
    pub failure: u8,
}

/// A traffic light's part.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LightInfo {
    /// Name in OpenDRIVE.
    pub sign: String,
    /// Seconds of green, yellow, red, and since the last change.
    pub times: [f32; 4],
    /// Number in its group.
    pub pole: u32,
    /// Whether time stands still.
    pub frozen: bool,
    /// Colour now.
    pub colour: LightColour,
}

impl Own {
    fn of(bytes: &[u8]) -> Self {
        let mut own = [0; OWN];
        own.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(own)
    }
    /// Of a vehicle.
    pub fn vehicle(v: &VehicleState) -> Self {
        let c = &v.control;
        let mut out = Vec::with_capacity(OWN);
        out.floats(&[c.throttle, c.steer, c.brake]);
        out.extend([c.hand_brake, c.reverse, c.manual_gear_shift].map(u8::from));
        out.extend(c.gear.to_le_bytes());
        out.floats(&[v.speed_limit]);
        out.extend([v.light.number(), u8::from(v.light_id.is_some())]);
        out.extend(v.light_id.unwrap_or(0).to_le_bytes());
        out.push(v.failure);
        Self::of(&out)
    }
    /// As a vehicle's.
    ///
    /// # Errors
    /// Never for a whole record.
    pub fn as_vehicle(&self) -> Result<VehicleState> {
        let mut t = Taker::new(&self.0, "vehicle state");
        let control = VehicleControl {
            throttle: t.f32()?,
            steer: t.f32()?,
            brake: t.f32()?,
            hand_brake: t.flag()?,
            reverse: t.flag()?,
            manual_gear_shift: t.flag()?,
            gear: t.i32()?,
        };
        let speed_limit = t.f32()?;
        let light = LightColour::of(t.u8()?);
        let (has, id) = (t.flag()?, t.u32()?);
        Ok(VehicleState { control, speed_limit, light, light_id: has.then_some(id), failure: t.u8()? })
    }
    /// Of a traffic light.
    pub fn light(v: &LightInfo) -> Self {
        let mut out = sign(&v.sign);
        out.floats(&v.times);
        out.extend(v.pole.to_le_bytes());
        out.extend([u8::from(v.frozen), v.colour.number()]);
        Self::of(&out)
    }
    /// As a traffic light's.
    ///
    /// # Errors
    /// Never for a whole record.
    pub fn as_light(&self) -> Result<LightInfo> {
        let mut t = Taker::new(&self.0, "light state");
        let name: [u8; 32] = t.fixed()?;
        let text = name.split(|b| *b == 0).next().unwrap_or_default();
        let sign = String::from_utf8_lossy(text).into_owned();
        let times = [t.f32()?, t.f32()?, t.f32()?, t.f32()?];
        let pole = t.u32()?;
        Ok(LightInfo { sign, times, pole, frozen: t.flag()?, colour: LightColour::of(t.u8()?) })
    }
    /// Of another traffic sign.
    pub fn sign(name: &str) -> Self {
        Self::of(&sign(name))
    }
    /// Of a walker.
    pub fn walker(v: &WalkerControl) -> Self {
        let mut out = Vec::with_capacity(OWN);
        out.vector(&v.direction);
        out.floats(&[v.speed]);
        out.push(u8::from(v.jump));
        Self::of(&out)
    }
    /// As a walker's.
    ///
    /// # Errors
    /// Never for a whole record.
    pub fn as_walker(&self) -> Result<WalkerControl> {
        let mut t = Taker::new(&self.0, "walker state");
        Ok(WalkerControl { direction: t.vector()?, speed: t.f32()?, jump: t.flag()? })
    }
}

/// A name in 32 bytes, cut where it is longer and zero behind.
fn sign(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> = name.bytes().take(31).collect();
    bytes.resize(32, 0);
    bytes
}

impl Snapshot {
    /// The message behind its length prefix.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + 36 + RECORD * self.actors.len());
        self.header.write(&mut out);
        out.extend(self.episode.to_le_bytes());
        out.extend(self.platform.to_le_bytes());
        out.floats(&[self.delta]);
        self.origin.iter().for_each(|v| out.extend(v.to_le_bytes()));
        out.extend(self.flags.to_le_bytes());
        for a in &self.actors {
            out.extend(a.id.to_le_bytes());
            out.push(a.activity);
            out.transform(&a.transform);
            out.vector(&a.velocity);
            out.vector(&a.angular_velocity);
            out.vector(&a.acceleration);
            out.extend(a.own.0);
        }
        out
    }
    /// Reads a message behind its length prefix. The sensor type is not looked at: the stream says what it is.
    ///
    /// # Errors
    /// Where its length is not that of a whole number of records.
    pub fn read(message: &[u8]) -> Result<Self> {
        let (header, body) = Header::read(message)?;
        let mut t = Taker::new(body, "world snapshot");
        let (episode, platform, delta) = (t.u64()?, t.f64()?, t.f32()?);
        let origin = [t.i32()?, t.i32()?, t.i32()?];
        let flags = t.u32()?;
        let records = t.left().chunks_exact(RECORD);
        if !records.remainder().is_empty() {
            let found = format!("{} bytes", t.left().len());
            return Err(Error::mismatch(format!("actor records of {RECORD} bytes"), found, "world snapshot"));
        }
        let actors = records.map(actor).collect::<Result<_>>()?;
        Ok(Self { header, episode, platform, delta, origin, flags, actors })
    }
    /// The actor's state, where it exists.
    pub fn actor(&self, id: u32) -> Option<&ActorState> {
        self.actors.iter().find(|a| a.id == id)
    }
}

fn actor(record: &[u8]) -> Result<ActorState> {
    let mut t = Taker::new(record, "actor record");
    Ok(ActorState {
        id: t.u32()?,
        activity: t.u8()?,
        transform: t.transform()?,
        velocity: t.vector()?,
        angular_velocity: t.vector()?,
        acceleration: t.vector()?,
        own: Own(t.fixed()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kinds_add_goes_round() {
        let control = VehicleControl { throttle: 0.5, steer: -0.25, reverse: true, gear: -1, ..VehicleControl::default() };
        let vehicle = VehicleState { control, speed_limit: 50.0, light: LightColour::Red, light_id: Some(9), failure: 0 };
        assert_eq!(Own::vehicle(&vehicle).as_vehicle().unwrap(), vehicle);
        let light = LightInfo { sign: "tl_1".into(), times: [10.0, 3.0, 10.0, 1.5], pole: 2, frozen: true, colour: LightColour::Green };
        assert_eq!(Own::light(&light).as_light().unwrap(), light);
        let walker = WalkerControl { direction: Vector3D::new(1.0, 0.0, 0.0), speed: 1.4, jump: false };
        assert_eq!(Own::walker(&walker).as_walker().unwrap(), walker);
        let snapshot =
            Snapshot { actors: vec![ActorState { id: 3, own: Own::vehicle(&vehicle), ..ActorState::default() }], ..Snapshot::default() };
        let mut bytes = snapshot.write();
        assert_eq!(Snapshot::read(&bytes).unwrap(), snapshot);
        bytes.push(0);
        assert!(Snapshot::read(&bytes).is_err(), "a record of another length");
    }
}
