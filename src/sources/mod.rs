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
