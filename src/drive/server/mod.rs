//! The embedded world behind CARLA's protocol.
//!
//! *In*: what [`Simulator`] asks, on the wire's axes. *Out*: the same. *Invariant*: axes are converted by [`axes`] here and nowhere
//! behind; the world's own ids are the clients' ids, so labels, clouds and snapshots name the same things.

mod autopilot;
mod catalogue;
mod contact;
mod guests;
mod lights;
mod opendrive;
mod orders;
mod setup;
mod sight;
mod site;
mod sky;

pub use opendrive::opendrive;

use crate::carla::server::{Hit, LightNow, LightOrder, Motion, Order, Other, Said, Simulator, Site, Wanted};
use crate::carla::{
    ActorDefinition, ActorDescription, BoundingBox, SensorKind, Transform, Vector3D, VehicleControl, VehiclePhysicsControl,
    WeatherParameters, axes,
};
use crate::types::num;
use crate::world::model::{Instance, Sky, Snapshot};
use crate::world::motion::{EgoDriver, World, WorldConfig};
use crate::world::scene::{Rule, Town, TownSpec, town_names};
use crate::world::sensors::{Geometry, Moment, probe};
use guests::Guest;
use lights::Lamps;
use nalgebra::Vector3;
use sight::Mount;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// How full the towns are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Vehicles that the world drives.
    pub vehicles: usize,
    /// Pedestrians.
    pub pedestrians: usize,
    /// What chance depends on.
    pub seed: u64,
}

/// The world as a simulator.
pub struct Embedded {
    traffic: Traffic,
    loaded: Option<Loaded>,
    sky: Sky,
    mounts: HashMap<u32, Mount>,
    towns: HashMap<String, (Arc<Town>, Arc<Geometry>)>,
}

struct Loaded {
    world: World,
    town: Arc<Town>,
    geometry: Arc<Geometry>,
    guests: BTreeMap<u32, Guest>,
    now: Snapshot,
    places: HashMap<u32, usize>,
    accelerations: HashMap<u32, [f64; 2]>,
    moment: Option<Arc<Moment>>,
    lamps: Lamps,
}

impl Embedded {
    /// With so much traffic; towns are built when they are loaded.
    pub fn new(traffic: Traffic) -> Self {
        Self { traffic, loaded: None, sky: Sky::default(), mounts: HashMap::new(), towns: HashMap::new() }
    }
    fn here(&self) -> Said<&Loaded> {
        self.loaded.as_ref().ok_or_else(|| "no town is loaded".to_owned())
    }
}

impl Loaded {
    fn moment(&mut self) -> Arc<Moment> {
        let fresh = self.moment.take().unwrap_or_else(|| Arc::new(self.geometry.at(&self.now)));
        self.moment = Some(Arc::clone(&fresh));
        fresh
    }
    /// Takes in the world's new state and the guests'.
    fn observe(&mut self, mut now: Snapshot) {
        now.movers.extend(self.own_guests().map(|g| g.instance(now.time)));
        let seconds = now.time - self.now.time;
        if seconds > 1e-6 {
            let before: HashMap<u32, [f64; 3]> = self.now.movers.iter().map(|m| (m.id, m.velocity)).collect();
            let change = |m: &Instance| {
                let [x, y, _] = before.get(&m.id).copied().unwrap_or(m.velocity);
                [(m.velocity[0] - x) / seconds, (m.velocity[1] - y) / seconds]
            };
            self.accelerations = now.movers.iter().map(|m| (m.id, change(m))).collect();
        }
        self.places = now.movers.iter().enumerate().map(|(n, m)| (m.id, n)).collect();
        self.now = now;
        self.moment = None;
    }
    /// Shows guests that came, left or were put elsewhere between steps.
    fn refresh(&mut self) {
        let known: Vec<u32> = self.world.snapshot().movers.iter().map(|m| m.id).collect();
        self.now.movers.retain(|m| known.contains(&m.id));
        let time = self.now.time;
        let shown: Vec<Instance> = self.own_guests().map(|g| g.instance(time)).collect();
        self.now.movers.extend(shown);
        self.places = self.now.movers.iter().enumerate().map(|(n, m)| (m.id, n)).collect();
        self.moment = None;
    }
    /// Guests that the world does not drive.
    fn own_guests(&self) -> impl Iterator<Item = &Guest> {
        self.guests.values().filter(|g| !g.autopilot)
    }
    fn mover(&self, id: u32) -> Option<&Instance> {
        self.places.get(&id).and_then(|n| self.now.movers.get(*n))
    }
    /// The light that holds a vehicle here, and the speed limit, m/s.
    fn rules(&self, place: [f64; 2], heading: f64) -> (Option<usize>, f64) {
        let net = &self.town.network;
        let Some((lane, s, left)) = net.locate(place, Some(heading)) else { return (None, 13.9) };
        let Some(lane) = net.lane(lane).filter(|_| left.abs() < 3.0) else { return (None, 13.9) };
        let light = match lane.rule {
            Rule::Light(light) if lane.junction.is_none() && (-4.0..18.0).contains(&(lane.stop - s)) => Some(light),
            _ => None,
        };
        (light, lane.limit)
    }
}

