//! Networks: tensors in, tensors out. Knows nothing of packets, files of data sets, or threads.

pub mod device;
pub use device::{DeviceChoice, pick};
