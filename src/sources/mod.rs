//! Sensors and data sets to frames: one file per source.

mod fragments;
mod ir_visible;
pub mod picture;
mod rgbd;
mod rgbd_lists;
mod stamps;

pub use fragments::{Fragments, FragmentsConfig};
pub use ir_visible::{IrVisible, IrVisibleConfig};
pub use rgbd::{Rgbd, RgbdConfig};
mod kitti;
pub mod nuscenes;
mod player;

pub use kitti::{KittiConfig, KittiLayout};
pub use nuscenes::{EgoAt, NuscenesConfig};
pub use player::Player;
mod recording;
#[cfg(feature = "opencv")]
mod video;
mod world;

pub use recording::{RecordingConfig, RecordingSource, read_recording, recorded_bundles};
#[cfg(feature = "opencv")]
pub use video::{VideoConfig, VideoSource};
pub use world::{WorldEgo, WorldSource, WorldSourceConfig};
