//! Driving: the embedded world behind CARLA's protocol, and the closed loop against any server that speaks it.
//!
//! *Invariant*: the loop knows the simulator through the protocol only, so that what is scored here is what would be scored on a
//! real server.

pub mod server;
