//! Bytes to types and back: no files, no policy.

pub mod carla_depth;
pub mod driving_set;
pub mod fragments;
pub mod kitti;
pub mod npz;
pub mod nuscenes;
pub mod oxts;
pub mod points;
pub mod radar;
pub mod recording;
pub mod topdown;
