//! LeTFuser as a driver of the closed loop: its own sensors' messages in, a control out.
//!
//! *In*: six cameras, IMU and GNSS as its card asks for them, the ego's speed; of the way only far points with commands, as the leaderboard
//! gives them. *Out*: a control. *Invariant*: it is not shown other actors, lights or lanes.

use super::driver::{Course, Driver, Instant, SensorSpec};
use super::pilot::{Mounting, Pilot, Readings, Waypoint};
use super::way::{Dense, Point};
use crate::carla::server::geolocation;
use crate::carla::{GeoLocation, Header, Image, ImuReading, Rotation, Transform, Vector3D, VehicleControl, packed};
use crate::types::{Error, Result, num};

/// See the module.
#[derive(Debug)]
pub struct Letfuser {
    pilot: Pilot,
}

impl Letfuser {
    /// Drives with this network.
    pub const fn new(pilot: Pilot) -> Self {
        Self { pilot }
    }
}

/// The way's sparse plan on the globe.
fn plan(way: &Dense, origin: [f64; 2]) -> Vec<Waypoint> {
    let on_globe = |p: &Point| {
        let [x, y] = p.at.point();
        let place = geolocation(&Vector3D::new(num::f32(x), num::f32(-y), 0.0), origin);
        ([place.latitude, place.longitude], p.command)
    };
    way.sparse().map(on_globe).collect()
}

fn spec(m: &Mounting) -> SensorSpec {
    let text = |v: Option<String>, name: &str| v.map(|v| (name.to_owned(), v));
    let attributes = [
        text(m.width.map(|w| w.to_string()), "image_size_x"),
        text(m.height.map(|h| h.to_string()), "image_size_y"),
        text(m.fov.map(|f| f.to_string()), "fov"),
    ];
    let [x, y, z, pitch, yaw, roll] = [m.x, m.y, m.z, m.pitch, m.yaw, m.roll].map(num::f32);
    SensorSpec {
        name: m.id.clone(),
        blueprint: m.kind.to_owned(),
        attributes: attributes.into_iter().flatten().collect(),
        place: Transform { location: Vector3D::new(x, y, z), rotation: Rotation { pitch, yaw, roll } },
    }
}

impl Driver for Letfuser {
    fn name(&self) -> &str {
        self.pilot.name()
    }
    fn sensors(&self) -> Vec<SensorSpec> {
        self.pilot.sensors().iter().map(spec).collect()
    }
    fn begin(&mut self, course: &Course) -> Result<()> {
        self.pilot.begin(&plan(&course.way, course.origin))
    }
    fn step(&mut self, now: &Instant) -> Result<VehicleControl> {
        let body = |id: &str| {
            let message = now.sensors.get(id).ok_or_else(|| Error::mismatch("its message", "none", format!("sensor `{id}`")))?;
            Header::read(message).map(|(_, body)| body)
        };
        let place: GeoLocation = packed(body("gps")?, now.version)?;
        let imu: ImuReading = packed(body("imu")?, now.version)?;
        let mut seen = Readings {
            place: [place.latitude, place.longitude],
            compass: f64::from(imu.compass),
            speed: now.ego.speed,
            ..Readings::default()
        };
        for id in now.sensors.keys() {
            let Some((is_depth, at)) = Pilot::camera(id) else { continue };
            let side = if is_depth { &mut seen.depth } else { &mut seen.rgb };
            if let Some(slot) = side.get_mut(at) {
                *slot = Some(Image::read(body(id)?)?);
            }
        }
        let control = self.pilot.step(&seen)?.tick.control;
        Ok(VehicleControl { throttle: control.throttle, steer: control.steer, brake: control.brake, ..VehicleControl::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::scene::Station;

    #[test]
    fn a_plan_keeps_turns_and_is_sparse_elsewhere() {
        let point = |n: u32| {
            let x = f64::from(n);
            Point { at: Station { x, ..Station::default() }, s: x, limit: 8.0, command: if (120..130).contains(&n) { 1 } else { 4 } }
        };
        let way = Dense { points: (0..200).map(point).collect(), stops: Vec::new() };
        let plan = plan(&way, [0.0, 0.0]);
        // 0, 50, 100, 120 (left), 130 (follow), 180, 199; a degree is 111319.49 m at the equator.
        let metres: Vec<i64> = plan.iter().map(|(p, _)| num::round_i64(p[1] * 111_319.49)).collect();
        assert_eq!(metres, [0, 50, 100, 120, 130, 180, 199]);
        assert_eq!(plan.iter().map(|(_, c)| *c).collect::<Vec<_>>(), [4, 4, 4, 1, 4, 4, 4]);
    }
}
