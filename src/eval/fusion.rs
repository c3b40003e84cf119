//! Scores of a fused picture against its infrared and visible sources: EN, SD, SF, AG, MI, SCD, VIF, Qabf, CC, SSIM, PSNR, MSE.
//!
//! *In*: three grey pictures of one size, 8-bit levels. *Out*: [`Scores`]. *Invariant*: every score is finite, for any picture;
//! where a formula divides by zero, the value is the one documented at its field.
//! Two families that differ in normalisation, see [`Family`]; numbers of different families are not comparable.

mod edges;
mod fidelity;
mod ssim;
mod statistics;
mod windows;

use crate::types::{Error, Result, RgbImage, num};
use serde::{Deserialize, Serialize};
use statistics::{Moments, MutualInformation};

pub use statistics::{average_gradient, entropy, spatial_frequency};

/// A grey picture of 8-bit levels, row-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grey {
    width: usize,
    height: usize,
    levels: Vec<u8>,
}

impl Grey {
    /// From levels.
    ///
    /// # Errors
    /// Where the buffer does not hold `width * height > 0` levels.
    pub fn new(width: usize, height: usize, levels: Vec<u8>) -> Result<Self> {
        if levels.is_empty() || width.checked_mul(height) != Some(levels.len()) {
            let wanted = format!("{width}x{height} > 0 levels");
            return Err(Error::mismatch(wanted, format!("{} levels", levels.len()), "grey picture"));
        }
        Ok(Self { width, height, levels })
    }
    /// From values on the scale 0 to 255, rounded to the nearest level; what lies outside is cut, NaN becomes 0.
    ///
    /// # Errors
    /// Where the buffer does not hold `width * height > 0` values.
    pub fn from_values(width: usize, height: usize, values: &[f32]) -> Result<Self> {
        Self::new(width, height, values.iter().map(|&v| num::level(v)).collect())
    }
    /// The rounded luma 0.299 R + 0.587 G + 0.114 B.
    ///
    /// # Errors
    /// Never for a valid picture.
    pub fn from_rgb(picture: &RgbImage) -> Result<Self> {
        Self::new(picture.width(), picture.height(), picture.data().chunks_exact(3).map(luma).collect())
    }
    /// Columns.
    pub const fn width(&self) -> usize {
        self.width
    }
    /// Rows.
    pub const fn height(&self) -> usize {
        self.height
    }
    /// Levels, row-major.
    pub fn levels(&self) -> &[u8] {
        &self.levels
    }
    fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.levels.chunks_exact(self.width)
    }
}

/// Rounded luma of one R, G, B pixel.
fn luma(pixel: &[u8]) -> u8 {
    let weighted: u32 = pixel.iter().zip([299_u32, 587, 114]).map(|(&p, w)| u32::from(p) * w).sum();
    u8::try_from((weighted + 500) / 1000).unwrap_or(u8::MAX)
}

/// Which definitions: the same names hide different normalisations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The Python `Evaluator` that most fusion papers since 2023 print: SF over the number of differences, AG over all pixels,
    /// SSIM with a 7x7 uniform window and a data range of 2 (which makes it small; see [`Scores::ssim_255`]).
    #[default]
    Evaluator,
    /// The VIFB benchmark: SF over the number of pixels, AG over (H-1)(W-1), SSIM with an 11x11 Gaussian window and a data range
    /// of 255. The other nine scores are those of [`Family::Evaluator`].
    Vifb,
}

/// The scores of one fused picture. A = infrared, B = visible, F = fused.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Scores {
    /// Entropy of F, bits.
    #[serde(rename = "EN")]
    pub en: f64,
    /// Population standard deviation of F.
    #[serde(rename = "SD")]
    pub sd: f64,
    /// Spatial frequency of F. A picture of one column (row) has no horizontal (vertical) part.
    #[serde(rename = "SF")]
    pub sf: f64,
    /// Average gradient of F. A picture of one column (row) has no horizontal (vertical) gradient.
    #[serde(rename = "AG")]
    pub ag: f64,
    /// Mutual information I(F;A) + I(F;B), nats.
    #[serde(rename = "MI")]
    pub mi: f64,
    /// Mean of the two mean squared errors.
    #[serde(rename = "MSE")]
    pub mse: f64,
    /// 10 log10(max(F)^2 / MSE), decibel: the peak is F's own maximum. [`PSNR_LIMIT`] where MSE is 0, its negative where only
    /// the peak is 0.
    #[serde(rename = "PSNR")]
    pub psnr: f64,
    /// Mean of the correlations of F with A and B; a correlation with a constant picture is 0.
    #[serde(rename = "CC")]
    pub cc: f64,
    /// Sum of the correlations of differences, corr(A, F-B) + corr(B, F-A); a correlation with a constant is 0.
    #[serde(rename = "SCD")]
    pub scd: f64,
    /// Visual information fidelity, pixel domain, sum over both sources. A source that carries no information at any scale
    /// (constant, or the picture is smaller than every window) counts 1.
    #[serde(rename = "VIF")]
    pub vif: f64,
    /// Xydeas-Petrovic edge transfer. Zeros lie outside the picture, so its border is an edge; 0 where no source has one, that is,
    /// where both are black.
    #[serde(rename = "Qabf")]
    pub qabf: f64,
    /// Structural similarity, sum over both sources (at most 2), with the family's window and range. In a picture smaller than
    /// the window, the window shrinks to the picture's smaller side.
    #[serde(rename = "SSIM")]
    pub ssim: f64,
    /// Structural similarity with a 7x7 uniform window and a data range of 255, sum over both sources: what most people mean.
    #[serde(rename = "SSIM_255")]
    pub ssim_255: f64,
}

