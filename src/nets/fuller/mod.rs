//! FULLER: cameras and LiDAR on one ground plan, from which boxes and map layers are read. At inference it is BEVFusion.
//!
//! *In*: images `[samples, cameras, 3, H, W]` with their geometry, clouds in the LiDAR frame. *Out*: proposals or centre maps, map logits; decoded
//! boxes. Ground plans are `[samples, C, X, Y]`: rows along LiDAR x, columns along LiDAR y. *Invariant*: a missing sensor is an
//! input like any other: no camera counts as cameras that see nothing of the grid, no LiDAR as an empty cloud.
//! Huang et al., "FULLER", ICCV 2023; Liu et al., "BEVFusion", ICRA 2023. The training side is in [`crate::nets::multitask`].

mod assign;
pub mod boxes;
mod camera;
mod cards;
mod center_head;
mod config;
pub mod decode;
mod decoder;
mod depth_image;
mod fixture;
mod frustum;
mod hash;
mod input;
pub mod losses;
mod map_head;
mod peaks;
mod pillars;
mod pool;
mod sparse;
pub mod targets;
mod timing;
mod transfusion;
mod view;
mod voxel;

pub use assign::assign;
pub use cards::{CARD_BASE, CARD_FIXTURE, CARD_TINY};
pub use center_head::{GROUPS, GroupMaps};
pub use config::{Extents, FullerConfig, ObjectKind, ViewKind};
pub use decode::{Detected, Suppression};
pub use depth_image::landings;
pub use fixture::FixtureNet;
pub use frustum::CameraGeometry;
pub use map_head::MAP_CLASSES;
pub use timing::{Side, Trial, synthetic_rig, synthetic_sweep};
pub use transfusion::Proposals;
pub use view::Rig;
pub use voxel::{Cloud, POINT, VoxelRule, Voxels};

use super::blocks::ConvNorm;
use super::loader::{Loader, Report};
use super::{Card, Inputs, Model, Origin, Taps};
use crate::types::{Error, Result, num};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use camera::CameraEncoder;
use center_head::CenterHead;
use decoder::Decoder;
use input::Scene;
use map_head::MapHead;
use sparse::SparseEncoder;
use transfusion::TransFusion;
use view::View;

/// The name on the command line.
pub const NAME: &str = "fuller";

/// The detection head.
#[derive(Debug)]
enum ObjectHead {
    TransFusion(Box<TransFusion>),
    Center(Box<CenterHead>),
}

/// What the heads say.
#[derive(Debug, Clone)]
pub struct Findings {
    /// Of TransFusion.
    pub proposals: Option<Proposals>,
    /// Of CenterHead, group by group.
    pub centres: Option<Vec<GroupMaps>>,
    /// `[samples, layers, map X, map Y]`, in 0..1.
    pub map: Option<Tensor<4>>,
}

/// The network.
#[derive(Debug)]
pub struct Fuller {
    card: &'static Card,
    config: FullerConfig,
    camera: CameraEncoder,
    view: View,
    lidar: SparseEncoder,
    voxels: VoxelRule,
    fuser: ConvNorm,
    decoder: Decoder,
    object: Option<ObjectHead>,
    map: Option<MapHead>,
    device: Device,
}

/// The cells that a configuration cuts space into.
fn rule_of(e: &Extents, size: [f64; 3], grid: [usize; 3], max_points: usize, max_voxels: usize) -> VoxelRule {
    let [x, y, z, ..] = e.point_range.map(num::f32);
    VoxelRule { low: [x, y, z], size: size.map(num::f32), grid, max_points, max_voxels }
}

impl Fuller {
    /// Builds `base` or `tiny`, its extents changed by `changes`.
    ///
    /// # Errors
    /// The preset is unknown, the changes make no sense, or the weights do not fit.
    pub fn load(preset: &str, changes: &toml::Table, origin: Origin, device: &Device) -> Result<(Self, Report)> {
        let card = super::card::find(NAME, preset)?;
        let config = if card.preset == CARD_TINY.preset { FullerConfig::TINY } else { FullerConfig::BASE };
        let config = config.with(changes)?;
        let (mut loader, partial) = origin.open(device)?;
        let network = Self::assemble(&mut loader, card, config);
        Ok((network, loader.finish(partial)?))
    }

    fn assemble(loader: &mut Loader, card: &'static Card, config: FullerConfig) -> Self {
        let e = &config.extents;
        let camera = CameraEncoder::load(loader, &config);
        let prefix = "encoders.camera.vtransform.";
        let view = match e.view {
            ViewKind::Lss => View::lss(loader, prefix, &config, None),
            ViewKind::DepthLss => View::depth_lss(loader, prefix, &config, None),
        };
        let object = match e.object_head {
            ObjectKind::Transfusion => Some(ObjectHead::TransFusion(Box::new(TransFusion::load(loader, &config)))),
            ObjectKind::Center => Some(ObjectHead::Center(Box::new(CenterHead::load(loader, &config)))),
            ObjectKind::None => None,
        };
        let voxels = rule_of(e, e.voxel_size, config.voxel_grid(), e.max_points_per_voxel, e.max_voxels);
        Self {
            card,
            camera,
            view,
            lidar: SparseEncoder::load(loader, "encoders.lidar.backbone.", &config),
            voxels,
            fuser: decoder::fuser(loader, &config),
            decoder: Decoder::load(loader, &config),
            object,
            map: e.map_head.then(|| MapHead::load(loader, &config)),
            device: loader.device().clone(),
            config,
        }
    }

