//! Motion: everything that moves in a town, step by step.
//!
//! *In*: a [`WorldConfig`], time steps, and controls of vehicles that somebody outside drives. *Out*: [`Snapshot`](crate::world::model::Snapshot)s
//! and the truth. *Invariant*: one thread, one order, one generator for each purpose: the same seed and steps give the same bytes.

mod config;
pub mod physics;
mod signals;
mod spawn;
mod track;
mod traffic;
mod vehicle;
mod visitors;
mod walkers;
mod world;

pub use config::{EgoDriver, WorldConfig};
pub use physics::{Model, State};
pub use signals::phase_at;
pub use world::World;
