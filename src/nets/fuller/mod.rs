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
mod example;
mod extents;
mod fixture;
mod frustum;
mod hash;
mod input;
mod kinds;
mod lidar;
pub mod losses;
mod map_head;
mod peaks;
mod pillars;
mod pool;
mod residual;
mod sparse;
pub mod targets;
mod timing;
mod transfusion;
mod view;
mod voxel;

pub use assign::assign;
pub use cards::{CARD_BASE, CARD_FIXTURE, CARD_TINY};
pub use center_head::{GROUPS, GroupMaps};
pub use config::FullerConfig;
pub use decode::{Detected, Suppression};
pub use depth_image::landings;
pub use example::{synthetic_rig, synthetic_sweep};
pub use extents::Extents;
pub use fixture::FixtureNet;
pub use frustum::CameraGeometry;
pub use kinds::{Level, LidarKind, ObjectKind, Rescale, Sensors, ViewKind};
pub use map_head::MAP_CLASSES;
pub use timing::{Side, Trial};
pub use transfusion::Proposals;
pub use view::Rig;
pub use voxel::{Cloud, POINT, VoxelRule, Voxels};

use super::blocks::ConvNorm;
use super::loader::{Loader, Report};
use super::{Card, Inputs, Model, Named, Origin, Taps};
use crate::types::{Error, Result};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use camera::CameraEncoder;
use center_head::CenterHead;
use decoder::Decoder;
use input::Scene;
use lidar::Lidar;
use map_head::MapHead;
use residual::ResidualDecoder;
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

/// From the ground plans to the one that the heads read.
#[derive(Debug)]
enum Trunk {
    /// SECOND and SECONDFPN.
    Second(Decoder),
    /// Of cameras alone.
    Residual(Box<ResidualDecoder>),
    /// Pillars alone bring their own.
    None,
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
    camera: Option<(CameraEncoder, View)>,
    lidar: Option<Lidar>,
    fuser: Option<ConvNorm>,
    decoder: Trunk,
    object: Option<ObjectHead>,
    map: Option<MapHead>,
    device: Device,
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
        let camera = (e.sensors != Sensors::Lidar).then(|| {
            let prefix = "encoders.camera.vtransform.";
            let encoder = CameraEncoder::load(loader, &config);
            let view = match e.view {
                ViewKind::Lss => View::lss(loader, prefix, &config, None),
                ViewKind::DepthLss => View::depth_lss(loader, prefix, &config, None),
            };
            (encoder, view)
        });
        let lidar = (e.sensors != Sensors::Camera).then(|| Lidar::load(loader, &config));
        let mut second = |width| Trunk::Second(Decoder::load(loader, "decoder.", width, &config.second, config.neck));
        let decoder = match (e.sensors, e.lidar_encoder) {
            (Sensors::Both, _) => second(config.fused),
            (Sensors::Lidar, LidarKind::Sparse) => second(config.lidar_channels()),
            (Sensors::Lidar, LidarKind::Pillars) => Trunk::None,
            (Sensors::Camera, _) => Trunk::Residual(Box::new(ResidualDecoder::load(loader, &config))),
        };
        let object = match e.object_head {
            ObjectKind::Transfusion => Some(ObjectHead::TransFusion(Box::new(TransFusion::load(loader, &config)))),
            ObjectKind::Center => Some(ObjectHead::Center(Box::new(CenterHead::load(loader, &config)))),
            ObjectKind::None => None,
        };
        Self {
            card,
            fuser: (e.sensors == Sensors::Both).then(|| decoder::fuser(loader, &config)),
            decoder,
            camera,
            lidar,
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
        let Some((encoder, view)) = &self.camera else {
            return Err(Error::mismatch("`sensors = \"both\"`, for pictures", "a network of a LiDAR alone", NAME));
        };
        let Some((images, rig)) = images else { return Ok(view.empty(samples, &self.device)) };
        let features = encoder.forward(images, taps);
        let [_, _, rows, columns] = features.dims();
        view.tap_geometry(rig, [rows, columns], &self.device, taps);
        view.forward(features, rig, clouds, taps)
    }

    /// The LiDAR branch, `[samples, channels, X, Y]`.
    ///
    /// # Errors
    /// The network has cameras alone.
    pub fn lidar_features(&self, clouds: &[Cloud], taps: &mut Taps) -> Result<Tensor<4>> {
        let Some(lidar) = &self.lidar else {
            return Err(Error::mismatch("`sensors = \"both\"`, for points", "a network of cameras alone", NAME));
        };
        Ok(lidar.forward(clouds, &self.device, taps))
    }

    /// Both ground plans, the camera's first, or that of the only sensor, to the one that the heads read.
    pub fn trunk(&self, plans: Vec<Tensor<4>>, taps: &mut Taps) -> Tensor<4> {
        let mut fused = Tensor::cat(plans, 1);
        if let Some(fuser) = &self.fuser {
            fused = fuser.forward(fused);
            taps.tap("fuser.out", || fused.clone());
        }
        self.decode(fused, taps)
    }

    fn decode(&self, fused: Tensor<4>, taps: &mut Taps) -> Tensor<4> {
        let out = match &self.decoder {
            Trunk::Second(decoder) => decoder.forward(fused, taps, "decoder."),
            Trunk::Residual(decoder) => decoder.forward(fused, taps),
            Trunk::None => return fused,
        };
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
        // Points in the pictures are part of depth-aware lifting, also without a LiDAR branch.
        let points = clouds.iter().any(|c| !c.points.is_empty()) && self.config.extents.view == ViewKind::Lss;
        let mut plans = Vec::with_capacity(2);
        if images.is_some() || self.camera.is_some() {
            plans.push(self.camera_features(images, clouds, samples, taps)?);
        }
        if points || self.lidar.is_some() {
            plans.push(self.lidar_features(clouds, taps)?);
        }
        self.heads(self.trunk(plans, taps), taps, "object")
    }

    /// How CenterHead's boxes are thinned out where nobody says otherwise: as the published networks of these sensors do.
    pub const fn suppression(&self) -> Suppression {
        if matches!(self.config.extents.sensors, Sensors::Camera) { Suppression::Mixed } else { Suppression::Circle }
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

    fn example(&self, height: usize, width: usize) -> Option<Named> {
        let both = example::example(height, width);
        let points = self.lidar.is_some() || self.config.extents.view == ViewKind::DepthLss;
        let seen = |name: &str| if name.starts_with("points.") { points } else { self.camera.is_some() };
        Some(both.into_iter().filter(|(name, _)| seen(name)).collect())
    }
}
