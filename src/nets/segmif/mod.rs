//! SegMiF: infrared and visible images become one fused image, and that image is segmented.
//!
//! *In*: `ir` (channel 0), `vis` (RGB) and `mask` (a grey prior image), NCHW, all in 0..1, aligned. *Out*: fused luminance, fused RGB, logits.
//! *Invariant*: float32 results agree with the published network within the parity test's tolerances.
//! Liu et al., "Multi-interactive Feature Learning and a Full-time Multi-modality Benchmark for Image Fusion and Segmentation", ICCV 2023.

mod cards;
mod classes;
mod colour;
mod comparisons;
mod fusion;
mod head;
mod interaction;
mod options;

pub use cards::{CARD_BASE, CARD_TINY};
pub use classes::class_list;
pub use colour::{from_ycrcb, to_ycrcb};
pub use comparisons::comparisons;
pub use options::SegMifConfig;

use super::blocks::{Mit, StageOutput, resize};
use super::loader::{Loader, Report};
use super::{Card, Inputs, Model, Named, Origin, Taps};
use crate::types::{Error, Result, num};
use burn::tensor::{Device, Tensor, TensorData};
use fusion::FusionNet;
use head::Head;
use toml::Table;

/// The name on the command line.
pub const NAME: &str = "segmif";
const ENCODER: &str = "seg.denoise_net.encoder.";
const DECODER: &str = "seg.denoise_net.decoder.";

/// Which plane of the visible image the fusion network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Plane {
    /// Luminance, as in training.
    #[default]
    Luminance,
    /// Red, as in the official test script.
    Red,
}

/// The grey prior image where none is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prior {
    /// The visible image's luminance, as the authors did where they had no prior.
    #[default]
    Visible,
    /// The infrared image.
    Infrared,
    /// The larger of both at each pixel.
    Maximum,
}

impl Prior {
    /// The prior `[batch, 1, H, W]` of an infrared image (channel 0) and a visible one (RGB) of the same size.
    pub fn of(self, ir: &Tensor<4>, vis: &Tensor<4>) -> Tensor<4> {
        let infrared = || ir.clone().narrow(1, 0, 1);
        let luminance = || to_ycrcb(vis.clone()).narrow(1, 0, 1);
        match self {
            Self::Visible => luminance(),
            Self::Infrared => infrared(),
            Self::Maximum => infrared().max_pair(luminance()),
        }
    }
}

/// A fused image.
#[derive(Debug, Clone)]
pub struct Fused {
    /// `[batch, 1, H, W]`, not clipped.
    pub luminance: Tensor<4>,
    /// `[batch, 3, H, W]`, RGB in 0..1.
    pub rgb: Tensor<4>,
}

/// Both networks.
#[derive(Debug)]
pub struct SegMif {
    card: &'static Card,
    fusion: FusionNet,
    encoder: Mit,
    head: Head,
    mean: Tensor<4>,
    deviation: Tensor<4>,
    classes: usize,
    plane: Plane,
    prior: Prior,
}

impl SegMif {
    /// Builds a preset (`base`, `tiny`).
    ///
    /// # Errors
    /// The preset is unknown or the weights do not fit.
    pub fn load(preset: &str, origin: Origin, device: &Device) -> Result<(Self, Report)> {
        Self::load_with(preset, origin, &Table::new(), device)
    }

    /// Builds a preset with the changes of a table (the keys of its card).
    ///
    /// # Errors
    /// As [`SegMif::load`], or a key or value is none that the network has.
    pub fn load_with(preset: &str, origin: Origin, changes: &Table, device: &Device) -> Result<(Self, Report)> {
        let card = super::card::find(NAME, preset)?;
        let config = SegMifConfig::of(card, changes)?;
        let (mut loader, partial) = origin.open(device)?;
        let network = Self::assemble(&mut loader, card, &config);
        Ok((network, loader.finish(partial)?))
    }

