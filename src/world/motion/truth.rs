//! The truth around a vehicle: boxes with velocity and identity, map layers, the light that counts, what the expert would do.
//!
//! *In / Out*: the world and a vehicle's id; labels in that vehicle's frame (x forward, y left, z up, origin on the ground below its
//! middle). *Invariant*: a label describes the same instant as [`World::snapshot`].

use super::steer;
use super::vehicle::Driver;
use super::world::World;
use crate::types::{BevMap, Box3, Control, Error, FrameId, Pose, Result, Trajectory};
use crate::world::model::{Instance, Signal};
use crate::world::scene::{Layer, Raster, Rule, pose, wrap};

/// A box of the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueBox {
    /// The box, in the frame that was asked for; its track is the instance's id.
    pub box3: Box3,
    /// Id of the instance.
    pub id: u32,
    /// nuScenes attribute.
    pub attribute: Option<&'static str>,
}

/// The light ahead that counts for a vehicle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LightAhead {
    /// Index of the light in the network.
    pub light: usize,
    /// Its colour.
    pub colour: Signal,
    /// Seconds until it changes.
    pub left: f64,
    /// From the front bumper to the stop line, metres.
    pub distance: f64,
}

impl World {
    /// World from vehicle.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn pose(&self, id: u32) -> Result<Pose> {
        let s = self.vehicle(id)?.state;
        Ok(Pose::new(FrameId::world(), FrameId::vehicle(), pose([s.x, s.y], 0.0, s.heading)))
    }
    /// Everything of the ten detection classes within a distance of a vehicle, itself left out, nearest first.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn boxes(&self, id: u32, within: f64) -> Result<Vec<TrueBox>> {
        let s = self.vehicle(id)?.state;
        let vehicles = self.vehicles.iter().filter(|v| v.id != id).map(|v| v.instance(self.time, false));
        let movers = vehicles.chain(self.walkers.iter().filter_map(super::walkers::Walker::instance));
        let near = self.town.obstacles_near([s.x, s.y], within).filter(|o| o.class.is_some());
        let statics = near.filter_map(|o| self.town.scene.statics.get(usize::try_from(o.id).ok()?.checked_sub(1)?)).cloned();
        let mut found: Vec<(f64, TrueBox)> = movers
            .chain(statics)
            .filter_map(|i| {
                let t = i.pose.translation;
                let far = (t.x - s.x).hypot(t.y - s.y);
                Some((far, true_box(&i, [s.x, s.y], s.heading)?)).filter(|(far, _)| *far <= within)
            })
            .collect();
        found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.id.cmp(&b.1.id)));
        Ok(found.into_iter().map(|(_, b)| b).collect())
    }
    /// Map layers around a vehicle.
    ///
    /// # Errors
    /// Where no vehicle has this id, or the raster makes no map.
    pub fn map_around(&self, id: u32, layers: &[Layer], raster: &Raster) -> Result<BevMap> {
        let s = self.vehicle(id)?.state;
        self.town.map.around([s.x, s.y], s.heading, layers, raster)
    }
    /// The light that holds a vehicle on its way, within 80 m.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn light_ahead(&self, id: u32) -> Result<Option<LightAhead>> {
        let v = self.vehicle(id)?;
        let mut lanes = v.track.lanes_ahead(&self.town.network).take_while(|(start, _)| *start < 80.0);
        Ok(lanes.find_map(|(start, lane)| {
            let Rule::Light(light) = lane.rule else { return None };
            let distance = start + lane.stop - v.half()[0];
            let (colour, left) = self.signals.of(light);
            (distance > -1.0).then_some(LightAhead { light, colour, left, distance })
        }))
    }
    /// The control that the expert would give a vehicle now, whoever drives it.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn expert_control(&self, id: u32) -> Result<Control> {
        let mut shadow = self.clone();
        shadow.release(id)?;
        shadow.ways();
        shadow.grants(0.05);
        let v = shadow.vehicle(id)?;
        Ok(steer::control(v, &self.town.network, shadow.wish(v).0))
    }
    /// Where the expert would drive a vehicle in the seconds to come, by driving it there in a copy of the world:
    /// a point each `every` seconds, in the vehicle's frame of now.
    ///
    /// # Errors
    /// Where no vehicle has this id, or the times are not above 0 with at most 30 seconds of future.
    pub fn expert_future(&self, id: u32, seconds: f64, every: f64) -> Result<Trajectory> {
        if !(seconds > 0.0 && seconds <= 30.0 && every >= 0.05 && every <= seconds) {
            return Err(Error::mismatch("up to 30 s in steps of at least 0.05 s", format!("{seconds} s every {every} s"), "future"));
        }
        let now = self.vehicle(id)?.state;
        let mut shadow = self.clone();
        if shadow.vehicle(id)?.driver == Driver::External {
            shadow.release(id)?;
        }
        let mut future = Trajectory::default();
        let mut time = every;
        while time <= seconds + 1e-9 {
            shadow.advance(every)?;
            let s = shadow.vehicle(id)?.state;
            let [x, y] = local([now.x, now.y], now.heading, [s.x, s.y]);
            future.points.push([x, y, 0.0]);
            future.times.push(time);
            time += every;
        }
        Ok(future)
    }
    /// The route ahead of a vehicle, at most so many metres, each metre, in its frame.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn route_ahead(&self, id: u32, metres: f64) -> Result<Trajectory> {
        let s = self.vehicle(id)?.state;
        let points = self.route(id)?.points.into_iter().scan((None::<[f64; 2]>, 0.0), |(last, gone), w| {
            *gone += last.map_or(0.0, |l| (w.point[0] - l[0]).hypot(w.point[1] - l[1]));
            *last = Some(w.point);
            (*gone <= metres).then_some(w.point)
        });
        let points = points.map(|p| local([s.x, s.y], s.heading, p)).map(|[x, y]| [x, y, 0.0]).collect();
        Ok(Trajectory { points, times: Vec::new() })
    }
}

/// A point in a vehicle's frame.
fn local(place: [f64; 2], heading: f64, p: [f64; 2]) -> [f64; 2] {
    let (sin, cos) = heading.sin_cos();
    let (dx, dy) = (p[0] - place[0], p[1] - place[1]);
    [cos * dx + sin * dy, cos * dy - sin * dx]
}

/// An instance as a box in a vehicle's frame; `None` where it is of no detection class.
pub(crate) fn true_box(i: &Instance, place: [f64; 2], heading: f64) -> Option<TrueBox> {
    let t = i.pose.translation;
    let [x, y] = local(place, heading, [t.x, t.y]);
    let [_, _, yaw] = <[f64; 3]>::from(i.pose.rotation.euler_angles());
    let velocity = local([0.0; 2], heading, [i.velocity[0], i.velocity[1]]);
    Some(TrueBox {
        box3: Box3 {
            centre: [x, y, t.z + i.body.size[2] / 2.0],
            size: i.body.size,
            yaw: wrap(yaw - heading),
            velocity: Some(velocity),
            class: i.body.class?.to_owned(),
            score: 1.0,
            track: Some(u64::from(i.id)),
        },
        id: i.id,
        attribute: i.attribute,
    })
}