    /// How many parameters these sizes have; BatchNorm statistics left out.
    pub fn count(config: &FullerConfig, device: &Device) -> usize {
        let mut loader = Loader::from_seed(0, device);
        let _ = Self::assemble(&mut loader, &CARD_BASE, config.clone());
        loader.parameters()
    }

    /// Its sizes.
    pub const fn config(&self) -> &FullerConfig {
        &self.config
    }

    /// The camera branch: images `[samples * cameras, 3, H, W]`, normalised, to `[samples, context, X, Y]`; no images, see the module.
    ///
    /// # Errors
    /// The rig does not fit the images.
    pub fn camera_features(
        &self,
        images: Option<(Tensor<4>, &Rig)>,
        clouds: &[Cloud],
        samples: usize,
        taps: &mut Taps,
    ) -> Result<Tensor<4>> {
        let Some((images, rig)) = images else { return Ok(self.view.empty(samples, &self.device)) };
        let features = self.camera.forward(images, taps);
        let [_, _, rows, columns] = features.dims();
        self.view.tap_geometry(rig, [rows, columns], &self.device, taps);
        self.view.forward(features, rig, clouds, taps)
    }

    /// The LiDAR branch, `[samples, 2 * channels, X, Y]`.
    pub fn lidar_features(&self, clouds: &[Cloud], taps: &mut Taps) -> Tensor<4> {
        let voxels: Vec<Voxels> = clouds.iter().map(|c| self.voxels.apply(&c.points, false)).collect();
        input::tap_voxels(&voxels, taps);
        self.lidar.forward(self.lidar.sites(&voxels), clouds.len(), &self.device, taps)
    }

    /// Both ground plans to the one that the heads read.
    pub fn trunk(&self, camera: Tensor<4>, lidar: Tensor<4>, taps: &mut Taps) -> Tensor<4> {
        let fused = self.fuser.forward(Tensor::cat(vec![camera, lidar], 1));
        taps.tap("fuser.out", || fused.clone());
        let out = self.decoder.forward(fused, taps);
        taps.tap("decoder.neck.out", || out.clone());
        out
    }

    /// The heads. `tap` is the first part of the names of the detection head's taps.
    ///
    /// # Errors
    /// The map has another size than the configuration's.
    pub fn heads(&self, features: Tensor<4>, taps: &mut Taps, tap: &str) -> Result<Findings> {
        let mut found = Findings { proposals: None, centres: None, map: None };
        match &self.object {
            Some(ObjectHead::TransFusion(head)) => found.proposals = Some(head.forward(features.clone(), taps, tap)?),
            Some(ObjectHead::Center(head)) => found.centres = Some(head.forward(features.clone(), taps)),
            None => {}
        }
        found.map = self.map.as_ref().map(|head| sigmoid(head.forward(features, taps, "map.grid")));
        Ok(found)
    }

    /// Everything: images and clouds to findings.
    ///
    /// # Errors
    /// The rig does not fit the images, or the device fails.
    pub fn forward(&self, images: Option<(Tensor<4>, &Rig)>, clouds: &[Cloud], taps: &mut Taps) -> Result<Findings> {
        let samples = clouds.len();
        if let Some((_, rig)) = &images
            && rig.count[0] != samples
        {
            return Err(Error::mismatch(format!("{} clouds, one a sample", rig.count[0]), samples.to_string(), "FULLER"));
        }
        let camera = self.camera_features(images, clouds, samples, taps)?;
        let lidar = self.lidar_features(clouds, taps);
        self.heads(self.trunk(camera, lidar, taps), taps, "object")
    }

    /// The boxes of each sample.
    ///
    /// # Errors
    /// The device fails.
    pub fn boxes(&self, found: &Findings, suppression: Suppression) -> Result<Vec<Vec<Detected>>> {
        if let Some(proposals) = &found.proposals {
            let all = decode::proposals(&self.config, proposals)?;
            return Ok(all.iter().map(|boxes| decode::kept(&self.config, boxes)).collect());
        }
        found.centres.as_ref().map_or_else(|| Ok(Vec::new()), |groups| decode::centres(&self.config, groups, suppression))
    }
}

impl Model for Fuller {
    fn card(&self) -> &'static Card {
        self.card
    }

    fn run(&self, inputs: &Inputs<'_>, taps: &mut Taps) -> Result<()> {
        let scene = Scene::read(inputs)?;
        let found = self.forward(scene.images(), &scene.clouds, taps)?;
        input::write(self, &found, taps)
    }
}
