//! Sizes and options of SegMiF: the presets, and what a configuration may change in them.
//!
//! *In*: a preset's card and a TOML table. *Out*: [`SegMifConfig`]. *Invariant*: every size is one that the network can be built with.

use super::{Plane, Prior};
use crate::nets::blocks::MitConfig;
use crate::nets::{Card, options};
use crate::types::{Error, Result};
use serde::Deserialize;
use toml::Table;

/// Sizes of both networks, and how the inputs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegMifConfig {
    /// The encoder.
    pub encoder: MitConfig,
    /// Channels in the segmentation head.
    pub embedding: usize,
    /// Classes of the segmentation; a weight file's own count wins.
    pub classes: usize,
    /// Channels of the fusion network, a multiple of 8.
    pub channels: usize,
    /// Channels that each dilated layer adds.
    pub growth: usize,
    /// The plane of the visible image that is fused.
    pub plane: Plane,
    /// The prior image where the input `mask` is not given.
    pub prior: Prior,
}

impl SegMifConfig {
    /// The published sizes: MiT-B3, 64 channels, the nine classes of MFNet.
    pub const BASE: Self = Self {
        encoder: MitConfig::B3,
        embedding: 256,
        classes: 9,
        channels: 64,
        growth: 32,
        plane: Plane::Luminance,
        prior: Prior::Visible,
    };
    /// For live use on a CPU: MiT-B0 and a fusion network a quarter as wide.
    pub const TINY: Self = Self { encoder: MitConfig::B0, embedding: 128, channels: 16, growth: 8, ..Self::BASE };

    /// A preset with the changes of a table.
    ///
    /// # Errors
    /// A key or a value is none that the network has.
    pub fn of(card: &Card, table: &Table) -> Result<Self> {
        let preset = if card.preset == super::CARD_TINY.preset { Self::TINY } else { Self::BASE };
        let changes: Changes = options(table, card)?;
        let config = Self {
            encoder: changes.encoder.map_or(preset.encoder, Encoder::sizes),
            embedding: changes.embedding.unwrap_or(preset.embedding),
            classes: changes.classes.unwrap_or(preset.classes),
            channels: changes.channels.unwrap_or(preset.channels),
            growth: changes.growth.unwrap_or(preset.growth),
            plane: changes.plane.unwrap_or(preset.plane),
            prior: changes.prior.unwrap_or(preset.prior),
        };
        let bounds = [("embedding", config.embedding, 1..=4096), ("classes", config.classes, 2..=1024), ("growth", config.growth, 1..=512)];
        for (key, value, bounds) in bounds {
            if !bounds.contains(&value) {
                return Err(Error::mismatch(
                    format!("{} to {}", bounds.start(), bounds.end()),
                    value.to_string(),
                    format!("segmif, {key}"),
                ));
            }
        }
        if config.channels == 0 || config.channels > 1024 || !config.channels.is_multiple_of(8) {
            return Err(Error::mismatch("a multiple of 8, at most 1024", config.channels.to_string(), "segmif, channels"));
        }
        Ok(config)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    encoder: Option<Encoder>,
    embedding: Option<usize>,
    classes: Option<usize>,
    channels: Option<usize>,
    growth: Option<usize>,
    plane: Option<Plane>,
    prior: Option<Prior>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoder {
    B0,
    B1,
    B2,
    B3,
    B4,
    B5,
}

impl Encoder {
    const fn sizes(self) -> MitConfig {
        match self {
            Self::B0 => MitConfig::B0,
            Self::B1 => MitConfig::B1,
            Self::B2 => MitConfig::B2,
            Self::B3 => MitConfig::B3,
            Self::B4 => MitConfig::B4,
            Self::B5 => MitConfig::B5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CARD_BASE, CARD_TINY};
    use super::*;

    #[test]
    fn what_the_cards_document_is_accepted_and_changes_nothing() {
        for (card, wanted) in [(CARD_BASE, SegMifConfig::BASE), (CARD_TINY, SegMifConfig::TINY)] {
            let text: String = card.keys.iter().map(|(key, value, _)| format!("{key} = {value}\n")).collect();
            assert_eq!(SegMifConfig::of(&card, &text.parse().unwrap()).unwrap(), wanted);
            assert_eq!(SegMifConfig::of(&card, &Table::new()).unwrap(), wanted);
        }
    }

    #[test]
    fn slips_are_named() {
        let fails = |text: &str| SegMifConfig::of(&CARD_BASE, &text.parse().unwrap()).unwrap_err().to_string();
        assert!(fails("clases = 15").contains("did you mean `classes`"));
        assert!(fails("classes = 'many'").contains("`classes`"));
        assert!(fails("classes = 1").contains("2 to 1024"));
        assert!(fails("channels = 20").contains("multiple of 8"));
        assert!(fails("encoder = 'b7'").contains("b7"));
        let changed = SegMifConfig::of(&CARD_BASE, &"classes = 15\nplane = 'red'".parse().unwrap()).unwrap();
        assert_eq!((changed.classes, changed.plane, changed.channels), (15, Plane::Red, 64));
    }
}
