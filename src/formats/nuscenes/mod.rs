//! nuScenes v1.0: tables, result files, LiDAR files, and what can be wrong with them.
//!
//! *In*: bytes or readers of a root's files. *Out*: records with their links, result boxes, [`PointCloud`]s in the LiDAR's frame
//! (x right, y forward, z up; metres), [`Pose`]s. *Invariant*: a large file is never held whole; what is wrong is noted as a
//! [`Fault`] that names file, record and field. Times are microseconds, quaternions w, x, y, z.

mod boxes;
mod can_bus;
mod fault;
mod json;
mod links;
pub mod map;
mod records;
mod results;
pub mod splits;
mod stream;
mod tables;
mod token;
mod values;

pub use boxes::{ObjectBox, Shown};
pub use can_bus::{BusPose, bus_poses};
pub use fault::{Fault, FaultKind, Faults, Severity};
pub use json::{Json, Parsed, Wrong, WrongKind};
pub use links::check as check_links;
pub use records::{
    Attribute, CalibratedSensor, Category, EgoPose, Instance, Lidarseg, Log, Map, Panoptic, Record, Sample, SampleAnnotation, SampleData,
    Scene, Sensor, Visibility,
};
pub use results::{ATTRIBUTES, DETECTION_CLASSES, Meta, NO_ATTRIBUTE, Reading, ResultBox, ResultFile, ResultKind, TRACKING_CLASSES};
pub use tables::{Choice, Open, Table, Tables, table};
pub use token::Token;
pub use values::{cloud, global_from_sensor, intrinsics, motion, rotation, yaw};

#[allow(unused_imports)] // for the links above
use crate::types::{PointCloud, Pose};