    /// Builds a preset from a loader that is already there, for training from [`Loader::from_leaves`].
    ///
    /// # Errors
    /// As [`SegMif::load_with`], the weights left out.
    pub fn from_loader(loader: &mut Loader, preset: &str, changes: &Table) -> Result<Self> {
        let card = super::card::find(NAME, preset)?;
        Ok(Self::assemble(loader, card, &SegMifConfig::of(card, changes)?))
    }

    fn assemble(loader: &mut Loader, card: &'static Card, config: &SegMifConfig) -> Self {
        // Stored in the published files, part of no pass.
        loader.tolerate("fusion.ffm2.");
        loader.tolerate("seg.denoise_net.classifier.");
        let found = loader.shape_of(&format!("{DECODER}linear_pred.bias"));
        let classes = found.and_then(|shape| shape.first().copied()).filter(|n| (2..=1024).contains(n)).unwrap_or(config.classes);
        let channels = |values: [f32; 3]| loader.upload(values.to_vec(), [1, 3, 1, 1]);
        let (mean, deviation) = (channels([123.675, 116.28, 103.53]), channels([58.395, 57.12, 57.375]));
        Self {
            card,
            fusion: FusionNet::load(loader, "fusion.", config),
            encoder: Mit::load(loader, ENCODER, &config.encoder),
            head: Head::load(loader, DECODER, config.encoder.channels(), config.embedding, classes),
            mean,
            deviation,
            classes,
            plane: config.plane,
            prior: config.prior,
        }
    }

    /// How many parameters these sizes have; BatchNorm statistics and stored but unused tensors left out.
    pub fn count(config: &SegMifConfig, device: &Device) -> usize {
        let mut loader = Loader::from_seed(0, device);
        let _ = Self::assemble(&mut loader, &CARD_BASE, config);
        loader.parameters()
    }

    /// How many classes the logits have.
    pub const fn classes(&self) -> usize {
        self.classes
    }

    /// Fuses aligned images; `prior` has one or three equal channels (without a prior, pass the visible image's luminance).
    ///
    /// # Errors
    /// The shapes do not fit each other, or the image is smaller than [`Mit::SMALLEST`].
    pub fn fuse(&self, ir: Tensor<4>, vis: Tensor<4>, prior: Tensor<4>, plane: Plane) -> Result<Fused> {
        let scene = Scene::check(ir, vis, Ok(prior))?;
        let features = self.encoder.forward(scene.prior.clone(), 2);
        Ok(self.fuse_scene(&scene, &features, plane, &mut Taps::default()))
    }

    /// Logits `[batch, classes, ceil(H/4), ceil(W/4)]` of an RGB image in 0..1.
    ///
    /// # Errors
    /// The image does not have three channels or is too small.
    pub fn segment(&self, rgb: Tensor<4>) -> Result<Tensor<4>> {
        let [_, channels, height, width] = rgb.dims();
        if channels != 3 || height.min(width) < Mit::SMALLEST {
            let wanted = format!("3 channels and at least {0}x{0}", Mit::SMALLEST);
            return Err(Error::mismatch(wanted, format!("{:?}", rgb.dims()), "the image to segment"));
        }
        Ok(self.segment_rgb(rgb, &mut Taps::default()))
    }

    fn fuse_scene(&self, scene: &Scene, features: &[StageOutput], plane: Plane, taps: &mut Taps) -> Fused {
        let ycrcb = to_ycrcb(scene.vis.clone());
        taps.tap("ycrcb", || ycrcb.clone());
        let guide = match plane {
            Plane::Luminance => ycrcb.clone().narrow(1, 0, 1),
            Plane::Red => scene.vis.clone().narrow(1, 0, 1),
        };
        let luminance = self.fusion.forward(scene.ir.clone(), guide, features, taps);
        let rgb = from_ycrcb(luminance.clone(), ycrcb.narrow(1, 1, 2)).clamp(0.0, 1.0);
        Fused { luminance, rgb }
    }

    fn segment_rgb(&self, rgb: Tensor<4>, taps: &mut Taps) -> Tensor<4> {
        let normal = (rgb * 255.0 - self.mean.clone()) / self.deviation.clone();
        let stages = self.encoder.forward(normal, 4);
        for (index, stage) in stages.iter().enumerate() {
            taps.tap(&format!("seg.norm{}", index + 1), || stage.tokens.clone());
        }
        self.head.forward(&stages, taps)
    }

