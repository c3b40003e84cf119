//! Pictures: colour, depth, thermal, labels, torn fragments. Row-major, top left first; `[height][width][channel]`.

use super::{Buffer, Error, Result};
use ndarray::Array2;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

fn sized(len: usize, width: usize, height: usize, channels: usize, what: &str) -> Result<()> {
    let wanted = width.checked_mul(height).and_then(|n| n.checked_mul(channels));
    if wanted == Some(len) && len > 0 {
        return Ok(());
    }
    let wanted = format!("{width}x{height}x{channels} > 0 samples");
    Err(Error::mismatch(wanted, format!("{len} samples"), what))
}

/// 8-bit sRGB colour, interleaved `[height][width][3]`.
#[derive(Debug, Clone, PartialEq)]
pub struct RgbImage {
    width: usize,
    height: usize,
    data: Buffer<u8>,
}

impl RgbImage {
    /// From interleaved bytes.
    ///
    /// # Errors
    /// Where the buffer does not hold `width * height * 3 > 0` bytes.
    pub fn new(width: usize, height: usize, data: impl Into<Buffer<u8>>) -> Result<Self> {
        let data = data.into();
        sized(data.len(), width, height, 3, "RGB image")?;
        Ok(Self { width, height, data })
    }
    /// Columns.
    pub const fn width(&self) -> usize {
        self.width
    }
    /// Rows.
    pub const fn height(&self) -> usize {
        self.height
    }
    /// Interleaved bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
    /// The pixel at column `x`, row `y`.
    pub fn pixel(&self, x: usize, y: usize) -> Option<[u8; 3]> {
        if x >= self.width {
            return None;
        }
        let at = (y * self.width + x) * 3;
        self.data.get(at..at + 3).and_then(|p| p.try_into().ok())
    }
}

/// Thermal infrared: 16-bit counts with the linear scale that turns them into degrees Celsius where it is known.
/// 8-bit sources keep their 0..=255.
#[derive(Debug, Clone, PartialEq)]
pub struct ThermalImage {
    width: usize,
    height: usize,
    data: Buffer<u16>,
    /// Largest count the sensor can give: 255 for 8-bit files, 65535 for 16-bit ones.
    pub full_scale: u16,
    /// `celsius = gain * count + offset`, where the sensor is radiometric.
    pub celsius: Option<[f32; 2]>,
}

impl ThermalImage {
    /// From counts.
    ///
    /// # Errors
    /// Where the buffer does not hold `width * height > 0` counts.
    pub fn new(width: usize, height: usize, data: impl Into<Buffer<u16>>, full_scale: u16) -> Result<Self> {
        let data = data.into();
        sized(data.len(), width, height, 1, "thermal image")?;
        Ok(Self { width, height, data, full_scale: full_scale.max(1), celsius: None })
    }
    /// Columns.
    pub const fn width(&self) -> usize {
        self.width
    }
    /// Rows.
    pub const fn height(&self) -> usize {
        self.height
    }
    /// Counts, row-major.
    pub fn data(&self) -> &[u16] {
        &self.data
    }
    /// One sample as a fraction of full scale.
    pub fn fraction(&self, count: u16) -> f32 {
        f32::from(count) / f32::from(self.full_scale)
    }
}

/// Depth along the optical axis in metres, `[height, width]`. A hole (no measurement) is NaN, never zero.
#[derive(Debug, Clone, PartialEq)]
pub struct DepthImage {
    /// Metres; NaN where nothing was measured.
    pub metres: Array2<f32>,
}

impl DepthImage {
    /// From raw counts (row-major), `counts_per_metre` of them to a metre (TUM: 5000), where 0 is a hole.
    ///
    /// # Errors
    /// Where the buffer does not fit the size or the scale is not positive.
    pub fn from_counts(width: usize, height: usize, counts: &[u16], counts_per_metre: f32) -> Result<Self> {
        sized(counts.len(), width, height, 1, "depth image")?;
        if !(counts_per_metre.is_finite() && counts_per_metre > 0.0) {
            return Err(Error::mismatch("a positive depth scale", counts_per_metre.to_string(), "depth image"));
        }
        let to_metres = |&c: &u16| if c == 0 { f32::NAN } else { f32::from(c) / counts_per_metre };
        let metres = Array2::from_shape_vec((height, width), counts.iter().map(to_metres).collect())
            .map_err(|e| Error::mismatch("a full depth image", e.to_string(), "depth image"))?;
        Ok(Self { metres })
    }
    /// Columns.
    pub fn width(&self) -> usize {
        self.metres.ncols()
    }
    /// Rows.
    pub fn height(&self) -> usize {
        self.metres.nrows()
    }
}

/// Names and display colours of label values; index = label value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClassList {
    /// Name and sRGB colour of each value.
    pub classes: Vec<(String, [u8; 3])>,
}

/// Per-pixel class or instance numbers, `[height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelImage {
    /// Label values.
    pub labels: Array2<u16>,
    /// What the values mean.
    pub classes: Arc<ClassList>,
}

/// Per-pixel confidence in 0..=1, `[height, width]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreImage {
    /// The scores.
    pub scores: Array2<f32>,
    /// Of what: a class, or `best` for that of the class that won.
    pub of: String,
}

/// A torn piece of a picture: RGBA, transparent outside the piece.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    width: usize,
    height: usize,
    data: Buffer<u8>,
    /// Name of the piece in its set.
    pub name: String,
}

impl Fragment {
    /// From interleaved RGBA bytes.
    ///
    /// # Errors
    /// Where the buffer does not hold `width * height * 4 > 0` bytes.
    pub fn new(name: impl Into<String>, width: usize, height: usize, data: impl Into<Buffer<u8>>) -> Result<Self> {
        let data = data.into();
        sized(data.len(), width, height, 4, "fragment")?;
        Ok(Self { width, height, data, name: name.into() })
    }
    /// Columns.
    pub const fn width(&self) -> usize {
        self.width
    }
    /// Rows.
    pub const fn height(&self) -> usize {
        self.height
    }
    /// Interleaved RGBA bytes.
    pub fn data(&self) -> &[u8] {
        &self.data
    }
}
