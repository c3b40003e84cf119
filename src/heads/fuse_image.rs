//! Infrared and visible in one colour picture, without a network: which methods there are.
//!
//! *In*: a thermal and a colour picture of equal size, aligned to the pixel. *Out*: a colour picture: the luma (BT.601)
//! is fused, the chroma is the visible picture's. *Invariant*: every output is in 0..=255, also for constant pictures; the result
//! does not depend on the number of threads.

use super::guided_fusion::GuidedFusion;
use super::pyramid_fusion::PyramidFusion;
use crate::types::{Error, Result, RgbImage, ThermalImage, num};
use serde::{Deserialize, Serialize};

/// How the two pictures are combined, each as published and with its published constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FusionMethod {
    /// Laplacian pyramids, the stronger detail at every node (Burt 1984).
    #[default]
    Pyramid,
    /// Guided-filter fusion (Li, Kang, Hu 2013): a weighted mean of bases and details, which has less contrast than the visible picture.
    Gff,
}

/// Fuses pairs of pictures; keeps its working memory from call to call.
#[derive(Debug, Default)]
pub struct Fusion {
    pyramid: PyramidFusion,
    guided: GuidedFusion,
}

impl Fusion {
    /// Fuses `infrared` and `visible` into `out`, interleaved RGB of the same size.
    ///
    /// # Errors
    /// Where the sizes of the two pictures or of `out` differ.
    pub fn fuse(&mut self, method: FusionMethod, infrared: &ThermalImage, visible: &RgbImage, out: &mut [u8]) -> Result<()> {
        let (width, height) = (visible.width(), visible.height());
        if (infrared.width(), infrared.height()) != (width, height) || out.len() != width * height * 3 {
            let found = format!("infrared {}x{}, visible {width}x{height}", infrared.width(), infrared.height());
            return Err(Error::mismatch("infrared and visible pictures of equal size", found, "fusion"));
        }
        match method {
            FusionMethod::Pyramid => self.pyramid.fuse(infrared, visible, out),
            FusionMethod::Gff => self.guided.fuse(infrared, visible, out),
        }
        Ok(())
    }
}

/// Luma of an sRGB pixel (BT.601, full range), in 0..=1.
pub fn luma([r, g, b]: [u8; 3]) -> f32 {
    (0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)) / 255.0
}

/// The visible pixel with its luma changed by `delta` levels.
pub(super) fn shifted(out: &mut [u8; 3], rgb: &[u8; 3], delta: f32) {
    out.iter_mut().zip(rgb).for_each(|(o, c)| *o = num::level(f32::from(*c) + delta));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(width: usize, height: usize, f: impl Fn(usize) -> (u16, u8)) -> (ThermalImage, RgbImage) {
        let counts: Vec<u16> = (0..width * height).map(|i| f(i).0).collect();
        let bytes: Vec<u8> = (0..width * height).flat_map(|i| [f(i).1; 3]).collect();
        (ThermalImage::new(width, height, counts, 255).unwrap(), RgbImage::new(width, height, bytes).unwrap())
    }

    #[test]
    fn constant_and_tiny_pictures_give_sound_results() {
        for (w, h) in [(1, 1), (2, 1), (1, 7), (40, 33)] {
            for (i, v) in [(0, 0), (255, 255), (0, 255), (90, 20)] {
                let (infrared, visible) = pair(w, h, |_| (i, v));
                for method in [FusionMethod::Gff, FusionMethod::Pyramid] {
                    let mut out = vec![1_u8; w * h * 3];
                    Fusion::default().fuse(method, &infrared, &visible, &mut out).unwrap();
                    let first = out[0];
                    assert!(out.iter().all(|&o| o.abs_diff(first) <= 1), "{method:?} {w}x{h} {i} {v}: {out:?}");
                }
            }
        }
    }

    #[test]
    fn a_hot_target_in_the_dark_shows_and_the_visible_rest_stays() {
        let (w, h) = (96, 64);
        let hot = |i: usize| (40..56).contains(&(i % w)) && (20..44).contains(&(i / w));
        let (infrared, visible) = pair(w, h, |i| (if hot(i) { 240 } else { 40 }, if i % w < 20 { 180 } else { 20 }));
        let mut out = vec![0_u8; w * h * 3];
        Fusion::default().fuse(FusionMethod::Pyramid, &infrared, &visible, &mut out).unwrap();
        let at = |x: usize, y: usize| out[(y * w + x) * 3];
        assert!(at(48, 32) > 150, "{}", at(48, 32));
        assert!(at(4, 32) > 130 && at(88, 10) < 60, "{} {}", at(4, 32), at(88, 10));
    }

    #[test]
    fn different_sizes_are_refused_with_both_named() {
        let (infrared, _) = pair(4, 4, |_| (1, 1));
        let (_, visible) = pair(5, 4, |_| (1, 1));
        let error = Fusion::default().fuse(FusionMethod::Gff, &infrared, &visible, &mut [0; 60]).unwrap_err().to_string();
        assert!(error.contains("4x4") && error.contains("5x4"), "{error}");
    }
}
