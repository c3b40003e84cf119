//! CARLA's wire protocol, 0.9.13 to 0.9.16, both ends. Knows no network and no world.
//!
//! ```text
//! port N     MessagePack-RPC   scan -> rpc -> call (arguments: structs, physics, command)
//! port N+1   streams           stream -> snapshot | sensor -> payload (our frames)
//! ```
//!
//! *Units and frames*: everything here is as on the wire (left-handed, metres, degrees) except [`axes`] and `payload`, the one
//! border to ours. *Invariant*: whatever bytes a stranger sends, reading ends with a value or an error, in bounded memory.

pub mod axes;
mod call;
pub mod client;
mod command;
mod layout;
mod pack;
mod payload;
mod physics;
mod rpc;
mod scan;
mod sensor;
pub mod server;
mod snapshot;
mod stream;
mod structs;
#[cfg(test)]
mod tests;
mod token;
mod version;

pub use call::{Call, Tail};
pub use command::Command;
pub use pack::{Bytes, Wire};
pub use physics::*;
pub use rpc::{Reply, Request};
pub use sensor::{Collision, Detection, Image, ImuReading, Obstacle, SensorKind, Sweep, detections, pack_into, packed};
pub use snapshot::{ActorState, LightInfo, Own, Snapshot, VehicleState};
pub use stream::Header;
pub use structs::*;
pub use token::Token;
pub use version::Version;
