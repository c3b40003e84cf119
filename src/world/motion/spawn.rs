//! Putting vehicles and walkers into a town at the start.
//!
//! *In / Out*: counts and chance; vehicles on lanes, clear of each other and of junctions. *Invariant*: no two vehicles overlap at the start;
//! streets are filled to at most half, so that traffic can move.

use super::physics::{Model, State};
use super::track::Track;
use super::vehicle::{Driver, Manner, Vehicle};
use crate::types::Control;
use crate::world::model::Body;
use crate::world::scene::bodies::{Gallery, car_paint};
use crate::world::scene::{LaneId, Network, Rng};
use std::sync::Arc;

/// Metres of lane for each place.
const SLOT: f64 = 22.0;

/// Places where a vehicle can start: lane and distance along it, away from junctions.
pub(crate) fn slots(net: &Network) -> Vec<(LaneId, f64)> {
    let mut found = Vec::new();
    for lane in net.lanes.iter().filter(|l| l.junction.is_none()) {
        let mut s = 9.0;
        while s < lane.stop - 8.0 {
            found.push((lane.id, s));
            s += SLOT;
        }
    }
    found
}

/// A vehicle's kind by chance.
pub(crate) fn kind(gallery: &Gallery, rng: &mut Rng) -> Option<Arc<Body>> {
    let weights = [0.8, 0.07, 0.045, 0.06, 0.025];
    match rng.weighted(&weights)? {
        0 => rng.pick(&gallery.cars).cloned(),
        1 => rng.pick(&gallery.trucks).cloned(),
        2 => Some(gallery.bus.clone()),
        3 => Some(gallery.motorcycle.clone()),
        _ => Some(gallery.bicycle.clone()),
    }
}

/// A vehicle on a lane.
pub(crate) fn vehicle(id: u32, body: Arc<Body>, net: &Network, (lane, s): (LaneId, f64), driver: Driver, mut rng: Rng) -> Vehicle {
    let class = body.class.unwrap_or("car");
    let at = net.at(lane, s).unwrap_or_default();
    let manner = Manner::by_chance(class, &mut rng);
    let paint = match class {
        "bus" => rng.pick(&[[200, 40, 36], [34, 90, 160], [226, 180, 40]]).copied().unwrap_or([200, 40, 36]),
        _ => car_paint(&mut rng),
    };
    Vehicle {
        id,
        model: Model::of(class, body.size[0]),
        body,
        paint,
        state: State { x: at.x, y: at.y, heading: at.heading, ..State::default() },
        driver,
        control: Control::default(),
        track: Track::new(lane, s),
        manner,
        grant: None,
        granted: 0.0,
        waited: 0.0,
        stopped: None,
        blink: None,
        goal: None,
        destination: None,
        cruises: false,
        shaken: 0.0,
        since_change: 100.0,
        watch: super::events::Watch::default(),
        reason: super::mind::Reason::Free,
        rng,
    }
}

/// Fills the streets; returns at most `count` vehicles with ids from `first`.
pub(crate) fn fill(gallery: &Gallery, net: &Network, count: usize, first: u32, rng: &Rng) -> Vec<Vehicle> {
    let mut chance = rng.fork(20);
    let mut slots = slots(net);
    chance.shuffle(&mut slots);
    let most = slots.len().div_ceil(2);
    let mut found = Vec::new();
    for (i, slot) in slots.into_iter().take(count.min(most)).enumerate() {
        // Among the first few is one of each kind, so that small worlds have all classes.
        let first_of = match i {
            2 => Some(gallery.bus.clone()),
            4 => gallery.trucks.first().cloned(),
            5 => Some(gallery.motorcycle.clone()),
            7 => Some(gallery.bicycle.clone()),
            _ => None,
        };
        let Some(mut body) = first_of.clone().or_else(|| kind(gallery, &mut chance)) else { break };
        let lane = net.lane(slot.0);
        // Long vehicles keep to the main streets.
        if first_of.is_none() && body.size[0] > 7.0 && lane.is_none_or(|l| l.limit < 10.0) {
            let Some(car) = chance.pick(&gallery.cars) else { break };
            body = car.clone();
        }
        let id = first + crate::types::num::u32(i);
        let mut v = vehicle(id, body, net, slot, Driver::Traffic, rng.fork(100_000 + u64::from(id)));
        v.state.speed = 0.6 * lane.map_or(8.0, |l| l.limit);
        found.push(v);
    }
    found
}
