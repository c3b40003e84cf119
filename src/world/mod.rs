//! The embedded world: a town, what moves in it, and how sensors see it. No data set and no simulator needed.
//!
//! Three parts that know each other one way only: [`scene`](model::Scene) (what there is) <- motion (how it moves) <- sensors (how it looks).
//! What they share is in [`model`]. *Frames*: the world frame is x east, y north, z up, metres, right-handed; bodies and
//! vehicles are x forward, y left, z up. *Invariant*: the same town, seed and steps give the same bytes, whatever the number of threads.

pub mod export;
pub mod live;
pub mod model;
pub mod motion;
pub mod scene;
pub mod sensors;