/// PSNR of a fused picture that equals both sources, decibel; beyond what any other pictures can reach.
pub const PSNR_LIMIT: f64 = 200.0;

impl Scores {
    /// Names and values in the order of the tables.
    pub const fn named(&self) -> [(&'static str, f64); 13] {
        [
            ("EN", self.en),
            ("SD", self.sd),
            ("SF", self.sf),
            ("AG", self.ag),
            ("MI", self.mi),
            ("SCD", self.scd),
            ("VIF", self.vif),
            ("Qabf", self.qabf),
            ("CC", self.cc),
            ("SSIM", self.ssim),
            ("SSIM_255", self.ssim_255),
            ("PSNR", self.psnr),
            ("MSE", self.mse),
        ]
    }
    /// The mean of each score; `None` of nothing.
    pub fn average(all: &[Self]) -> Option<Self> {
        let count = (!all.is_empty()).then_some(all.len() as f64)?;
        let mean = |of: fn(&Self) -> f64| all.iter().map(of).sum::<f64>() / count;
        Some(Self {
            en: mean(|s| s.en),
            sd: mean(|s| s.sd),
            sf: mean(|s| s.sf),
            ag: mean(|s| s.ag),
            mi: mean(|s| s.mi),
            mse: mean(|s| s.mse),
            psnr: mean(|s| s.psnr),
            cc: mean(|s| s.cc),
            scd: mean(|s| s.scd),
            vif: mean(|s| s.vif),
            qabf: mean(|s| s.qabf),
            ssim: mean(|s| s.ssim),
            ssim_255: mean(|s| s.ssim_255),
        })
    }
}

/// Scores pictures one after the other and keeps its buffers between them: one per thread.
#[derive(Debug, Default)]
pub struct Scorer {
    information: MutualInformation,
    ssim: ssim::Uniform,
    windows: windows::Windows,
    fidelity: fidelity::Fidelity,
    edges: edges::Edges,
}

impl Scorer {
    /// All scores of one fused picture.
    ///
    /// # Errors
    /// Where the three sizes differ.
    pub fn score(&mut self, infrared: &Grey, visible: &Grey, fused: &Grey, family: Family) -> Result<Scores> {
        same_size(infrared, fused, "infrared against fused picture")?;
        same_size(visible, fused, "visible against fused picture")?;
        let moments = Moments::of(infrared, visible, fused);
        let [ssim_2, ssim_255] = self.ssim.score(infrared, visible, fused);
        let ssim = match family {
            Family::Evaluator => ssim_2,
            Family::Vifb => ssim::gaussian(&mut self.windows, infrared, visible, fused),
        };
        Ok(Scores {
            en: entropy(fused),
            sd: moments.deviation(),
            sf: spatial_frequency(fused, family),
            ag: average_gradient(fused, family),
            mi: self.information.score(infrared, visible, fused),
            mse: moments.mse(),
            psnr: moments.psnr(),
            cc: moments.correlation(),
            scd: moments.difference_correlation(),
            vif: self.fidelity.score(&mut self.windows, infrared, visible, fused),
            qabf: self.edges.score(infrared, visible, fused),
            ssim,
            ssim_255,
        })
    }
}

fn same_size(one: &Grey, fused: &Grey, place: &str) -> Result<()> {
    if (one.width, one.height) == (fused.width, fused.height) {
        return Ok(());
    }
    Err(Error::mismatch(format!("{}x{} pixels", fused.width, fused.height), format!("{}x{}", one.width, one.height), place))
}
