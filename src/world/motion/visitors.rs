//! Bodies that somebody outside moves, as traffic must see them.
//!
//! *In*: footprints and velocities before a step. *Invariant*: visitors block and are kept distance from like the world's own, at junctions
//! too, and are never moved by it.

use super::traffic::Thing;
use super::vehicle::Vehicle;
use super::world::World;
use crate::world::scene::{Footprint, LaneId, P2};

/// A vehicle whose driver nobody here knows: where it is on the network now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Stranger {
    pub(crate) place: P2,
    pub(crate) lane: LaneId,
    /// Distance along the lane.
    pub(crate) s: f64,
    pub(crate) speed: f64,
    /// Half its length.
    pub(crate) half: f64,
}

impl Stranger {
    /// A vehicle of the world that somebody outside drives.
    pub(crate) fn of(v: &Vehicle) -> Option<Self> {
        let [half, _] = v.half();
        Some(Self { place: [v.state.x, v.state.y], lane: *v.track.lanes.front()?, s: v.track.s, speed: v.state.speed.abs(), half })
    }
}

impl World {
    /// What else is there from now on: id, ground covered, velocity in the world (m/s), whether it walks.
    pub fn set_visitors(&mut self, visitors: impl IntoIterator<Item = (u32, Footprint, [f64; 2], bool)>) {
        self.visitors.clear();
        let thing = |(id, footprint, velocity, walker)| Thing { id, footprint, velocity, walker, visitor: true };
        self.visitors.extend(visitors.into_iter().map(thing));
        let net = &self.town.network;
        let stranger = |t: &Thing| {
            let f = &t.footprint;
            let (lane, s, left) = net.locate(f.centre, Some(f.heading))?;
            let on = net.lane(lane).is_some_and(|l| left.abs() < l.width);
            on.then(|| Stranger { place: f.centre, lane, s, speed: t.velocity[0].hypot(t.velocity[1]), half: f.half[0] })
        };
        self.strangers = self.visitors.iter().filter(|t| !t.walker).filter_map(stranger).collect();
        self.index();
    }
}
