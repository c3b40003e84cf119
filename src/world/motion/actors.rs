//! Actors from outside: vehicles and walkers that are put in, moved and taken out while the world runs.
//!
//! *In / Out*: names of models, places and headings in the world frame; ids. *Invariant*: an id is never used twice; what is put in
//! stands in nothing else; a number that is not finite is refused.

use super::physics::{Model, State};
use super::spawn;
use super::traffic::Thing;
use super::vehicle::{Driver, Vehicle};
use super::walkers::Walker;
use super::world::World;
use crate::types::{Error, Result, nearest};
use crate::world::model::Body;
use crate::world::scene::{Footprint, LaneId, P2, Rng, wrap};
use std::sync::Arc;

/// A place where a vehicle can be put.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpawnPoint {
    /// Its lane and the distance along it.
    pub lane: (LaneId, f64),
    /// World position, metres.
    pub place: P2,
    /// Radians.
    pub heading: f64,
}

/// A vehicle that was somebody else's, as it is now.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// The id that it keeps.
    pub id: u32,
    /// Its body.
    pub body: Arc<Body>,
    /// Its colour.
    pub paint: [u8; 3],
    /// What it can do.
    pub model: Model,
    /// Where it is and how it moves.
    pub state: State,
}

/// So far outside a lane's edge (metres), and turned so far from it (radians), a vehicle can still join it.
const JOINS: (f64, f64) = (0.5, 1.0);

