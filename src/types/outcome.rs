//! What stages find out. Large results are shared.

use super::{BevMap, Box3, Control, FragmentMatch, LabelImage, RgbImage, ScoreImage, SensorId, Trajectory};
use std::sync::Arc;

/// A cloud with a colour per point, in the vehicle frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColouredCloud {
    /// x, y, z in metres, vehicle frame.
    pub positions: Vec<[f32; 3]>,
    /// sRGB.
    pub colours: Vec<[u8; 3]>,
}

/// Points of a cloud as a camera sees them.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// Whose picture.
    pub camera: SensorId,
    /// Whose points.
    pub lidar: SensorId,
    /// Column, row (pixel centres at integers).
    pub pixels: Vec<[f32; 2]>,
    /// Depth along the optical axis, metres.
    pub depths: Vec<f32>,
    /// Width and height of the picture.
    pub size: [usize; 2],
}

/// Occupied voxels of a cloud, in the vehicle frame, in the order in which points first touched them.
#[derive(Debug, Clone, PartialEq)]
pub struct VoxelGrid {
    /// Low corner x, y, z in metres, vehicle frame.
    pub origin: [f32; 3],
    /// Edge lengths of a voxel, metres.
    pub voxel: [f32; 3],
    /// Occupied voxels: index along x, y, z.
    pub indices: Vec<[u32; 3]>,
    /// Points in each.
    pub counts: Vec<u32>,
    /// Mean position of each one's points, metres.
    pub means: Vec<[f32; 3]>,
}

/// What a stage found out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Infrared and visible in one colour picture.
    Fused(Arc<RgbImage>),
    /// Class per pixel.
    Segmentation(Arc<LabelImage>),
    /// Oriented boxes in the vehicle frame.
    Boxes3(Arc<Vec<Box3>>),
    /// Cloud with colours.
    Cloud(Arc<ColouredCloud>),
    /// LiDAR in a camera.
    Projection(Arc<Projection>),
    /// Occupied voxels.
    Voxels(Arc<VoxelGrid>),
    /// Confidence per pixel.
    Confidence(Arc<ScoreImage>),
    /// Map layers from above.
    Map(Arc<BevMap>),
    /// Where to go.
    Trajectory(Arc<Trajectory>),
    /// Pairs of fragments that fit.
    Matches(Arc<Vec<FragmentMatch>>),
    /// What to do.
    Control(Control),
    /// Single numbers by name: probabilities of signs, estimates.
    Numbers(Arc<Vec<(String, f64)>>),
}

impl Outcome {
    /// Its kind.
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Fused(_) => OutcomeKind::Fused,
            Self::Segmentation(_) => OutcomeKind::Segmentation,
            Self::Boxes3(_) => OutcomeKind::Boxes3,
            Self::Cloud(_) => OutcomeKind::Cloud,
            Self::Projection(_) => OutcomeKind::Projection,
            Self::Voxels(_) => OutcomeKind::Voxels,
            Self::Confidence(_) => OutcomeKind::Confidence,
            Self::Map(_) => OutcomeKind::Map,
            Self::Trajectory(_) => OutcomeKind::Trajectory,
            Self::Matches(_) => OutcomeKind::Matches,
            Self::Control(_) => OutcomeKind::Control,
            Self::Numbers(_) => OutcomeKind::Numbers,
        }
    }
}

/// The kind of an [`Outcome`], known before the first one arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// Fused picture.
    Fused,
    /// Class per pixel.
    Segmentation,
    /// Boxes in the vehicle frame.
    Boxes3,
    /// Coloured cloud.
    Cloud,
    /// LiDAR in a camera.
    Projection,
    /// Occupied voxels.
    Voxels,
    /// Confidence per pixel.
    Confidence,
    /// Map layers from above.
    Map,
    /// Where to go.
    Trajectory,
    /// Pairs of fragments.
    Matches,
    /// Vehicle control.
    Control,
    /// Numbers by name.
    Numbers,
}
