//! Pure metric functions: what they score comes in memory, what they find goes back as values; no files, no threads.

pub mod driving;
pub mod fragments;
pub mod fusion;
pub mod nuscenes;
pub mod segmentation;
pub mod sheet;
