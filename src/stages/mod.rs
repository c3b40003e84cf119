//! Packet to packet: stages take frames out of the bundle, call a head, and add outcomes or replace payloads.
//!
//! *In / Out*: [`crate::types::Packet`]. *Invariant*: a packet that lacks a sensor the stage needs goes on untouched;
//! a frame of the wrong kind is an error that names the sensor, what was wanted and what came.

mod depth_cloud;
mod fragment_pairs;
mod fuller;
mod fuse_classical;
mod letfuser;
mod pair_outlines;
mod pairingnet;
mod pick;
mod project;
mod rectify;
mod resize;
mod segmif;
mod track;
mod voxel;
mod weights;

pub use depth_cloud::{DepthCloud, DepthCloudConfig};
pub use fuller::{Fuller, FullerConfig};
pub use fuse_classical::{FuseClassical, FuseClassicalConfig};
pub use letfuser::{Command, Letfuser, LetfuserConfig};
pub use pair_outlines::{PairOutlines, PairOutlinesConfig};
pub use pairingnet::{Pairingnet, PairingnetConfig};
pub use project::{Project, ProjectConfig};
pub use rectify::{Rectify, RectifyConfig};
pub use resize::{Resize, ResizeConfig};
pub use segmif::{Segmif, SegmifConfig};
pub use track::{Track, TrackConfig};
pub use voxel::{Voxel, VoxelConfig};
