//! Sensors and data sets to frames: one file per source.

mod kitti;
mod nuscenes;
mod nuscenes_tables;
mod player;

pub use kitti::{KittiConfig, KittiLayout};
pub use nuscenes::{EgoAt, NuscenesConfig};
pub use player::Player;
