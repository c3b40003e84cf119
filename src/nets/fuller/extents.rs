//! What a configuration file may change of FULLER: ranges, sizes, counts, and the choices between parts.
//!
//! *In*: a TOML table. *Out*: [`Extents`]. *Invariant*: an unknown key is refused; whether the values fit each other is
//! [`super::FullerConfig::checked`]'s to say.

use super::kinds::{LidarKind, ObjectKind, Sensors, ViewKind};
use serde::{Deserialize, Serialize};

/// What a configuration file may change; the names are its keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extents {
    /// Low x, y, z and high x, y, z in metres, LiDAR frame.
    pub point_range: [f64; 6],
    /// Edges of a voxel, metres.
    pub voxel_size: [f64; 3],
    /// Points of a voxel that count.
    pub max_points_per_voxel: usize,
    /// Voxels of a cloud that count.
    pub max_voxels: usize,
    /// Edges of a pillar, metres.
    pub pillar_size: [f64; 3],
    /// Points of a pillar that count.
    pub max_points_per_pillar: usize,
    /// Pillars of a cloud that count.
    pub max_pillars: usize,
    /// Low, high, step of the camera's grid along x.
    pub camera_bev_x: [f64; 3],
    /// The same along y.
    pub camera_bev_y: [f64; 3],
    /// The same along z.
    pub camera_bev_z: [f64; 3],
    /// Nearest depth, farthest depth (excluded), step.
    pub camera_depth: [f64; 3],
    /// Objects that TransFusion looks at.
    pub proposals: usize,
    /// Low, high, step of the map along x.
    pub map_x: [f64; 3],
    /// The same along y.
    pub map_y: [f64; 3],
    /// Boxes with a centre outside are dropped: low x, y, z, high x, y, z.
    pub post_center_range: [f64; 6],
    /// Peaks of a class, and of a group of classes, that CenterHead looks at.
    pub center_head_max: usize,
    /// Boxes of CenterHead with at most this score are dropped.
    pub center_head_score: f64,
    /// `lss` or `depth_lss`.
    pub view: ViewKind,
    /// `transfusion`, `center` or `none`.
    pub object_head: ObjectKind,
    /// Whether there is a map head.
    pub map_head: bool,
    /// `sparse` or `pillars`.
    pub lidar_encoder: LidarKind,
    /// `both`, `lidar` or `camera`.
    pub sensors: Sensors,
    /// Channels of a camera-only network's three decoder stages.
    pub camera_decoder: [usize; 3],
}
