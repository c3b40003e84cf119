//! Sizes and options of LeTFuser. Where the released code and the paper (or plain geometry) part, both are here; `base` follows the code,
//! because its checkpoints do.
//!
//! *Invariant*: a configuration that passed [`LetFuserConfig::check`] can be built, and its three sectors fill the picture's width.

use super::semantic_cloud::{Geometry, LeftResampling};
use crate::nets::blocks::{Activation, CvtConfig, CvtStage, ScoreScale};
use crate::nets::{Card, options};
use crate::types::{Error, Result};
use serde::{Deserialize, Serialize};
use toml::Table;

/// How colours reach the normalisation by mean and deviation of ImageNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColourRange {
    /// As 0..255, as the published weights were trained.
    #[default]
    Bytes,
    /// Divided by 255, as mean and deviation are meant.
    Unit,
}

/// What stands between the two linear layers of the control heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Between {
    /// Nothing, as published.
    #[default]
    Nothing,
    /// ReLU.
    Relu,
}

impl Between {
    /// As a block's activation.
    pub const fn activation(self) -> Activation {
        match self {
            Self::Nothing => Activation::None,
            Self::Relu => Activation::Relu,
        }
    }
}

/// Where the probability of a stop sign comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopSign {
    /// Always 0, as published: no head, no weights.
    #[default]
    Constant,
    /// A head of its own beside that of the traffic light (`stop_predictor.2`).
    Head,
}

/// Sizes and options; each field is a key of `--config`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LetFuserConfig {
    /// Classes of the segmentation and layers of the map, at most 24.
    pub classes: usize,
    /// How colours are scaled.
    pub colour_range: ColourRange,
    /// Channels of the encoder's three stages.
    pub encoder_channels: [usize; 3],
    /// Layers of the three stages.
    pub encoder_layers: [usize; 3],
    /// Heads of attention of the three stages.
    pub encoder_heads: [usize; 3],
    /// What divides the scores of attention.
    pub attention_scale: ScoreScale,
    /// Channels of the map that goes past the encoder.
    pub shallow_channels: usize,
    /// Channels of the decoder's five blocks, coarse to fine.
    pub decoder_channels: [usize; 5],
    /// Channels of the bird's-eye encoder's stem and five stages.
    pub bird_channels: [usize; 6],
    /// Blocks of these five stages.
    pub bird_blocks: [usize; 5],
    /// Channels of the neck's two layers.
    pub neck_channels: [usize; 2],
    /// Channels of the two layers that read route, speed and command.
    pub measurement_channels: [usize; 2],
    /// Channels inside the control heads.
    pub control_channels: usize,
    /// What stands between their two layers.
    pub control_between: Between,
    /// Channels inside the speed head.
    pub speed_channels: usize,
    /// Where the stop-sign probability comes from.
    pub stop_sign: StopSign,
    /// Columns of the left, front and right camera in the picture.
    pub columns: [usize; 3],
    /// Focal length of all three, pixels.
    pub focal: f64,
    /// The optical axis' column in each one's part of the picture.
    pub axes: [f64; 3],
    /// Range ahead that a sector's map shows, metres.
    pub ahead_m: [f64; 3],
    /// Width that it shows, metres.
    pub across_m: [f64; 3],
    /// Turn of the left and of the right sector, degrees, counter-clockwise seen from above.
    pub yaws: [f64; 2],
    /// How the left sector gets to its place.
    pub left_resampling: LeftResampling,
}

impl LetFuserConfig {
    /// The published configuration.
    pub const BASE: Self = Self {
        classes: 23,
        colour_range: ColourRange::Bytes,
        encoder_channels: [64, 192, 384],
        encoder_layers: [1, 2, 10],
        encoder_heads: [1, 3, 6],
        attention_scale: ScoreScale::AllChannels,
        shallow_channels: 24,
        decoder_channels: [384, 192, 64, 32, 32],
        bird_channels: [32, 16, 24, 40, 80, 112],
        bird_blocks: [2, 3, 3, 4, 4],
        neck_channels: [384, 136],
        measurement_channels: [112, 96],
        control_channels: 384,
        control_between: Between::Nothing,
        speed_channels: 96,
        stop_sign: StopSign::Constant,
        columns: [224, 320, 224],
        focal: 160.0,
        axes: [112.0, 160.0, 112.0],
        ahead_m: [30.0, 40.0, 30.0],
        across_m: [75.0, 80.0, 75.0],
        yaws: [65.0, -65.0],
        left_resampling: LeftResampling::Twice,
    };

