//! Camera features to the ground: LSS, and LSS that also sees the LiDAR points in each picture.
//!
//! *In*: features `[samples * cameras, C, h, w]`, the cameras' geometry, for depth-aware lifting the clouds. *Out*: `[samples, context, X, Y]`
//! at half the grid's resolution, rows along LiDAR x, columns along LiDAR y. *Invariant*: no camera at all gives the same as
//! cameras that see nothing of the grid. Philion & Fidler, "Lift, Splat, Shoot", ECCV 2020; BEVFusion, ICRA 2023.

use super::depth_image::depth_image;
use super::frustum::{CameraGeometry, Cells, Frustum};
use super::pool::{Lift, padded, pool};
use super::{Cloud, FullerConfig};
use crate::nets::Taps;
use crate::nets::blocks::{Activation, Conv, ConvNorm, ConvShape, to_tokens};
use crate::nets::loader::Loader;
use crate::nets::profile::{Class, operator};
use crate::types::{Error, Result};
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use nalgebra::Matrix4;

const DEPTH_CHANNELS: usize = 64;

/// The cameras of a batch.
#[derive(Debug, Clone)]
pub struct Rig {
    /// Samples and cameras of each.
    pub count: [usize; 2],
    /// Rows and columns of the network's images.
    pub image: [usize; 2],
    /// Sample by sample, camera by camera.
    pub cameras: Vec<CameraGeometry>,
    /// Of each sample: the augmented LiDAR frame from the LiDAR frame.
    pub augmentation: Vec<Matrix4<f32>>,
}

impl Rig {
    /// Each camera with its sample's augmentation.
    pub(super) fn each(&self) -> impl Iterator<Item = (&CameraGeometry, &Matrix4<f32>)> {
        self.cameras.chunks(self.count[1].max(1)).zip(&self.augmentation).flat_map(|(cameras, a)| cameras.iter().map(move |c| (c, a)))
    }
}

/// How pixels get scores for their depths, and the features that are lifted.
#[derive(Debug)]
enum Net {
    Picture(Box<Conv>),
    Depth(Box<DepthNet>),
}

/// Convolutions over the depth picture, over both together, and the last one.
#[derive(Debug)]
struct DepthNet {
    points: [ConvNorm; 3],
    mix: [ConvNorm; 2],
    last: Conv,
}

/// The transform.
#[derive(Debug)]
pub(super) struct View {
    net: Net,
    downsample: [ConvNorm; 3],
    cells: Cells,
    depths: usize,
    context: usize,
    config: FullerConfig,
    /// First part of its taps' names.
    tap: &'static str,
}

impl View {
    /// LSS under `encoders.camera.vtransform.`; buffers that repeat the configuration are not read.
    pub(super) fn lss(loader: &mut Loader, prefix: &str, config: &FullerConfig, downsample: Option<&Self>) -> Self {
        let depths = config.depths();
        let shape = ConvShape::same(config.pyramid, depths + config.context, 1);
        let net = Net::Picture(Box::new(Conv::load(loader, &format!("{prefix}depthnet"), shape, true)));
        Self::rest(loader, prefix, config, downsample, net, "lss")
    }

    /// Depth-aware LSS under the same prefix. Where both live side by side they share `downsample`.
    pub(super) fn depth_lss(loader: &mut Loader, prefix: &str, config: &FullerConfig, downsample: Option<&Self>) -> Self {
        let depths = config.depths();
        let mut block = |name: &str, at: usize, shape| {
            ConvNorm::load(loader, &format!("{prefix}{name}.{at}"), &format!("{prefix}{name}.{}", at + 1), shape, true, Activation::Relu)
        };
        let wide = |inputs, outputs, stride| ConvShape::same(inputs, outputs, 5).stride(stride);
        let points = [
            block("dtransform", 0, ConvShape::same(1, 8, 1)),
            block("dtransform", 3, wide(8, 32, 4)),
            block("dtransform", 6, wide(32, DEPTH_CHANNELS, 2)),
        ];
        let mix = [
            block("depthnet", 0, ConvShape::same(config.pyramid + DEPTH_CHANNELS, config.pyramid, 3)),
            block("depthnet", 3, ConvShape::same(config.pyramid, config.pyramid, 3)),
        ];
        let shape = ConvShape::same(config.pyramid, depths + config.context, 1);
        let last = Conv::load(loader, &format!("{prefix}depthnet.6"), shape, true);
        Self::rest(loader, prefix, config, downsample, Net::Depth(Box::new(DepthNet { points, mix, last })), "depth_lss")
    }

