//! The world: a town, what moves in it, and time.
//!
//! *In*: [`WorldConfig`]; seconds. *Out*: snapshots. *Invariant*: a step looks only at the state before it.

use super::config::{EgoDriver, WorldConfig};
use super::signals::Signals;
use super::spawn;
use super::traffic::{self, Thing};
use super::vehicle::{Driver, Vehicle};
use super::walkers::Walker;
use crate::types::{Control, Error, Result, num};
use crate::world::model::{Scene, Signal, Sky, Snapshot};
use crate::world::scene::{Grid, Rng, Rule, Town, Turn, wrap};
use std::sync::Arc;

/// A town with everything that moves.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) town: Arc<Town>,
    pub(crate) sky: Sky,
    pub(crate) time: f64,
    pub(crate) count: u64,
    pub(crate) signals: Signals,
    pub(crate) vehicles: Vec<Vehicle>,
    pub(crate) walkers: Vec<Walker>,
    pub(crate) ego: Option<u32>,
    pub(crate) visitors: Vec<Thing>,
    things: Vec<Thing>,
    near: Grid,
}

/// How far drivers look.
const SIGHT: f64 = 55.0;

impl World {
    /// Builds the town and fills it.
    ///
    /// # Errors
    /// Where the configuration names no town or holds numbers that make no world.
    pub fn new(config: &WorldConfig) -> Result<Self> {
        config.check()?;
        let town = Arc::new(Town::new(&config.spec()?)?);
        Self::within(town, config)
    }
    /// Fills a town that is there already.
    ///
    /// # Errors
    /// As [`World::new`].
    pub fn within(town: Arc<Town>, config: &WorldConfig) -> Result<Self> {
        config.check()?;
        let rng = Rng::new(config.seed).fork(town.spec.seed);
        let first = num::u32(town.scene.statics.len() + 1);
        let ego = config.ego != EgoDriver::None;
        let mut vehicles = spawn::fill(&town.gallery, &town.network, config.vehicles + usize::from(ego), first, &rng);
        if let (true, Some(v), Some(car)) = (ego, vehicles.first_mut(), town.gallery.cars.get(1)) {
            let place = (v.track.lanes.front().copied().unwrap_or(0), v.track.s);
            let driver = if config.ego == EgoDriver::Expert { Driver::Expert } else { Driver::External };
            *v = spawn::vehicle(first, car.clone(), &town.network, place, driver, rng.fork(8));
        }
        let mut world = Self {
            town,
            sky: config.sky,
            time: 0.0,
            count: 0,
            signals: Signals::default(),
            vehicles,
            walkers: Vec::new(),
            ego: ego.then_some(first),
            visitors: Vec::new(),
            things: Vec::new(),
            near: Grid::default(),
        };
        let next = first + num::u32(world.vehicles.len());
        for i in 0..config.pedestrians {
            let id = next + num::u32(i);
            let chance = rng.fork(200_000 + i as u64);
            world.walkers.extend(Walker::by_chance(id, &world.town.gallery, &world.town.network, chance));
        }
        world.signals.update(&world.town.network, 0.0);
        world.index();
        Ok(world)
    }
    /// The town: network, blocks, obstacles.
    pub fn town(&self) -> &Arc<Town> {
        &self.town
    }
    /// What there is and never moves.
    pub fn scene(&self) -> &Arc<Scene> {
        &self.town.scene
    }
    /// Seconds since the start.
    pub const fn time(&self) -> f64 {
        self.time
    }
    /// Id of the ego vehicle.
    pub const fn ego(&self) -> Option<u32> {
        self.ego
    }
    /// Time of day and weather.
    pub const fn sky(&self) -> &Sky {
        &self.sky
    }
    /// Changes time of day and weather.
    pub const fn set_sky(&mut self, sky: Sky) {
        self.sky = sky;
    }
    /// Holds a light (its index in the network) at a colour, or lets it follow its programme again.
    pub fn set_light(&mut self, light: usize, colour: Option<Signal>) {
        self.signals.force(light, colour);
        self.signals.update(&self.town.network, self.time);
    }
    /// Drives a vehicle from outside until [`World::release`]: the control holds for the steps to come.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn control(&mut self, id: u32, control: Control) -> Result<()> {
        let v = self.vehicle_mut(id)?;
        v.driver = Driver::External;
        v.control = super::physics::tame(control);
        Ok(())
    }
    /// Gives a vehicle back to the expert.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn release(&mut self, id: u32) -> Result<()> {
        self.vehicle_mut(id)?.driver = Driver::Expert;
        Ok(())
    }
    pub(crate) fn vehicle_mut(&mut self, id: u32) -> Result<&mut Vehicle> {
        self.vehicles.iter_mut().find(|v| v.id == id).ok_or_else(|| Error::mismatch("a vehicle's id", id.to_string(), "world"))
    }
    /// Moves everything on by some seconds, in steps of at most 50 ms.
    ///
    /// # Errors
    /// Where the time is not a number of 0 to 10 seconds.
    pub fn step(&mut self, seconds: f64) -> Result<Snapshot> {
        if !(0.0..=10.0).contains(&seconds) {
            return Err(Error::mismatch("0 to 10 seconds", seconds.to_string(), "step"));
        }
        let steps = (seconds / 0.05 - 1e-6).ceil().max(1.0);
        let mut i = 0.0;
        while i < steps {
            self.tick(seconds / steps);
            i += 1.0;
        }
        self.count += 1;
        Ok(self.snapshot())
    }
    /// Everything that changes, now.
    pub fn snapshot(&self) -> Snapshot {
        let dark = self.sky.hour < 7.2 || self.sky.hour > 18.2 || self.sky.rain > 0.3 || self.sky.visibility < 400.0;
        let vehicles = self.vehicles.iter().map(|v| v.instance(self.time, dark));
        Snapshot {
            time: self.time,
            step: self.count,
            movers: vehicles.chain(self.walkers.iter().filter_map(Walker::instance)).collect(),
            signals: self.signals.shown(&self.town.network),
            ego: self.ego,
            sky: self.sky,
        }
    }
    pub(crate) fn index(&mut self) {
        self.things.clear();
        self.near.clear();
        let vehicles =
            self.vehicles.iter().map(|v| Thing { id: v.id, footprint: v.footprint(), velocity: v.state.velocity(), walker: false });
        self.things.extend(vehicles.chain(self.walkers.iter().map(Walker::thing)).chain(self.visitors.iter().copied()));
        for (i, t) in self.things.iter().enumerate() {
            self.near.insert(i, [t.footprint.centre, t.footprint.centre]);
        }
    }
    pub(crate) fn things_near(&self, p: [f64; 2], radius: f64) -> Vec<Thing> {
        self.near.around(p, radius).into_iter().filter_map(|i| self.things.get(i)).copied().collect()
    }
    fn tick(&mut self, dt: f64) {
        let town = self.town.clone();
        let net = &town.network;
        self.time += dt;
        self.signals.update(net, self.time);
        for v in &mut self.vehicles {
            let long = v.long();
            v.track.wander(net, SIGHT + 20.0, long, &mut v.rng);
        }
        let wishes: Vec<f64> = self.vehicles.iter().map(|v| self.wish(v)).collect();
        for (v, wish) in self.vehicles.iter_mut().zip(wishes) {
            let before = v.state.speed;
            v.state.acceleration = wish.max(-before / dt.max(1e-6));
            v.state.speed = (before + wish * dt).max(0.0);
            v.track.advance(net, (before + v.state.speed) / 2.0 * dt);
            v.track.shift *= 1.0 - (dt / 1.2).min(1.0);
            if let Some(at) = v.track.place(net) {
                v.state.yaw_rate = wrap(at.heading - v.state.heading) / dt.max(1e-6);
                (v.state.x, v.state.y, v.state.heading) = (at.x, at.y, wrap(at.heading));
            }
            v.waited = if v.state.speed < 0.3 { v.waited + dt } else { 0.0 };
            let turn = v.track.lanes_ahead(net).take_while(|(d, _)| *d < 30.0).find(|(_, l)| l.junction.is_some()).map(|(_, l)| l.turn);
            v.blink = turn.filter(|t| *t != Turn::Straight);
        }
        let mut walkers = std::mem::take(&mut self.walkers);
        for w in &mut walkers {
            let near = self.things_near([w.x, w.y], 40.0);
            w.step(net, &self.signals, &near, dt);
        }
        self.walkers = walkers;
        self.index();
    }
    fn wish(&self, v: &Vehicle) -> f64 {
        let net = &self.town.network;
        let reach = (12.0 + v.state.speed * 3.5).min(SIGHT);
        let ahead = v.track.ahead(net, reach, 1.5);
        let things = self.things_near([v.state.x, v.state.y], reach);
        let desired = traffic::allowed(v, net);
        let mut wish = traffic::follow(v, desired, traffic::leader(v, &ahead, &things));
        let front = v.half()[0];
        for (start, lane) in v.track.lanes_ahead(net) {
            let gap = start + lane.stop - front;
            if start > reach || gap < -1.0 {
                continue;
            }
            if let Rule::Light(light) = lane.rule {
                let (colour, _) = self.signals.of(light);
                let needed = v.state.speed.powi(2) / (2.0 * gap.max(0.1));
                if colour == Signal::Red || colour == Signal::Yellow && needed < 3.0 {
                    wish = wish.min(traffic::stop_at(v, gap));
                }
            }
        }
        wish.max(-9.0)
    }
}
