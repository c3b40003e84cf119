//! The words everybody speaks: times, sensors, geometry, payloads, frames, bundles, packets, outcomes, errors.
//!
//! *In / Out*: plain data, no threads, no files. *Invariant*: a value of these types is valid by construction
//! (a pose is a rigid motion, an image's buffer has the size its header says), so no later room checks again.
//! Large payloads are shared by `Arc`; cloning a [`Frame`] or [`Packet`] never copies pixels or points.

mod bundle;
mod calib;
mod cloud;
mod error;
mod frame;
mod geometry;
mod id;
mod image;
mod map;
pub mod num;
mod outcome;
mod packet;
mod pool;
mod rigid;
mod state;
mod time;

pub use bundle::{Bundle, Presence};
pub use calib::{Calibration, Distortion, Intrinsics};
pub use cloud::{LidarPoint, PointCloud, RadarReturn, RadarScan};
pub use error::{Error, Result, nearest, one_line};
pub use frame::{Frame, Modality, Payload};
pub use geometry::{Box3, FrameId, Pose};
pub use id::SensorId;
pub use image::{ClassList, DepthImage, Fragment, LabelImage, RgbImage, ScoreImage, ThermalImage};
pub use map::{BevMap, FragmentMatch, Trajectory};
pub use outcome::{ColouredCloud, Outcome, OutcomeKind, Projection, VoxelGrid};
pub use packet::{Head, Lineage, Origin, Packet, StageTime};
pub use pool::{Buffer, Pool, PoolFill};
pub use rigid::Rigid;
pub use state::{Control, EgoState, Gnss, Imu};
pub use time::{HostTime, SensorTime};
