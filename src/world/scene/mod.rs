//! The scene: a procedural town, from its name, size and seed. What there is, and what traffic follows.
//!
//! Steps, each in its own file: layout of the streets, roads and lanes, junctions and their rules, walks, blocks, ground as
//! triangles, things along the streets and inside the blocks. *In*: a [`TownSpec`]. *Out*: a [`Town`]. *Frames*: world, x east, y
//! north, z up, road level 0. *Invariant*: the same spec gives the same town to the last bit.

mod blocks;
pub(crate) mod bodies;
mod crossroads;
mod curve;
mod grid;
mod ground;
mod map;
mod network;
mod paint;
mod plan;
mod polygon;
mod rng;
mod roadside;
mod shape;
mod stock;
mod streets;
mod town;
mod walks;
mod yards;

pub use blocks::{Block, Front, Use};
pub use curve::{Curve, Piece, Station, wrap};
pub(crate) use grid::Grid;
pub use map::{Feature, Layer, Raster, TownMap};
pub use network::{Arm, Conflict, Crossing, Cycle, Junction, Lane, LaneId, Light, Network, Road, Rule, Turn, Walk};
pub use polygon::{Footprint, P2};
pub use rng::Rng;
pub use stock::{Obstacle, pose};
pub use town::{Town, TownSpec, town_names};
