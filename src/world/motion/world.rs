//! The world: a town, what moves in it, and time.
//!
//! *In*: [`WorldConfig`]; seconds; controls and destinations of vehicles. *Out*: snapshots and events. *Invariant*: a step looks only at
//! the state before it.

use super::config::{EgoDriver, WorldConfig};
use super::events::Event;
use super::route::{self, Route};
use super::signals::Signals;
use super::spawn;
use super::traffic::Thing;
use super::vehicle::{Driver, Vehicle};
use super::visitors::Stranger;
use super::walkers::Walker;
use crate::types::{Control, Error, Result, num};
use crate::world::model::{Scene, Signal, Sky, Snapshot};
use crate::world::scene::{Footprint, Grid, LaneId, Rng, Town};
use std::sync::Arc;

/// How often a place for somebody on foot is drawn before the walks count as full.
const DRAWS: u64 = 40;

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
    pub(crate) strangers: Vec<Stranger>,
    pub(crate) next_id: u32,
    pub(crate) events: Vec<Event>,
    pub(crate) touching: Vec<(u32, u32, f64)>,
    pub(crate) things: Vec<Thing>,
    pub(crate) near: Grid,
}

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
            v.cruises = true;
        }
        let next = first + num::u32(vehicles.len());
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
            strangers: Vec::new(),
            next_id: next + num::u32(config.pedestrians),
            events: Vec::new(),
            touching: Vec::new(),
            things: Vec::new(),
            near: Grid::default(),
        };
        let mut taken = Grid::default();
        for i in 0..config.pedestrians {
            let id = next + num::u32(i);
            let chance = rng.fork(200_000 + i as u64);
            world.walkers.extend(world.newcomer(id, &chance, &mut taken));
        }
        world.signals.update(&world.town.network, 0.0);
        world.index();
        world.ways();
        Ok(world)
    }
    /// Somebody on foot where nobody and nothing stands yet; `None` where so many draws found no such place.
    fn newcomer(&self, id: u32, chance: &Rng, taken: &mut Grid) -> Option<Walker> {
        let free = |f: &Footprint| {
            let others = taken.around(f.centre, 2.5).into_iter().filter_map(|i| self.walkers.get(i));
            let mut obstacles = self.town.obstacles_near(f.centre, 2.0);
            others.map(Walker::thing).all(|t| t.footprint.overlap(f).is_none()) && obstacles.all(|o| o.footprint.overlap(f).is_none())
        };
        let draws = std::iter::once(chance.clone()).chain((1..DRAWS).map(|k| chance.fork(k)));
        let mut somewhere = draws.filter_map(|draw| Walker::by_chance(id, &self.town.gallery, &self.town.network, draw));
        let walker = somewhere.find(|w| free(&w.thing().footprint))?;
        taken.insert(self.walkers.len(), [[walker.x, walker.y]; 2]);
        Some(walker)
    }
    /// The town: network, blocks, obstacles.
    pub const fn town(&self) -> &Arc<Town> {
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
    /// Makes a vehicle the ego vehicle of snapshots and truth.
    pub const fn set_ego(&mut self, id: Option<u32>) {
        self.ego = id;
    }
    /// Time of day and weather.
    pub const fn sky(&self) -> &Sky {
        &self.sky
    }
    /// Changes time of day and weather.
    pub const fn set_sky(&mut self, sky: Sky) {
        self.sky = sky;
    }
    /// Ids of the moving vehicles.
    pub fn vehicle_ids(&self) -> impl Iterator<Item = u32> {
        self.vehicles.iter().map(|v| v.id)
    }
    /// Ids of pedestrians and cyclists on side walks.
    pub fn walker_ids(&self) -> impl Iterator<Item = u32> {
        self.walkers.iter().map(|w| w.id)
    }
    /// Colour of a light (its index in the network) and the seconds until it changes.
    pub fn light(&self, light: usize) -> (Signal, f64) {
        self.signals.of(light)
    }
    /// Holds a light at a colour, or lets it follow its programme again.
    pub fn set_light(&mut self, light: usize, colour: Option<Signal>) {
        self.signals.force(light, colour);
        self.signals.update(&self.town.network, self.time);
    }
    /// Takes the events since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
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
    /// Gives a vehicle to the expert.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn release(&mut self, id: u32) -> Result<()> {
        self.vehicle_mut(id)?.driver = Driver::Expert;
        Ok(())
    }
    /// Sends a vehicle to a place: its route from where it is. The expert stops there; who drives from outside gets it as advice.
    ///
    /// # Errors
    /// Where there is no such vehicle or place, or no way.
    pub fn send(&mut self, id: u32, to: (LaneId, f64)) -> Result<Route> {
        let town = self.town.clone();
        let v = self.vehicle_mut(id)?;
        let from = (v.track.lanes.front().copied().unwrap_or(0), v.track.s);
        let route = route::plan(&town.network, from, to)?;
        v.track.lanes = route.lanes.iter().copied().collect();
        (v.goal, v.destination, v.cruises) = (Some(to.1), Some(to), false);
        Ok(route)
    }
    /// The rest of a vehicle's route, from where it is.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn route(&self, id: u32) -> Result<Route> {
        let v = self.vehicle(id)?;
        let net = &self.town.network;
        let lanes: Vec<LaneId> = v.track.lanes.iter().copied().collect();
        let end = v.goal.or_else(|| lanes.last().and_then(|l| net.lane(*l)).map(|l| l.centre.length())).unwrap_or(0.0);
        Ok(route::build(net, lanes, [v.track.s, end]))
    }
    /// Whether a vehicle that was sent somewhere is there (within 4 m along the lane).
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn arrived(&self, id: u32) -> Result<bool> {
        let v = self.vehicle(id)?;
        Ok(v.track.lanes.len() == 1 && v.goal.is_some_and(|g| g - v.track.s < 4.0 + v.half()[0]))
    }
    /// A vehicle's state.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn state(&self, id: u32) -> Result<super::State> {
        Ok(self.vehicle(id)?.state)
    }
    /// Why a vehicle goes no faster.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn reason(&self, id: u32) -> Result<super::Reason> {
        Ok(self.vehicle(id)?.reason)
    }
    /// The control that a vehicle follows now: the expert's, or what was given from outside.
    ///
    /// # Errors
    /// Where no vehicle has this id.
    pub fn current_control(&self, id: u32) -> Result<Control> {
        Ok(self.vehicle(id)?.control)
    }
    pub(crate) fn vehicle(&self, id: u32) -> Result<&Vehicle> {
        self.vehicles.iter().find(|v| v.id == id).ok_or_else(|| no_vehicle(id))
    }
    pub(crate) fn vehicle_mut(&mut self, id: u32) -> Result<&mut Vehicle> {
        self.vehicles.iter_mut().find(|v| v.id == id).ok_or_else(|| no_vehicle(id))
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
}

fn no_vehicle(id: u32) -> Error {
    Error::mismatch("a vehicle's id", id.to_string(), "world")
}
