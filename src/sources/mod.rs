//! Sensors and data sets to frames: one file per source.

pub mod picture;
