//! Bodies that somebody outside moves, as traffic must see them.
//!
//! *In*: footprints and velocities before a step. *Invariant*: visitors block and are kept distance from like the world's own, and are
//! never moved by it.

use super::traffic::Thing;
use super::world::World;
use crate::world::scene::Footprint;

impl World {
    /// What else is there from now on: id, ground covered, velocity in the world (m/s), whether it walks.
    pub fn set_visitors(&mut self, visitors: impl IntoIterator<Item = (u32, Footprint, [f64; 2], bool)>) {
        self.visitors.clear();
        let thing = |(id, footprint, velocity, walker)| Thing { id, footprint, velocity, walker };
        self.visitors.extend(visitors.into_iter().map(thing));
        self.index();
    }
}
