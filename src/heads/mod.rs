//! Tensors and readings to meaning: pure functions between encode and outcome.

pub mod box_filter;
pub mod fuse_image;
pub mod guided_filter;