impl World {
    /// Places on the lanes where vehicles can be put, in the order of the lanes.
    pub fn spawn_points(&self) -> Vec<SpawnPoint> {
        let net = &self.town.network;
        let point = |(lane, s)| {
            let at = net.at(lane, s)?;
            Some(SpawnPoint { lane: (lane, s), place: at.point(), heading: wrap(at.heading) })
        };
        spawn::slots(net).into_iter().filter_map(point).collect()
    }
    /// Bodies that a vehicle can have, by their names.
    pub fn models(&self) -> impl Iterator<Item = &Arc<Body>> {
        let g = &self.town.gallery;
        g.cars.iter().chain(&g.trucks).chain([&g.bus, &g.motorcycle, &g.bicycle])
    }
    /// Puts a vehicle in; it waits for [`World::control`], [`World::send`] or [`World::cruise`].
    ///
    /// # Errors
    /// Where no model has this name, a number is not finite, or something is there already.
    pub fn spawn_vehicle(&mut self, model: &str, place: P2, heading: f64) -> Result<u32> {
        finite(place, heading)?;
        let found = self.models().find(|b| b.name == model).cloned();
        let body = found.ok_or_else(|| {
            let near =
                nearest(model, self.models().map(|b| b.name.as_str())).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
            Error::mismatch("a vehicle model", format!("`{model}`{near}"), "spawn")
        })?;
        let footprint = Footprint { centre: place, heading, half: [body.size[0] / 2.0, body.size[1] / 2.0] };
        self.room(&footprint, None)?;
        let id = self.new_id();
        let (lane, s, _) = self.town.network.locate(place, Some(heading)).unwrap_or_default();
        let chance = Rng::new(u64::from(id)).fork(self.town.spec.seed);
        let mut v = spawn::vehicle(id, body, &self.town.network, (lane, s), Driver::External, chance);
        (v.state.x, v.state.y, v.state.heading) = (place[0], place[1], wrap(heading));
        // The index of things counts vehicles first.
        self.vehicles.push(v);
        self.index();
        Ok(id)
    }
    /// Takes in a vehicle that is there already, and lets the expert drive it on from where it is, wherever chance leads at each junction.
    ///
    /// # Errors
    /// Where the id is taken, or the vehicle is on no lane, heading along it.
    pub fn adopt(&mut self, newcomer: Newcomer) -> Result<()> {
        let Newcomer { id, body, paint, model, state } = newcomer;
        let (place, heading) = ([state.x, state.y], state.heading);
        finite(place, heading)?;
        if self.vehicles.iter().any(|v| v.id == id) || self.walkers.iter().any(|w| w.id == id) {
            return Err(Error::mismatch("an id that nobody has", id.to_string(), "world"));
        }
        let town = self.town.clone();
        let net = &town.network;
        let near = net.locate(place, Some(heading));
        let on = near.filter(|(lane, s, left)| {
            net.lane(*lane).is_some_and(|l| left.abs() < l.width / 2.0 + JOINS.0 && wrap(l.centre.at(*s).heading - heading).abs() < JOINS.1)
        });
        let (lane, s, _) = on.ok_or_else(|| {
            let away = near.map_or("no lane within 6 m".to_owned(), |(lane, _, left)| {
                format!("{:.1} m beside lane {lane}, or heading elsewhere", left.abs())
            });
            Error::mismatch("a place on a lane, heading along it", format!("{:.1}, {:.1}: {away}", place[0], place[1]), "world")
        })?;
        let chance = Rng::new(u64::from(id)).fork(town.spec.seed);
        let mut v = spawn::vehicle(id, body, net, (lane, s), Driver::Expert, chance);
        (v.model, v.paint, v.state) = (model, paint, state);
        self.visitors.retain(|t| t.id != id);
        self.vehicles.push(v);
        self.index();
        self.ways();
        Ok(())
    }
    /// Puts a pedestrian on the nearest side walk.
    ///
    /// # Errors
    /// Where a number is not finite, or no side walk is within 15 m.
    pub fn spawn_walker(&mut self, place: P2) -> Result<u32> {
        finite(place, 0.0)?;
        let chance = Rng::new(u64::from(self.next_id)).fork(self.town.spec.seed ^ 1);
        let walker = Walker::near(self.next_id, &self.town.gallery, &self.town.network, place, chance);
        let walker = walker.ok_or_else(|| Error::mismatch("a place within 15 m of a side walk", format!("{place:?}"), "spawn"))?;
        let id = self.new_id();
        self.walkers.push(walker);
        self.index();
        Ok(id)
    }
    /// Takes a vehicle or walker out; whether it was there.
    pub fn destroy(&mut self, id: u32) -> bool {
        let before = self.vehicles.len() + self.walkers.len();
        self.vehicles.retain(|v| v.id != id);
        self.walkers.retain(|w| w.id != id);
        if self.ego == Some(id) {
            self.ego = None;
        }
        self.index();
        self.vehicles.len() + self.walkers.len() < before
    }
    /// Puts a vehicle somewhere else, standing.
    ///
    /// # Errors
    /// Where no vehicle has this id, a number is not finite, or something is there already.
    pub fn teleport(&mut self, id: u32, place: P2, heading: f64) -> Result<()> {
        finite(place, heading)?;
        let half = self.vehicle(id)?.half();
        self.room(&Footprint { centre: place, heading, half }, Some(id))?;
        let found = self.town.network.locate(place, Some(heading));
        let v = self.vehicle_mut(id)?;
        v.state = State { x: place[0], y: place[1], heading: wrap(heading), ..State::default() };
        if let Some((lane, s, _)) = found {
            v.track = super::track::Track::new(lane, s);
        }
        (v.goal, v.grant, v.stopped) = (None, None, None);
        v.watch = super::events::Watch::default();
        self.index();
        Ok(())
    }
    /// Sets a vehicle's forward speed, m/s.
    ///
    /// # Errors
    /// Where no vehicle has this id, or the speed is not within 100 m/s.
    pub fn set_speed(&mut self, id: u32, speed: f64) -> Result<()> {
        if !(-100.0..=100.0).contains(&speed) {
            return Err(Error::mismatch("a speed within 100 m/s", speed.to_string(), "world"));
        }
        self.vehicle_mut(id)?.state.speed = speed;
        Ok(())
    }
    /// Lets the expert drive a vehicle from one destination to the next.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn cruise(&mut self, id: u32) -> Result<()> {
        let v = self.vehicle_mut(id)?;
        (v.driver, v.cruises) = (Driver::Expert, true);
        Ok(())
    }
    fn new_id(&mut self) -> u32 {
        self.next_id += 1;
        self.next_id - 1
    }
    fn room(&self, f: &Footprint, but: Option<u32>) -> Result<()> {
        let reach = f.half[0] + 10.0;
        let taken = |t: &Thing| Some(t.id) != but && t.footprint.overlap(f).is_some();
        let moving = self.things_near(f.centre, reach).iter().find(|t| taken(t)).map(|t| t.id);
        let standing = self.town.obstacles_near(f.centre, reach).find(|o| o.footprint.overlap(f).is_some()).map(|o| o.id);
        match moving.or(standing) {
            Some(id) => Err(Error::mismatch("a free place", format!("instance {id} at {:.1}, {:.1}", f.centre[0], f.centre[1]), "spawn")),
            None => Ok(()),
        }
    }
    /// What a vehicle covers of the ground.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn footprint(&self, id: u32) -> Result<Footprint> {
        self.vehicle(id).map(Vehicle::footprint)
    }
}

fn finite(place: P2, heading: f64) -> Result<()> {
    if place.iter().all(|v| v.is_finite() && v.abs() < 1e5) && heading.is_finite() {
        return Ok(());
    }
    Err(Error::mismatch("a finite place and heading", format!("{place:?}, {heading}"), "spawn"))
}
