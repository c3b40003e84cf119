//! LeTFuser: one look of three RGB-D cameras to segmentation, a map seen from above, traffic signs, way points and control.
//!
//! *In*: `rgb` (0..255) and `depth` (1 is 1000 m) of left | front | right side by side, route point, speed, command. *Out*: see
//! [`CARD_BASE`]. *Invariant*: float32 results agree with the published network within the parity test's tolerances; where code and paper part,
//! [`LetFuserConfig`] has both. Agand et al., "LeTFuser", CVPR workshop 2023.

pub mod balance;
mod bird;
mod cards;
mod classes;
mod comparisons;
mod config;
mod control;
mod decoder;
mod input;
pub mod losses;
mod plain;
mod semantic_cloud;

pub use cards::{CARD_BASE, CARD_TINY};
pub use classes::class_list;
pub use comparisons::{Trial, trial};
pub use config::{Between, ColourRange, LetFuserConfig, StopSign};
pub use control::{Decision, Signs};
pub use input::{Look, Vehicle};
pub use plain::PlainCloud;
pub use semantic_cloud::{Geometry, LeftResampling, SemanticCloud, class_masks, one_hot};

use super::blocks::Cvt;
use super::loader::{Loader, Report};
use super::profile::{Class, operator};
use super::{Card, Inputs, Model, Named, Origin, Taps, to_host};
use crate::types::{Error, Result};
use bird::BirdEncoder;
use burn::tensor::{Device, Tensor, TensorData};
use control::{Heads, Measured};
use decoder::Decoder;
use toml::Table;

/// The name on the command line.
pub const NAME: &str = "letfuser";
const CLASSES_BIAS: &str = "final_ss_f.conv_block1.0.bias";

/// Everything that one pass finds out.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `[batch, classes, H, W]`, each score in 0..1.
    pub scores: Tensor<4>,
    /// Class of each pixel as a bit, a picture after the other.
    pub masks: Vec<u32>,
    /// Map seen from above, class bits, a picture after the other.
    pub map: Vec<u32>,
    /// Traffic light, stop sign, speed.
    pub signs: Signs,
    /// Way points and controls.
    pub decision: Decision,
}

/// The network.
#[derive(Debug)]
pub struct LetFuser {
    card: &'static Card,
    config: LetFuserConfig,
    encoder: Cvt,
    decoder: Decoder,
    bird: BirdEncoder,
    heads: Heads,
    cloud: SemanticCloud,
    /// Factor and shift of the picture, `[1, 3, 1, 1]`.
    normal: [Tensor<4>; 2],
}

impl LetFuser {
    /// Builds a preset (`base`, `tiny`).
    ///
    /// # Errors
    /// The preset is unknown or the weights do not fit.
    pub fn load(preset: &str, origin: Origin, device: &Device) -> Result<(Self, Report)> {
        Self::load_with(preset, origin, &Table::new(), device)
    }

    /// Builds a preset with the keys of `changes` replaced; its card lists them.
    ///
    /// # Errors
    /// As [`Self::load`], or a key is unknown or the sizes cannot be built.
    pub fn load_with(preset: &str, origin: Origin, changes: &Table, device: &Device) -> Result<(Self, Report)> {
        let card = super::card::find(NAME, preset)?;
        let config = LetFuserConfig::of(card, changes)?;
        let (mut loader, partial) = origin.open(device)?;
        let network = Self::assemble(&mut loader, card, config);
        Ok((network, loader.finish(partial)?))
    }

    /// Builds a preset from a loader that is already there, for training from [`Loader::from_leaves`].
    ///
    /// # Errors
    /// As [`Self::load_with`], the weights left out.
    pub fn from_loader(loader: &mut Loader, preset: &str, changes: &Table) -> Result<Self> {
        let card = super::card::find(NAME, preset)?;
        Ok(Self::assemble(loader, card, LetFuserConfig::of(card, changes)?))
    }