    fn rest(loader: &mut Loader, prefix: &str, config: &FullerConfig, shared: Option<&Self>, net: Net, tap: &'static str) -> Self {
        for constant in ["dx", "bx", "nx", "frustum"] {
            loader.tolerate(&format!("{prefix}{constant}"));
        }
        let levels = config.camera_grid()[2];
        let context = config.context;
        let mut block = |at: usize, inputs, stride| {
            let shape = ConvShape::same(inputs, context, 3).stride(stride);
            let name = |at: usize| format!("{prefix}downsample.{at}");
            ConvNorm::load(loader, &name(at), &name(at + 1), shape, false, Activation::Relu)
        };
        let downsample = match shared {
            Some(view) => view.downsample.clone(),
            None => [block(0, context * levels, 1), block(3, context, 2), block(6, context, 1)],
        };
        let e = &config.extents;
        Self {
            net,
            downsample,
            cells: Cells::new([e.camera_bev_x, e.camera_bev_y, e.camera_bev_z]),
            depths: config.depths(),
            context,
            config: config.clone(),
            tap,
        }
    }

    /// Without cameras: what the ground looks like when nothing was lifted onto it.
    pub(super) fn empty(&self, samples: usize, device: &Device) -> Tensor<4> {
        let [nx, ny, nz] = self.cells.count;
        self.downsample.iter().fold(Tensor::zeros([samples, self.context * nz, nx, ny], device), |x, block| block.forward(x))
    }

    /// Lifts and pools.
    pub(super) fn forward(&self, features: Tensor<4>, rig: &Rig, clouds: &[Cloud], taps: &mut Taps) -> Result<Tensor<4>> {
        let [images, _, rows, columns] = features.dims();
        let [samples, cameras] = rig.count;
        if images != rig.cameras.len() || images != samples * cameras || rig.augmentation.len() != samples {
            let found = format!("{images} images, {} cameras, {} augmentations", rig.cameras.len(), rig.augmentation.len());
            return Err(Error::mismatch(format!("{samples} samples of {cameras} cameras"), found, "view transform"));
        }
        let device = features.device();
        let frustum = Frustum::new(&self.config, rig.image, [rows, columns]);
        let values = self.values(features, rig, clouds, taps);
        taps.tap(&format!("{}.depth", self.tap), || softmax(values.clone().narrow(1, 0, self.depths), 1));
        let host = crate::nets::to_host(to_tokens(values))?;
        let host = host.as_slice::<f32>().map_err(|e| Error::unavailable("depth scores", e.to_string()))?;
        let [nx, ny, nz] = self.cells.count;
        let sums = operator(Class::Own, 0, || {
            let runs: Vec<_> = rig.each().map(|(camera, augmentation)| frustum.columns(camera, augmentation, &self.cells)).collect();
            pool(&Lift { values: host, cameras, size: frustum.size(), channels: self.context, runs: &runs }, &self.cells)
        });
        let pooled = TensorData::new(sums, [samples, padded(self.context), nz, nx * ny]);
        let pooled = Tensor::<4>::from_data(pooled, &device).narrow(1, 0, self.context);
        // Levels are stacked level by level, each with all its channels.
        let pooled = if nz == 1 { pooled } else { pooled.swap_dims(1, 2) };
        let pooled = pooled.reshape([samples, nz * self.context, nx, ny]);
        taps.tap(&format!("{}.pooled", self.tap), || pooled.clone());
        let bev = self.downsample.iter().fold(pooled, |x, block| block.forward(x));
        taps.tap(&format!("{}.bev", self.tap), || bev.clone());
        Ok(bev)
    }