    /// The encoder's maps of the prior; the last two stages only if somebody looks at them.
    fn prior_features(&self, scene: &Scene, taps: &mut Taps) -> Vec<StageOutput> {
        let name = |index: usize| format!("mask_enc.stage{}", index + 1);
        let count = if (2..4).any(|index| taps.wants(&name(index))) { 4 } else { 2 };
        let stages = self.encoder.forward(scene.prior.clone(), count);
        for index in 0..4 {
            match stages.get(index) {
                Some(stage) => taps.tap(&name(index), || stage.image()),
                None => taps.offer(&name(index)),
            }
        }
        for (index, stage) in stages.iter().take(2).enumerate() {
            taps.tap(&format!("mask_feat.out{index}"), || resize(stage.image(), scene.size));
        }
        stages
    }
}

impl Model for SegMif {
    fn card(&self) -> &'static Card {
        self.card
    }

    fn run(&self, inputs: &Inputs<'_>, taps: &mut Taps) -> Result<()> {
        let prior = if inputs.has("mask") { Ok(inputs.tensor("mask")?) } else { Err(self.prior) };
        let scene = Scene::check(inputs.tensor("ir")?, inputs.tensor("vis")?, prior)?;
        let features = self.prior_features(&scene, taps);
        let fused = self.fuse_scene(&scene, &features, self.plane, taps);
        taps.tap("fused_from_r", || self.fuse_scene(&scene, &features, Plane::Red, &mut Taps::default()).luminance);
        let logits = self.segment_rgb(fused.rgb.clone(), taps);
        taps.output("fused", fused.luminance);
        taps.output("fused_rgb", fused.rgb);
        taps.output("logits_full", resize(logits.clone(), scene.size));
        taps.output("logits", logits);
        Ok(())
    }

    fn example(&self, height: usize, width: usize) -> Option<Named> {
        let image = |name: &str, channels: usize| {
            let wave = |i: usize| 0.5 + 0.5 * num::f32((i as f64 * 0.618_034 * channels as f64).sin());
            (name.to_owned(), TensorData::new((0..channels * height * width).map(wave).collect(), [1, channels, height, width]))
        };
        Some([image("ir", 1), image("vis", 3), image("mask", 1)].into())
    }
}

/// Checked inputs of one size.
#[derive(Debug)]
struct Scene {
    ir: Tensor<4>,
    vis: Tensor<4>,
    prior: Tensor<4>,
    size: [usize; 2],
}

impl Scene {
    /// `prior` is the image, or how to make one.
    fn check(ir: Tensor<4>, vis: Tensor<4>, prior: Result<Tensor<4>, Prior>) -> Result<Self> {
        let [batch, channels, height, width] = vis.dims();
        let wrong =
            |wanted: String, found: [usize; 4], name: &str| Err(Error::mismatch(wanted, format!("{found:?}"), format!("input `{name}`")));
        if channels != 3 || height.min(width) < Mit::SMALLEST {
            return wrong(format!("[batch, 3, H, W], H and W at least {}", Mit::SMALLEST), vis.dims(), "vis");
        }
        let same = |[b, _, h, w]: [usize; 4]| [b, h, w] == [batch, height, width];
        if !same(ir.dims()) || ir.dims()[1] == 0 {
            return wrong(format!("[{batch}, 1, {height}, {width}] like `vis`"), ir.dims(), "ir");
        }
        let prior = prior.unwrap_or_else(|choice| choice.of(&ir, &vis));
        let prior_channels = prior.dims()[1];
        if !same(prior.dims()) || !matches!(prior_channels, 1 | 3) {
            return wrong(format!("[{batch}, 1 or 3, {height}, {width}] like `vis`"), prior.dims(), "mask");
        }
        let prior = if prior_channels == 1 { prior.repeat_dim(1, 3) } else { prior };
        Ok(Self { ir: ir.narrow(1, 0, 1), vis, prior, size: [height, width] })
    }
}
