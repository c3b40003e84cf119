//! An infrared-visible pair through SegMiF: fused colour picture, classes, confidences.
//!
//! *In*: a thermal and a colour picture of equal size, aligned to the pixel, and a grey prior or the choice of one. *Out*: `Seen`, all of the
//! inputs' size. *Invariant*: what comes out is finite, or it is an error.
//!
//! The prior is the network's third input. The published models were trained towards the grey picture that a visual-saliency fusion makes
//! of the pair; where no such picture existed, their authors put in the visible one.

use super::fuse_image::{Fusion, FusionMethod};
use super::planes;
use super::segment::{Score, Segmented, segment};
use crate::nets::segmif::{Plane, Prior, SegMif};
use crate::nets::{Device, to_host};
use crate::types::{Error, Result, RgbImage, ThermalImage};
use serde::{Deserialize, Serialize};

/// The prior picture where no sensor brings one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriorChoice {
    /// The visible picture's luma, as the authors did where they had no prior.
    #[default]
    Visible,
    /// The infrared picture.
    Infrared,
    /// The larger of both at each pixel.
    Maximum,
    /// The luma of the pair's classical fusion (Laplacian pyramids), the nearest here to what the published models were trained towards.
    Classical,
}

/// How a pair is put in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Entry {
    /// Which plane of the visible picture the fusion network sees.
    pub plane: Plane,
    /// The prior where none is given.
    pub prior: PriorChoice,
    /// Infrared counts that become 0 and 1; without, full scale.
    pub infrared_range: Option<[u16; 2]>,
}

/// A network on its device.
#[derive(Debug)]
pub struct FuseSegment {
    network: SegMif,
    device: Device,
    entry: Entry,
    fusion: Fusion,
}

impl FuseSegment {
    /// Runs `network`, which lives on `device`.
    pub fn new(network: SegMif, device: Device, entry: Entry) -> Self {
        Self { network, device, entry, fusion: Fusion::default() }
    }

    /// Fuses a pair into `fused` (interleaved RGB of the visible picture's size) and, unless `scores` is `None`, segments the result.
    ///
    /// # Errors
    /// The pictures differ in size or are too small, or the device fails.
    pub fn see(
        &mut self,
        thermal: &ThermalImage,
        rgb: &RgbImage,
        prior: Option<&[f32]>,
        fused: &mut [u8],
        scores: Option<&[Score]>,
    ) -> Result<Option<Segmented>> {
        let (width, height) = (rgb.width(), rgb.height());
        if [thermal.width(), thermal.height()] != [width, height] {
            let found = format!("{}x{}", thermal.width(), thermal.height());
            return Err(Error::mismatch(format!("an infrared picture of {width}x{height} like the visible one"), found, "the pair"));
        }
        let one = [1, 1, height, width];
        let infrared = planes::upload(planes::thermal_plane(thermal, self.entry.infrared_range)?, one, &self.device);
        let visible = planes::upload(planes::rgb_planes(rgb), [1, 3, height, width], &self.device);
        let prior = match prior {
            Some(given) if given.len() == width * height => planes::upload(given.to_vec(), one, &self.device),
            Some(given) => {
                return Err(Error::mismatch(format!("a prior of {width}x{height}"), format!("{} pixels", given.len()), "the prior"));
            }
            None => match self.entry.prior {
                PriorChoice::Visible => Prior::Visible.of(&infrared, &visible),
                PriorChoice::Infrared => Prior::Infrared.of(&infrared, &visible),
                PriorChoice::Maximum => Prior::Maximum.of(&infrared, &visible),
                PriorChoice::Classical => {
                    self.fusion.fuse(FusionMethod::Pyramid, thermal, rgb, fused)?;
                    planes::upload(planes::luma_plane(fused), one, &self.device)
                }
            },
        };
        let picture = self.network.fuse(infrared, visible, prior, self.entry.plane)?.rgb;
        let Some(scores) = scores else {
            planes::rgb_bytes(picture, fused)?;
            return Ok(None);
        };
        let logits = self.network.segment(picture.clone())?;
        planes::rgb_bytes(picture, fused)?;
        let [_, classes, h, w] = logits.dims();
        let logits = to_host(logits)?;
        let values = logits.as_slice::<f32>().unwrap_or_default();
        segment(values, [classes, h, w], [height, width], scores).map(Some)
    }
}
