//! Driving: the embedded world behind CARLA's protocol, and the closed loop against any server that speaks it.
//!
//! *Invariant*: the loop knows the simulator through the protocol only, so that what is scored here is what would be scored on a
//! real server.

mod calls;
mod cockpit;
pub mod driver;
mod expert;
pub mod judge;
pub mod lanes;
mod letfuser;
mod pace;
mod picture;
pub mod pilot;
mod recorder;
pub mod routes;
mod run;
pub mod server;
pub mod session;
pub mod way;

pub use calls::{Row, calls};
pub use cockpit::Cockpit;
pub use expert::Expert;
pub use letfuser::Letfuser;
pub use picture::picture;
pub use run::{Config, Driven, STEP, drive};