    fn assemble(loader: &mut Loader, card: &'static Card, mut config: LetFuserConfig) -> Self {
        // Stored in the published files, part of no pass.
        for stage in 6..=8 {
            loader.tolerate(&format!("{}{stage}.", bird::PREFIX));
        }
        let found = loader.shape_of(CLASSES_BIAS).and_then(|shape| shape.first().copied());
        config.classes = found.filter(|n| (2..=24).contains(n)).unwrap_or(config.classes);
        let range = if config.colour_range == ColourRange::Unit { 255.0 } else { 1.0 };
        let deviation = [0.229_f32, 0.224, 0.225];
        let mean = [0.485_f32, 0.456, 0.406];
        let channels = |values: Vec<f32>| loader.upload(values, [1, 3, 1, 1]);
        let normal = [channels(mean.iter().map(|m| m * range).collect()), channels(deviation.iter().map(|d| d * range).collect())];
        Self {
            card,
            encoder: Cvt::load(loader, "cvt.encoder.", &config.encoder()),
            decoder: Decoder::load(loader, &config),
            bird: BirdEncoder::load(loader, &config),
            heads: Heads::load(loader, &config),
            cloud: SemanticCloud::new(config.geometry()),
            normal,
            config,
        }
    }

    /// How many parameters these sizes have; BatchNorm statistics and stored but unused tensors left out.
    pub fn count(config: &LetFuserConfig, device: &Device) -> usize {
        let mut loader = Loader::from_seed(0, device);
        let _ = Self::assemble(&mut loader, &CARD_BASE, config.clone());
        loader.parameters()
    }

    /// Its sizes and options; the number of classes is that of the weights.
    pub const fn config(&self) -> &LetFuserConfig {
        &self.config
    }

    /// One pass.
    ///
    /// # Errors
    /// The picture does not have the geometry's width or a height that is a multiple of 16, batches differ, or the device fails.
    pub fn see(&self, look: &Look, vehicle: &Vehicle) -> Result<Seen> {
        self.pass(look, vehicle, &mut Taps::default())
    }

    fn pass(&self, look: &Look, vehicle: &Vehicle, taps: &mut Taps) -> Result<Seen> {
        look.check(self.cloud.geometry().width())?;
        let known = vehicle.measured(look.batch(), &look.rgb.device())?;
        let [mean, deviation] = &self.normal;
        let picture = (look.rgb.clone() - mean.clone()) / deviation.clone();
        taps.tap("rgb_norm", || picture.clone());
        let (maps, class) = self.encoder.forward(picture.clone(), taps, "cvt");
        let (Some(deep), Some(class)) = (maps.last(), class) else {
            return Err(Error::unavailable(NAME, "its encoder has no stages"));
        };
        let scores = self.decoder.forward(picture, &maps, taps);
        let signs = self.heads.signs(deep, class, taps);
        let (masks, map) = self.map(&scores, look)?;
        let decision = self.decide(&signs, &map, look, &known, taps, "");
        Ok(Seen { scores, masks, map, signs, decision })
    }

    /// Classes and map of these scores at this depth.
    fn map(&self, scores: &Tensor<4>, look: &Look) -> Result<(Vec<u32>, Vec<u32>)> {
        let [_, classes, height, width] = scores.dims();
        let (host, pixels) = (to_host(scores.clone())?, height * width);
        let values = host.as_slice::<f32>().map_err(|e| Error::unavailable("class scores", e.to_string()))?;
        let (mut masks, mut map) = (Vec::with_capacity(look.depth.len()), Vec::with_capacity(look.depth.len()));
        operator(Class::Own, 0, || {
            for (scores, depth) in values.chunks_exact(classes * pixels).zip(look.depth.chunks_exact(pixels)) {
                let own = class_masks(scores, pixels);
                map.extend(self.cloud.project(&own, depth)?);
                masks.extend(own);
            }
            Ok((masks, map))
        })
    }

    fn decide(&self, signs: &Signs, map: &[u32], look: &Look, known: &Measured, taps: &mut Taps, prefix: &str) -> Decision {
        let [_, _, height, width] = look.rgb.dims();
        let planes = map.chunks_exact(height * width).flat_map(|cells| one_hot(cells, self.config.classes)).collect();
        let shape = [look.batch(), self.config.classes, height, width];
        let bird = self.bird.forward(Tensor::from_data(TensorData::new(planes, shape), &look.rgb.device()), taps, prefix);
        self.heads.decide(signs, &bird, known, taps, prefix)
    }

