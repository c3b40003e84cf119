//! Bodies that somebody outside moves, as traffic must see them; and the lights' state for those outside.
//!
//! *In*: footprints and velocities before a step. *Invariant*: visitors block and are kept distance from like the world's own, and are
//! never moved by it.

use super::traffic::Thing;
use super::world::World;
use crate::world::model::Signal;
use crate::world::scene::Footprint;

impl World {
    /// What else is there from now on: id, ground covered, velocity in the world (m/s), whether it walks.
    pub fn set_visitors(&mut self, visitors: impl IntoIterator<Item = (u32, Footprint, [f64; 2], bool)>) {
        self.visitors.clear();
        let thing = |(id, footprint, velocity, walker)| Thing { id, footprint, velocity, walker };
        self.visitors.extend(visitors.into_iter().map(thing));
        self.index();
    }
    /// Takes a vehicle or walker away; says whether it was there.
    pub fn remove(&mut self, id: u32) -> bool {
        let before = self.vehicles.len() + self.walkers.len();
        self.vehicles.retain(|v| v.id != id);
        self.walkers.retain(|w| w.id != id);
        self.index();
        self.vehicles.len() + self.walkers.len() < before
    }
    /// Colour of a light (its index in the network), and seconds until it changes.
    pub fn light(&self, light: usize) -> (Signal, f64) {
        self.signals.of(light)
    }
}
