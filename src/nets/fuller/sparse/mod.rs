//! The sparse LiDAR encoder: convolutions in space that only exist where points do (VoxelNet, SECOND).
//!
//! *In*: voxels of each sample with their mean points. *Out*: `[samples, channels * Z, X, Y]`, channel c * Z + z, rows along LiDAR x (Z is 2 as published).
//! *Invariant*: sites are kept in order (sample, x, y, z), so equal clouds give equal bits; an empty cloud gives zeros.
//! Graham et al., "3D Semantic Segmentation with Submanifold Sparse Convolutional Networks", CVPR 2018; Yan et al., "SECOND", 2018.

mod conv;
mod plain;
mod rule;

pub(super) use conv::SparseConv;
pub(super) use rule::{Rule, Shape, Sites};

use super::voxel::{POINT, Voxels, key};
use super::{FullerConfig, voxel};
use crate::nets::Taps;
use crate::nets::loader::Loader;
use crate::nets::profile::{Class, operator};
use crate::types::num;
use burn::tensor::{Device, Tensor, TensorData};

/// Sites and their features, row by row.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) sites: Sites,
    pub(super) features: Vec<f32>,
}

/// Two submanifold convolutions and a way around them.
#[derive(Debug)]
struct Basic([SparseConv; 2]);

#[derive(Debug)]
struct Stage {
    blocks: [Basic; 2],
    down: Option<SparseConv>,
}

/// The encoder.
#[derive(Debug)]
pub(super) struct SparseEncoder {
    input: SparseConv,
    stages: Vec<Stage>,
    output: SparseConv,
    grid: [usize; 3],
}

impl SparseEncoder {
    /// Reads the encoder under `prefix` (`encoders.lidar.backbone.`).
    pub(super) fn load(loader: &mut Loader, prefix: &str, config: &FullerConfig) -> Self {
        let [nx, ny, nz] = config.voxel_grid();
        let [first, .., last] = config.sparse;
        let input =
            SparseConv::load(loader, &format!("{prefix}conv_input.0"), &format!("{prefix}conv_input.1"), Shape::SAME, [POINT, first]);
        let nexts = config.sparse.iter().skip(1).map(Some).chain([None]);
        let stages = config.sparse.iter().zip(nexts).enumerate().map(|(index, (&channels, next))| {
            let name = format!("{prefix}encoder_layers.encoder_layer{}", index + 1);
            let mut basic = |block: usize| {
                Basic([1, 2].map(|n| {
                    let (conv, norm) = (format!("{name}.{block}.conv{n}"), format!("{name}.{block}.bn{n}"));
                    SparseConv::load(loader, &conv, &norm, Shape::SAME, [channels, channels])
                }))
            };
            let blocks = [basic(0), basic(1)];
            // The last halving does not pad along z.
            let shape = if index == 2 { Shape::DOWN_FLAT } else { Shape::DOWN };
            let down = next.map(|&next| SparseConv::load(loader, &format!("{name}.2.0"), &format!("{name}.2.1"), shape, [channels, next]));
            Stage { blocks, down }
        });
        let stages = stages.collect();
        let output = SparseConv::load(loader, &format!("{prefix}conv_out.0"), &format!("{prefix}conv_out.1"), Shape::OUT, [last, last]);
        // One cell more than there are voxels along z, as published.
        Self { input, stages, output, grid: [nx, ny, nz + 1] }
    }

    /// Voxels of all samples as sites in order, features with them.
    pub(super) fn sites(&self, samples: &[Voxels]) -> Active {
        let mut rows: Vec<(u64, [f32; POINT])> = Vec::with_capacity(samples.iter().map(|v| v.counts.len()).sum());
        for (sample, voxels) in samples.iter().enumerate() {
            let keys = voxels.coordinates.iter().map(|[x, y, z]| key([num::i32(sample), *x, *y, *z]));
            rows.extend(keys.zip(voxels.means()));
        }
        rows.sort_unstable_by_key(|(key, _)| *key);
        let features = rows.iter().flat_map(|(_, mean)| *mean).collect();
        Active { sites: Sites::new(rows.into_iter().map(|(key, _)| key).collect(), self.grid), features }
    }

