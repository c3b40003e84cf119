//! The LiDAR branch: voxels through sparse convolutions, or pillars through a SECOND over their picture from above.
//!
//! *In*: clouds. *Out*: `[samples, channels, X, Y]` on the heads' grid, rows along LiDAR x. *Invariant*: an empty cloud is a ground plan like
//! any other. Published networks of pillars have a LiDAR alone, and their SECOND is the decoder; where a fuser and a decoder follow,
//! it has a name of its own (`encoders.lidar.second`), which no published file knows.

use super::decoder::Decoder;
use super::input;
use super::pillars::{self, Pillars};
use super::sparse::SparseEncoder;
use super::{Cloud, Extents, FullerConfig, LidarKind, Sensors, VoxelRule, Voxels};
use crate::nets::Taps;
use crate::nets::loader::Loader;
use crate::nets::profile::{Class, operator};
use crate::types::num;
use burn::tensor::{Device, Tensor};

/// The cells that a configuration cuts space into.
pub(super) fn rule_of(e: &Extents, size: [f64; 3], grid: [usize; 3], max_points: usize, max_voxels: usize) -> VoxelRule {
    let [x, y, z, ..] = e.point_range.map(num::f32);
    VoxelRule { low: [x, y, z], size: size.map(num::f32), grid, max_points, max_voxels }
}

/// The branch.
#[derive(Debug)]
pub(super) enum Lidar {
    Sparse(Box<(SparseEncoder, VoxelRule)>),
    Pillars(Box<(Pillars, Decoder)>),
}

impl Lidar {
    pub(super) fn load(loader: &mut Loader, config: &FullerConfig) -> Self {
        let (e, prefix) = (&config.extents, "encoders.lidar.backbone.");
        match e.lidar_encoder {
            LidarKind::Sparse => {
                let rule = rule_of(e, e.voxel_size, config.voxel_grid(), e.max_points_per_voxel, e.max_voxels);
                Self::Sparse(Box::new((SparseEncoder::load(loader, prefix, config), rule)))
            }
            LidarKind::Pillars => {
                let second = if e.sensors == Sensors::Lidar { "decoder." } else { "encoders.lidar.second." };
                let encoder = Pillars::load(loader, prefix, config);
                let second = Decoder::load(loader, second, pillars::CHANNELS, &config.pillar_second, config.pillar_neck);
                Self::Pillars(Box::new((encoder, second)))
            }
        }
    }

    pub(super) fn forward(&self, clouds: &[Cloud], device: &Device, taps: &mut Taps) -> Tensor<4> {
        match self {
            Self::Sparse(branch) => {
                let (encoder, rule) = &**branch;
                let voxels: Vec<Voxels> = operator(Class::Own, 0, || clouds.iter().map(|c| rule.apply(&c.points, false)).collect());
                input::tap_voxels(&voxels, taps);
                encoder.forward(encoder.sites(&voxels), clouds.len(), device, taps)
            }
            Self::Pillars(branch) => {
                let (encoder, second) = &**branch;
                let canvas = encoder.forward(clouds, device);
                taps.tap("pillar.bev", || canvas.clone());
                let out = second.forward(canvas, taps, "pillar.");
                taps.tap("pillar.out", || out.clone());
                out
            }
        }
    }

    /// The sparse encoder and its voxels, where that is the branch.
    pub(super) fn sparse(&self) -> Option<&(SparseEncoder, VoxelRule)> {
        match self {
            Self::Sparse(branch) => Some(branch),
            Self::Pillars(_) => None,
        }
    }
}
