//! Camera messages as pictures of our own.
//!
//! *In*: the pixels of a message (B, G, R, A) as they lie in the receive buffer. *Out*: [`RgbImage`], [`DepthImage`] in metres, tags, and the lens.
//! *Invariant*: one pass from the buffer to the picture is the only copy; depth is float32 from left to right, as in the recorded data sets.

use super::sensor::Image;
use crate::formats::carla_depth::{FAR_METRES, normalised};
use crate::types::{Calibration, DepthImage, Error, Intrinsics, Result, RgbImage};
use ndarray::Array2;

impl Image<'_> {
    /// Colour.
    ///
    /// # Errors
    /// Where the pixels do not fill the size.
    pub fn to_rgb(&self) -> Result<RgbImage> {
        let mut out = Vec::with_capacity(self.width * self.height * 3);
        self.pixels.as_chunks::<4>().0.iter().for_each(|[b, g, r, _]| out.extend([*r, *g, *b]));
        RgbImage::new(self.width, self.height, out)
    }
    /// Depth along the optical axis, metres; the sky is 1000.
    ///
    /// # Errors
    /// Where the pixels do not fill the size.
    pub fn to_depth(&self) -> Result<DepthImage> {
        let metres = self.pixels.as_chunks::<4>().0.iter().map(|[b, g, r, _]| normalised([*r, *g, *b]) * FAR_METRES).collect();
        let metres = Array2::from_shape_vec((self.height, self.width), metres);
        metres.map(|metres| DepthImage { metres }).map_err(|e| Error::mismatch("a full depth picture", e.to_string(), "camera message"))
    }
    /// Semantic tags, row by row: the red byte, in the numbering of the server's version.
    pub fn tags(&self) -> impl Iterator<Item = u8> {
        self.pixels.as_chunks::<4>().0.iter().map(|[_, _, r, _]| *r)
    }
    /// The lens: no distortion, one focal length, its axis in the middle of the picture. The pose is left to whoever mounted it.
    ///
    /// # Errors
    /// Where the field of view makes no lens.
    pub fn lens(&self, name: &str) -> Result<Calibration> {
        let focal = self.width as f64 / (2.0 * (f64::from(self.fov).to_radians() / 2.0).tan());
        // Whole numbers are pixel centres with us, pixel corners with CARLA.
        let [cx, cy] = [self.width, self.height].map(|n| n as f64 / 2.0 - 0.5);
        Ok(Calibration::forward_camera(name, Intrinsics::new(self.width, self.height, focal, focal, cx, cy)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_blue_green_red_alpha_and_red_is_the_low_byte_of_depth() {
        let pixels = [10, 20, 30, 255, 0, 0, 1, 255];
        let image = Image { width: 2, height: 1, fov: 90.0, pixels: &pixels };
        assert_eq!(image.to_rgb().unwrap().data(), [30, 20, 10, 1, 0, 0]);
        let depth = image.to_depth().unwrap();
        let first = (30.0 + 256.0 * 20.0 + 65_536.0 * 10.0) / 16_777_215.0 * 1000.0;
        assert!((depth.metres[(0, 0)] - first).abs() < 1e-4 && (depth.metres[(0, 1)] - 1000.0 / 16_777_215.0).abs() < 1e-9);
        assert_eq!(image.tags().collect::<Vec<_>>(), [30, 1]);
        let lens = image.lens("front").unwrap().intrinsics.unwrap();
        assert!((lens.fx - 1.0).abs() < 1e-6 && (lens.cx - 0.5).abs() < 1e-12);
    }
}