    /// Every layer; `taps` get the stages.
    pub(super) fn forward(&self, input: Active, samples: usize, device: &Device, taps: &mut Taps) -> Tensor<4> {
        let mut x = input;
        for (index, stage) in self.stages.iter().enumerate() {
            let rule = pairs(|| Rule::same(&x.sites));
            if index == 0 {
                x.features = self.input.forward(&x.features, &rule, None);
                tap(taps, "conv_input", &x, device);
            }
            for Basic([first, second]) in &stage.blocks {
                let inner = first.forward(&x.features, &rule, None);
                x.features = second.forward(&inner, &rule, Some(&x.features));
            }
            if let Some(down) = &stage.down {
                let (sites, rule) = pairs(|| Rule::strided(&x.sites, down.shape()));
                x = Active { features: down.forward(&x.features, &rule, None), sites };
            }
            tap(taps, &format!("stage{}", index + 1), &x, device);
        }
        let (sites, rule) = pairs(|| Rule::strided(&x.sites, self.output.shape()));
        let out = Active { features: self.output.forward(&x.features, &rule, None), sites };
        let bev = dense(&out, self.output.outputs(), samples, device);
        taps.tap("sparse.bev", || bev.clone());
        bev
    }

    /// The same from gather, matrix product and scatter-add of tensor operations: the yardstick of the benchmark.
    pub(super) fn forward_plainly(&self, input: Active, samples: usize, device: &Device) -> Tensor<4> {
        let mut sites = input.sites;
        let rows = sites.len();
        let mut x = Tensor::<2>::from_data(TensorData::new(input.features, [rows, POINT]), device);
        for (index, stage) in self.stages.iter().enumerate() {
            let rule = Rule::same(&sites);
            if index == 0 {
                x = plain::forward(&self.input, x, &rule, None);
            }
            for Basic([first, second]) in &stage.blocks {
                let inner = plain::forward(first, x.clone(), &rule, None);
                x = plain::forward(second, inner, &rule, Some(x));
            }
            if let Some(down) = &stage.down {
                let (next, rule) = Rule::strided(&sites, down.shape());
                x = plain::forward(down, x, &rule, None);
                sites = next;
            }
        }
        let (sites, rule) = Rule::strided(&sites, self.output.shape());
        let features = plain::forward(&self.output, x, &rule, None).into_data();
        let features = features.as_slice::<f32>().map(<[f32]>::to_vec).unwrap_or_default();
        dense(&Active { sites, features }, self.output.outputs(), samples, device)
    }

    /// Multiply-adds for these voxels: pairs of sites times channels.
    pub(super) fn multiply_adds(&self, samples: &[Voxels]) -> u64 {
        let mut sites = self.sites(samples).sites;
        let mut total = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            let rule = Rule::same(&sites);
            let pairs = rule.pairs();
            total += if index == 0 { self.input.cost(pairs) } else { 0 };
            total += stage.blocks.iter().flat_map(|b| &b.0).map(|conv| conv.cost(pairs)).sum::<u64>();
            if let Some(down) = &stage.down {
                let (next, rule) = Rule::strided(&sites, down.shape());
                total += down.cost(rule.pairs());
                sites = next;
            }
        }
        total + self.output.cost(Rule::strided(&sites, self.output.shape()).1.pairs())
    }
}

/// Finding the pairs of sites is part of what sparse convolutions cost.
fn pairs<T>(work: impl FnOnce() -> T) -> T {
    operator(Class::Sparse, 0, work)
}

/// `[samples, C * Z, X, Y]`, channel c * Z + z.
fn dense(x: &Active, channels: usize, samples: usize, device: &Device) -> Tensor<4> {
    let [nx, ny, nz] = x.sites.grid();
    let mut out = vec![0.0_f32; samples * channels * nz * nx * ny];
    for (key, row) in x.sites.keys().iter().zip(x.features.chunks_exact(channels.max(1))) {
        let [b, i, j, k] = voxel::cell(*key).map(|v| usize::try_from(v).unwrap_or(0));
        let start = ((b * channels * nz + k) * nx + i) * ny + j;
        for (target, value) in out.iter_mut().skip(start).step_by(nz * nx * ny).zip(row) {
            *target = *value;
        }
    }
    Tensor::from_data(TensorData::new(out, [samples, channels * nz, nx, ny]), device)
}

fn tap(taps: &mut Taps, name: &str, x: &Active, device: &Device) {
    let rows = x.sites.len();
    if rows == 0 {
        taps.offer(&format!("sparse.{name}.indices"));
        taps.offer(&format!("sparse.{name}.features"));
        return;
    }
    if taps.wants(&format!("sparse.{name}.indices")) {
        let cells: Vec<i32> = x.sites.keys().iter().flat_map(|k| voxel::cell(*k).into_iter().skip(1)).collect();
        taps.host(&format!("sparse.{name}.indices"), TensorData::new(cells, [rows, 3]));
    }
    let columns = x.features.len().checked_div(rows).unwrap_or(0);
    taps.offer(&format!("sparse.{name}.indices"));
    taps.tap(&format!("sparse.{name}.features"), || Tensor::<2>::from_data(TensorData::new(x.features.clone(), [rows, columns]), device));
}
