//! Motion: everything that moves in a town, step by step.
//!
//! *In*: a [`WorldConfig`], time steps, and controls of vehicles that somebody outside drives. *Out*: [`Snapshot`](crate::world::model::Snapshot)s
//! and the truth. *Invariant*: one thread, one order, one generator for each purpose: the same seed and steps give the same bytes.

mod actors;
mod config;
mod contact;
mod events;
mod mind;
pub mod physics;
mod right_of_way;
mod route;
mod signals;
mod spawn;
mod steer;
mod step;
mod track;
mod traffic;
mod truth;
mod vehicle;
mod visitors;
mod walkers;
mod world;

pub use actors::{Newcomer, SpawnPoint};
pub use config::{EgoDriver, WorldConfig};
pub use events::{Event, EventKind};
pub use mind::Reason;
pub use physics::{Model, State};
pub use route::{Command, Route, WayPoint, plan};
pub use signals::phase_at;
pub use truth::{LightAhead, TrueBox};
pub use world::World;