    /// Ours, for live use: half the picture's size, narrow, a stop-sign head, and the cameras' true geometry (60 degrees to the sides,
    /// focal length 160 / tan 30 degrees at half size, square cells of half a metre).
    pub const TINY: Self = Self {
        classes: 23,
        colour_range: ColourRange::Unit,
        encoder_channels: [32, 96, 192],
        encoder_layers: [1, 2, 3],
        encoder_heads: [1, 3, 6],
        attention_scale: ScoreScale::HeadChannels,
        shallow_channels: 16,
        decoder_channels: [96, 64, 32, 16, 16],
        bird_channels: [16, 8, 16, 24, 40, 56],
        bird_blocks: [1, 2, 2, 2, 2],
        neck_channels: [128, 80],
        measurement_channels: [64, 48],
        control_channels: 96,
        control_between: Between::Relu,
        speed_channels: 48,
        stop_sign: StopSign::Head,
        columns: [112, 160, 112],
        focal: 138.564_064_605_510_2,
        axes: [32.0, 80.0, 80.0],
        ahead_m: [39.5; 3],
        across_m: [55.5, 79.5, 55.5],
        yaws: [60.0, -60.0],
        left_resampling: LeftResampling::Once,
    };

    /// A preset's sizes and options with the keys of `changes` replaced.
    ///
    /// # Errors
    /// A key is unknown, or the sizes cannot be built.
    pub(super) fn of(card: &Card, changes: &Table) -> Result<Self> {
        let place = || format!("configuration of {} {}", card.name, card.preset);
        let config = if card.preset == super::CARD_TINY.preset { Self::TINY } else { Self::BASE };
        let mut table = Table::try_from(&config).map_err(|e| Error::mismatch("a table of keys", e.to_string(), place()))?;
        table.extend(changes.clone());
        let config: Self = options(&table, card)?;
        config.check().map_err(|e| e.at(place()))?;
        Ok(config)
    }

    /// Channels of the recurrent state.
    pub const fn hidden(&self) -> usize {
        self.neck_channels[1] + self.measurement_channels[1]
    }

    /// The encoder's sizes.
    pub fn encoder(&self) -> CvtConfig {
        let mut stages = CvtConfig::CVT13.stages;
        let sizes = self.encoder_channels.into_iter().zip(self.encoder_layers).zip(self.encoder_heads);
        for (stage, ((channels, layers), heads)) in stages.iter_mut().zip(sizes) {
            *stage = CvtStage { channels, layers, heads };
        }
        CvtConfig { stages, scale: self.attention_scale }
    }

    /// How the three cameras look at the ground plane.
    pub fn geometry(&self) -> Geometry {
        Geometry {
            columns: self.columns,
            focal: self.focal,
            axes: self.axes,
            ahead_m: self.ahead_m,
            across_m: self.across_m,
            yaws: self.yaws,
            left_resampling: self.left_resampling,
        }
    }

    /// Whether a network of these sizes can be built.
    ///
    /// # Errors
    /// A size is zero or beyond reason, heads do not divide channels, or the geometry is impossible.
    pub fn check(&self) -> Result<()> {
        let wrong = |key: &str, wanted: &str, found: String| Err(Error::mismatch(wanted, found, key));
        if !(2..=24).contains(&self.classes) {
            return wrong("classes", "2 to 24", self.classes.to_string());
        }
        let lists: [(&str, &[usize]); 11] = [
            ("encoder_channels", &self.encoder_channels),
            ("encoder_layers", &self.encoder_layers),
            ("encoder_heads", &self.encoder_heads),
            ("shallow_channels", &[self.shallow_channels]),
            ("decoder_channels", &self.decoder_channels),
            ("bird_channels", &self.bird_channels),
            ("bird_blocks", &self.bird_blocks),
            ("neck_channels", &self.neck_channels),
            ("measurement_channels", &self.measurement_channels),
            ("control_channels", &[self.control_channels]),
            ("speed_channels", &[self.speed_channels]),
        ];
        for (key, sizes) in lists {
            if sizes.iter().any(|size| !(1..=4096).contains(size)) {
                return wrong(key, "sizes from 1 to 4096", format!("{sizes:?}"));
            }
        }
        let uneven = |(channels, heads): (usize, usize)| !channels.is_multiple_of(heads);
        if self.encoder_channels.into_iter().zip(self.encoder_heads).any(uneven) {
            let found = format!("{:?} channels, {:?} heads", self.encoder_channels, self.encoder_heads);
            return wrong("encoder_heads", "heads that divide the channels", found);
        }
        self.geometry().check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_presets_can_be_built_and_nonsense_cannot() {
        LetFuserConfig::BASE.check().unwrap();
        LetFuserConfig::TINY.check().unwrap();
        assert_eq!(LetFuserConfig::BASE.hidden(), 232);
        let broken = |change: fn(&mut LetFuserConfig)| {
            let mut config = LetFuserConfig::BASE;
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        assert!(broken(|c| c.encoder_heads = [1, 5, 6]).contains("encoder_heads"));
        assert!(broken(|c| c.bird_channels[2] = 0).contains("bird_channels"));
        assert!(broken(|c| c.classes = 40).contains("classes"));
        assert!(broken(|c| c.focal = 0.0).contains("focal"));
        assert!(broken(|c| c.columns = [224, 320, 225]).contains("columns"));
        assert!(broken(|c| c.ahead_m[1] = f64::NAN).contains("ahead_m"));
    }
}