    /// What comes of a map made from given scores in place of the network's own.
    fn with_scores(&self, scores: &Tensor<4>, signs: &Signs, look: &Look, vehicle: &Vehicle, taps: &mut Taps) -> Result<()> {
        let [batch, classes, height, width] = [look.batch(), self.config.classes, look.height(), look.width()];
        if scores.dims() != [batch, classes, height, width] {
            let wanted = format!("[{batch}, {classes}, {height}, {width}]");
            return Err(Error::mismatch(wanted, format!("{:?}", scores.dims()), "input `class_scores`"));
        }
        let known = vehicle.measured(batch, &look.rgb.device())?;
        let (masks, map) = self.map(scores, look)?;
        taps.output("sdc_unit_bits", bits(&map, [batch, height, width], &Device::flex()));
        for (name, right_too) in [("sdc_unit_left_bits", false), ("sdc_unit_left_right_bits", true)] {
            if taps.wants(name) {
                let pictures = masks.chunks_exact(height * width).zip(look.depth.chunks_exact(height * width));
                let canvases: Vec<Vec<u32>> = pictures.map(|(m, d)| self.cloud.canvas(m, d, right_too)).collect::<Result<_>>()?;
                taps.tap(name, || bits(&canvases.concat(), [batch, 2 * height, width], &Device::flex()));
            } else {
                taps.offer(name);
            }
        }
        let decision = self.decide(signs, &map, look, &known, taps, "unit_sdc.");
        put_decision(&decision, taps, "unit_sdc.");
        Ok(())
    }
}

/// Class bits as the numbers they are.
fn bits(cells: &[u32], shape: [usize; 3], device: &Device) -> Tensor<3> {
    let values: Vec<f32> = cells.iter().map(|bits| crate::types::num::f32(f64::from(*bits))).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn put_decision(decision: &Decision, taps: &mut Taps, prefix: &str) {
    let [batch, _] = decision.controls.dims();
    taps.output(&format!("{prefix}waypoints"), decision.waypoints.clone());
    for (index, name) in ["steer", "throttle", "brake"].into_iter().enumerate() {
        taps.output(&format!("{prefix}{name}"), decision.controls.clone().narrow(1, index, 1).reshape([batch]));
    }
}

impl Model for LetFuser {
    fn card(&self) -> &'static Card {
        self.card
    }

    fn run(&self, inputs: &Inputs<'_>, taps: &mut Taps) -> Result<()> {
        let look = Look::of(inputs)?;
        let vehicle = Vehicle::of(inputs, look.batch())?;
        let seen = self.pass(&look, &vehicle, taps)?;
        if inputs.has("class_scores") {
            self.with_scores(&inputs.tensor("class_scores")?, &seen.signs, &look, &vehicle, taps)?;
        }
        taps.output("sdc_bits", bits(&seen.map, [look.batch(), look.height(), look.width()], &Device::flex()));
        put_decision(&seen.decision, taps, "");
        taps.output("red_light", seen.signs.red_light);
        taps.output("stop_sign", seen.signs.stop_sign);
        taps.output("speed", seen.signs.speed);
        taps.output("seg", seen.scores);
        Ok(())
    }

    fn example(&self, height: usize, width: usize) -> Option<Named> {
        let wave = |i: usize, low: f64, high: f64| crate::types::num::f32(low + (high - low) * (i as f64 * 0.618_034).fract());
        let tensor = |name: &str, shape: &[usize], low, high| {
            let values: Vec<f32> = (0..shape.iter().product()).map(|i| wave(i, low, high)).collect();
            (name.to_owned(), TensorData::new(values, shape.to_vec()))
        };
        Some(
            [
                tensor("rgb", &[1, 3, height, width], 0.0, 255.0),
                tensor("depth", &[1, 1, height, width], 0.001, 0.045),
                tensor("target_point", &[1, 2], -20.0, 2.0),
                tensor("velocity", &[1], 3.0, 3.0),
                tensor("command", &[1], 4.0, 4.0),
            ]
            .into(),
        )
    }
}