    /// Scores of depths and features of every pixel, `[images, depths + context, rows, columns]`.
    fn values(&self, features: Tensor<4>, rig: &Rig, clouds: &[Cloud], taps: &mut Taps) -> Tensor<4> {
        match &self.net {
            Net::Picture(conv) => conv.forward(features),
            Net::Depth(net) => {
                let [height, width] = rig.image;
                let device = features.device();
                let depth = depth_image(rig, clouds);
                let depth = Tensor::<4>::from_data(TensorData::new(depth, [rig.cameras.len(), 1, height, width]), &device);
                let [samples, cameras] = rig.count;
                taps.tap("depth_lss.depth_image", || depth.clone().reshape([samples, cameras, 1, height, width]));
                let depth = net.points.iter().fold(depth, |x, block| block.forward(x));
                let [_, _, rows, columns] = features.dims();
                // An image whose size is no multiple of 8: both are rounded up, the one by strides, the other by the encoder.
                let depth = crate::nets::blocks::resize(depth, [rows, columns]);
                let mixed = net.mix.iter().fold(Tensor::cat(vec![depth, features], 1), |x, block| block.forward(x));
                net.last.forward(mixed)
            }
        }
    }

    /// Points and cells of every pixel and depth, as taps.
    pub(super) fn tap_geometry(&self, rig: &Rig, feature: [usize; 2], device: &Device, taps: &mut Taps) {
        taps.offer("view.geometry");
        taps.offer("view.cell");
        if !taps.wants("view.geometry") && !taps.wants("view.cell") {
            return;
        }
        let frustum = Frustum::new(&self.config, rig.image, feature);
        let points: Vec<f32> = rig.each().flat_map(|(camera, augmentation)| frustum.points(camera, augmentation)).collect();
        let cells: Vec<i32> = points.as_chunks::<3>().0.iter().flat_map(|p| self.cells.index(*p)).collect();
        let [samples, cameras] = rig.count;
        let [depths, rows, columns] = frustum.size();
        let shape = [samples, cameras, depths, rows, columns, 3];
        taps.tap("view.geometry", || Tensor::<6>::from_data(TensorData::new(points, shape), device));
        taps.host("view.cell", TensorData::new(cells, shape));
    }

    /// What [`Self::forward`] pools, made of tensor operations alone: the yardstick of the benchmark.
    pub(super) fn pool_plainly(&self, values: Tensor<4>, rig: &Rig) -> Tensor<4> {
        let device = values.device();
        let [images, _, rows, columns] = values.dims();
        let frustum = Frustum::new(&self.config, rig.image, [rows, columns]);
        let [nx, ny, nz] = self.cells.count;
        let points: Vec<f32> = rig.each().flat_map(|(camera, augmentation)| frustum.points(camera, augmentation)).collect();
        let count = self.cells.count.map(crate::types::num::i32);
        let number = |p: &[f32; 3]| {
            let [x, y, z] = self.cells.index(*p);
            let inside = (0..count[0]).contains(&x) && (0..count[1]).contains(&y) && (0..count[2]).contains(&z);
            // One more cell takes what lies outside.
            if inside { (z * count[0] + x) * count[1] + y } else { count[0] * count[1] * count[2] }
        };
        let cells: Vec<i32> = points.as_chunks::<3>().0.iter().map(number).collect();
        let index = Tensor::<1, Int>::from_data(TensorData::new(cells, [images * self.depths * rows * columns]), &device);
        let weights = softmax(values.clone().narrow(1, 0, self.depths), 1).unsqueeze_dim::<5>(4);
        let context = values.narrow(1, self.depths, self.context).permute([0, 2, 3, 1]).unsqueeze_dim::<5>(1);
        let lifted = (weights * context).reshape([images * self.depths * rows * columns, self.context]);
        let sums = Tensor::<2>::zeros([nx * ny * nz + 1, self.context], &device);
        let sums = sums.select_assign(0, index, lifted, burn::tensor::IndexingUpdateOp::Add);
        sums.narrow(0, 0, nx * ny * nz).transpose().reshape([1, self.context * nz, nx, ny])
    }
}
