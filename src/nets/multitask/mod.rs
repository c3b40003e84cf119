//! Training several tasks on one trunk: how their gradients, or their losses, are brought together.
//!
//! *In*: gradients of each task at the shared parameters, or losses. *Out*: weights, directions, and the gradients to step with. *Invariant*: nothing
//! here knows a network; everything is a pure function, except the small states that a rule itself needs. Sums are made in f64.
//!
//! [`rules`] holds the published rules for gradients, [`weighting`] those for losses, [`calibrate`] FULLER's two levels over a cut graph.

pub mod calibrate;
pub mod rules;
mod simplex;
pub mod weighting;
