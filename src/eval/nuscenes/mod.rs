//! How nuScenes results are scored: detection, tracking, point labels, maps. Numbers are those of the public devkit 1.2.0.
//!
//! *In*: tables and result files in memory. *Out*: metrics as values. *Invariant*: no files and no clocks; sums are in f64 and in
//! a fixed order, so the numbers do not depend on the number of threads.

pub mod breakdown;
pub mod classes;
pub mod compare;
pub mod curves;
pub mod detection;
pub mod lidarseg;
pub mod map_iou;
pub mod matching;
pub mod panoptic;
pub mod plots;
pub mod predictions;
pub mod submit;
pub mod tracking;
pub mod truth;
pub mod view;
pub mod worst;
