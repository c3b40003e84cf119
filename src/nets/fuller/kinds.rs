//! The choices between FULLER's parts, and the levels that its decoders are made of.
//!
//! *In*: keys of a configuration file. *Out*: enums. *Invariant*: a name that is none of them is refused when the file is read.

use serde::{Deserialize, Serialize};

/// How camera features get their depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    /// From the picture alone (LSS).
    Lss,
    /// From the picture and the LiDAR points in it.
    DepthLss,
}

/// Which detection head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObjectKind {
    /// Queries from a heat map, one attention layer.
    Transfusion,
    /// A heat map and regression maps per group of classes.
    Center,
    /// No detection: a checkpoint of the map task alone.
    None,
}

/// How LiDAR points become a ground plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LidarKind {
    /// Convolutions over occupied voxels.
    Sparse,
    /// Columns of space, and SECOND over their picture from above.
    Pillars,
}

/// Which sensors the network was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sensors {
    /// Cameras and a LiDAR, either of which may be missing from an input.
    Both,
    /// A LiDAR alone: no camera branch, no fuser.
    Lidar,
    /// Cameras alone: no LiDAR branch, no fuser, a residual decoder.
    Camera,
}

/// One level of SECOND, and what SECONDFPN makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Channels.
    pub channels: usize,
    /// Convolutions after the first.
    pub layers: usize,
    /// Step of the first.
    pub stride: usize,
    /// From the level's size to the neck's.
    pub rescale: Rescale,
}

/// From a level's size to the neck's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rescale {
    /// A 2x2 convolution with step 2.
    Half,
    /// A 1x1 convolution.
    Same,
    /// A transposed 2x2 convolution.
    Double,
}

/// Levels of these channels, convolutions after the first, and steps, brought to one size.
pub(super) const fn levels<const N: usize>(
    channels: [usize; N],
    layers: [usize; N],
    stride: [usize; N],
    rescale: [Rescale; N],
) -> [Level; N] {
    let mut out = [Level { channels: 0, layers: 0, stride: 1, rescale: Rescale::Same }; N];
    let mut i = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; an index out of bounds would not build")]
    while i < N {
        out[i] = Level { channels: channels[i], layers: layers[i], stride: stride[i], rescale: rescale[i] };
        i += 1;
    }
    out
}

/// Two levels brought to the size of the first.
pub(super) const TWO: [Rescale; 2] = [Rescale::Same, Rescale::Double];
/// Three levels brought to the size of the second.
pub(super) const THREE: [Rescale; 3] = [Rescale::Half, Rescale::Same, Rescale::Double];