fn flat(at: &Transform) -> ([f64; 2], f64) {
    let pose = axes::isometry(at);
    let ahead = pose.rotation * Vector3::x();
    ([pose.translation.x, pose.translation.y], ahead.y.atan2(ahead.x))
}

fn box_of(size: [f64; 3]) -> BoundingBox {
    let [l, w, h] = size.map(|v| num::f32(v / 2.0));
    BoundingBox { location: Vector3D::new(0.0, 0.0, h), extent: Vector3D::new(l, w, h), ..BoundingBox::default() }
}

impl Simulator for Embedded {
    fn maps(&self) -> Vec<String> {
        town_names().map(str::to_owned).collect()
    }
    fn bodies(&self) -> Vec<ActorDefinition> {
        catalogue::blueprints()
    }
    fn load(&mut self, map: &str) -> Said<Site> {
        let words = |e: crate::types::Error| e.to_string();
        if !self.towns.contains_key(map) {
            let town = Arc::new(Town::new(&TownSpec::named(map).map_err(words)?).map_err(words)?);
            let geometry = Arc::new(Geometry::new(&town.scene));
            self.towns.insert(map.to_owned(), (town, geometry));
        }
        let (town, geometry) = self.towns.get(map).cloned().ok_or("the town was not built")?;
        let config = WorldConfig {
            town: map.to_owned(),
            seed: self.traffic.seed,
            vehicles: self.traffic.vehicles,
            pedestrians: self.traffic.pedestrians,
            ego: EgoDriver::None,
            sky: self.sky,
            ..WorldConfig::default()
        };
        let world = World::within(Arc::clone(&town), &config).map_err(words)?;
        let now = world.snapshot();
        let mut site = site::site(map, &town);
        let first = num::u32(town.scene.statics.len() + 1) + num::u32(self.traffic.vehicles + self.traffic.pedestrians);
        site.first_free = now.movers.iter().map(|m| m.id + 1).chain([first]).max().unwrap_or(first);
        site.residents = now.movers.iter().map(site::resident).collect();
        let lamps = Lamps::new(town.network.lights.len());
        let places = now.movers.iter().enumerate().map(|(n, m)| (m.id, n)).collect();
        let (guests, accelerations) = (BTreeMap::new(), HashMap::new());
        self.loaded = Some(Loaded { world, town, geometry, guests, now, places, accelerations, moment: None, lamps });
        self.mounts.clear();
        Ok(site)
    }
    fn spawn(&mut self, id: u32, what: &ActorDescription, at: &Transform) -> Said<(BoundingBox, u8)> {
        let here = self.loaded.as_mut().ok_or("no town is loaded")?;
        let body = catalogue::body(&here.town.gallery, &what.id).ok_or_else(|| format!("{} has no body here", what.id))?;
        let (place, heading) = flat(at);
        let paint = what.attribute("color").and_then(Guest::paint_of).unwrap_or([60, 70, 120]);
        let tag = catalogue::tag(&body);
        let size = body.size;
        let guest = Guest::new(id, body, paint, place, heading);
        if contact::blocked(here, &guest) {
            return Err("Spawn failed because of collision at spawn position".into());
        }
        here.guests.insert(id, guest);
        here.refresh();
        Ok((box_of(size), tag))
    }
    fn destroy(&mut self, id: u32) {
        self.mounts.remove(&id);
        if let Some(here) = &mut self.loaded {
            if here.guests.remove(&id).is_none_or(|g| g.autopilot) {
                let _there = here.world.destroy(id);
            }
            here.refresh();
        }
    }
    fn mount(&mut self, id: u32, kind: SensorKind, what: &ActorDescription) -> Said<()> {
        self.mounts.insert(id, sight::mount(kind, what)?);
        Ok(())
    }
    fn order(&mut self, id: u32, order: Order) -> Said<()> {
        self.loaded.as_mut().ok_or("no town is loaded")?.order(id, order)
    }
    fn lights(&mut self, order: LightOrder) {
        if let Some(here) = &mut self.loaded {
            here.lamps.told(order, &mut here.world, &here.town);
        }
    }
    fn light_states(&self) -> Vec<LightNow> {
        self.here().map(|h| h.lamps.states(&h.world, &h.town)).unwrap_or_default()
    }
    fn weather(&mut self, weather: &WeatherParameters) {
        self.sky = sky::sky(weather);
        if let Some(here) = &mut self.loaded {
            here.world.set_sky(self.sky);
            here.now.sky = self.sky;
            here.moment = None;
        }
    }
    fn step(&mut self, seconds: f64) -> Vec<Hit> {
        let wet = self.sky.rain;
        let Some(here) = &mut self.loaded else { return Vec::new() };
        here.lamps.pass(seconds, &mut here.world, &here.town);
        let visitors: Vec<_> = here.own_guests().map(|g| (g.id, g.footprint(), g.velocity(), g.walks())).collect();
        here.world.set_visitors(visitors);
        let now = match here.world.step(seconds) {
            Ok(now) => now,
            Err(e) => {
                tracing::warn!("{e}");
                return Vec::new();
            }
        };
        here.guests.values_mut().filter(|g| !g.autopilot).for_each(|g| g.step(wet, seconds));
        let mut hits = contact::resolve(here, &now);
        hits.extend(here.follow());
        here.observe(now);
        hits
    }
    fn motion(&self, id: u32) -> Option<Motion> {
        let here = self.loaded.as_ref()?;
        let m = here.mover(id)?;
        let acceleration = here.accelerations.get(&id).copied().unwrap_or_default();
        let ahead = m.pose.rotation * Vector3::x();
        let place = [m.pose.translation.x, m.pose.translation.y];
        let guest = here.guests.get(&id);
        let (at_light, limit) = if m.body.class == Some("pedestrian") { (None, 0.0) } else { here.rules(place, ahead.y.atan2(ahead.x)) };
        let control = guest.map_or_else(
            || VehicleControl { brake: if m.lights.brake { 0.3 } else { 0.0 }, ..VehicleControl::default() },
            |g| VehicleControl {
                throttle: g.control.throttle,
                steer: g.control.steer,
                brake: g.control.brake,
                hand_brake: g.hand_brake,
                reverse: g.control.reverse,
                manual_gear_shift: false,
                gear: g.gear(),
            },
        );
        Some(Motion {
            transform: axes::to_transform(&m.pose),
            velocity: axes::to_vector(&Vector3::from(m.velocity)),
            angular_velocity: axes::to_axial(&Vector3::new(0.0, 0.0, m.yaw_rate.to_degrees())),
            acceleration: axes::to_vector(&Vector3::new(acceleration[0], acceleration[1], 0.0)),
            control,
            walk: guest.map(|g| g.walk.clone()).unwrap_or_default(),
            speed_limit: num::f32(limit * 3.6),
            at_light,
        })
    }
    fn setup(&self, id: u32) -> Option<VehiclePhysicsControl> {
        self.loaded.as_ref()?.guests.get(&id).filter(|g| g.drives()).map(setup::setup)
    }
    fn sense(&mut self, wanted: &mut [Wanted]) {
        let Some(here) = self.loaded.as_mut().filter(|_| !wanted.is_empty()) else { return };
        let moment = here.moment();
        let mut mounts: HashMap<u32, &mut Mount> = self.mounts.iter_mut().map(|(id, m)| (*id, m)).collect();
        let mut cameras: Vec<(&mut Mount, &mut Wanted)> = Vec::new();
        for w in wanted {
            let Some(mount) = mounts.remove(&w.id) else { continue };
            let done = match mount {
                Mount::Camera { .. } => {
                    cameras.push((mount, w));
                    Ok(())
                }
                Mount::Lidar(beams) => sight::turn(&moment, beams, w),
                Mount::Radar(spec, vertical) => sight::listen(&moment, spec, *vertical, w),
                Mount::Other { .. } => Ok(()),
            };
            if let Err(e) = done {
                tracing::debug!("{e}");
            }
        }
        while let Some((mount, first)) = cameras.pop() {
            let same = |m: &Mount, w: &Wanted| match (m, &*mount) {
                (Mount::Camera { width: a, height: b, fov: c, .. }, Mount::Camera { width, height, fov, .. }) => {
                    (a, b) == (width, height) && (c - fov).abs() < 1e-9 && w.transform == first.transform
                }
                _ => false,
            };
            let (mut group, rest): (Vec<_>, Vec<_>) = cameras.into_iter().partition(|(m, w)| same(m, w));
            cameras = rest;
            group.push((mount, first));
            if let Err(e) = sight::look(&moment, &mut group) {
                tracing::debug!("{e}");
            }
        }
    }
    fn obstacle(&mut self, id: u32, at: &Transform, parent: u32) -> Option<(Other, f32)> {
        let Some(Mount::Other { distance }) = self.mounts.get(&id) else { return None };
        let reach = *distance;
        let here = self.loaded.as_mut()?;
        let moment = here.moment();
        let pose = axes::isometry(at);
        let (metres, what) = probe(&moment, &pose.translation.vector, &(pose.rotation * Vector3::x()), reach, Some(parent))?;
        let other = if here.places.contains_key(&what) { Other::Actor(what) } else { Other::Fixed("static.static", 20) };
        Some((other, num::f32(metres)))
    }
    fn ray(&self, from: &Vector3D, to: &Vector3D) -> Vec<(Vector3D, u8)> {
        let Some(here) = &self.loaded else { return Vec::new() };
        let moment = here.geometry.at(&here.now);
        let (a, b) = (axes::vector(from), axes::vector(to));
        let along = b - a;
        let found = probe(&moment, &a, &along, along.norm(), None);
        let Some((metres, what)) = found else { return Vec::new() };
        let tag = here.mover(what).map_or(if what == 0 { 1 } else { 20 }, |m| catalogue::tag(&m.body));
        vec![(axes::to_vector(&(a + along.normalize() * metres)), tag)]
    }
}
