//! Tensors and readings to meaning: pure functions between encode and outcome.

pub mod bicubic;
pub mod box_filter;
pub mod depth_cloud;
pub mod drive;
pub mod fragments;
pub mod fuse_image;
pub mod fuse_segment;
pub mod guided_filter;
mod guided_fusion;
pub mod planes;
pub mod project;
mod pyramid_fusion;
pub mod rectify;
pub mod resample;
pub mod route;
pub mod segment;
pub mod surround;
pub mod track;
pub mod vehicle_control;
pub mod voxel;
