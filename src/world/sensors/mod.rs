//! How the world looks: cameras, depth, labels, heat, LiDAR, radar and the small sensors, all from one geometry.
//!
//! [`Geometry`] takes a scene once; [`Geometry::at`] makes a [`Moment`] of each snapshot; sensors read the moment. A camera pose is looked
//! through once ([`View`]) and gives colour, depth, labels and heat; LiDAR and radar cast rays into the same facets.
//! *Frames*: cameras x right, y down, z forward; LiDAR, radar and vehicles x forward, y left, z up; metres, seconds.
//! *Invariant*: the same moment, configuration and seed give the same bytes, whatever the number of threads.

mod bvh;
mod develop;
mod facade;
mod fan;
mod geometry;
mod labels;
mod lamps;
mod lidar;
mod light;
mod material;
mod noise;
mod open;
mod picture;
mod radar;
mod raster;
mod rig;
mod shade;
mod shadow;
mod shape;
mod spec;
mod thermal;
mod view;
mod visible;

pub use fan::probe;
pub use geometry::{Geometry, Moment};
pub use labels::{Numbering, class_list, tag_colour};
pub use lidar::{Carrier, LidarSpec, Sweep, moved, sweep};
pub use picture::Camera;
pub use radar::{RadarSpec, scan};
pub use rig::{EgoMotion, Mounted, Rig, RigReading};
pub use spec::{SensorKind, SensorSpec};
pub use thermal::ThermalCamera;
pub use view::{Shot, View};
pub use visible::visibility;
