//! Pictures to a network's input the way published detectors were trained: bicubic with anti-aliasing, cropped, normalised.
//!
//! *In*: interleaved RGB. *Out*: `[3][height][width]`, ImageNet's mean and deviation. *Invariant*: the arithmetic of Pillow's `BICUBIC` (a = -0.5,
//! the kernel widened by the scale, 8-bit rounding after each of the two passes), so that values agree to a level or two of 255.
//! What the crop takes from outside the picture is the mean colour, 0 after normalisation.

use crate::types::{RgbImage, num};
use nalgebra::Matrix4;
use rayon::prelude::*;

const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// How a picture becomes the network's image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Framing {
    /// Factor of both axes.
    scale: f64,
    /// Width and height after scaling.
    scaled: [usize; 2],
    /// Column and row of the scaled picture at the image's corner; may lie outside.
    corner: [i32; 2],
    /// Rows and columns of the image.
    image: [usize; 2],
}

impl Framing {
    /// For pictures of `[width, height]`: scaled to 12/11 of the image's width, cut at both sides alike, the bottom kept. At 1600x900
    /// to 704x256 this is the published test-time framing (scale 0.48, corner 32, 176).
    pub fn new([width, height]: [usize; 2], image: [usize; 2]) -> Self {
        let [rows, columns] = image;
        let scale = columns as f64 * 12.0 / 11.0 / width.max(1) as f64;
        let size = |n: usize| usize::try_from(num::round_i64((n as f64 * scale).floor())).unwrap_or(1).max(1);
        // A whole number that rounding pushed just below itself stays what it is.
        let scaled = [usize::try_from(num::round_i64(width as f64 * scale)).unwrap_or(1).max(1), size(height).max(1)];
        let corner = [(num::i32(scaled[0]) - num::i32(columns)) / 2, num::i32(scaled[1]) - num::i32(rows)];
        Self { scale, scaled, corner, image }
    }

    /// Pixels of the image from pixels of the picture.
    pub fn matrix(&self) -> Matrix4<f32> {
        let mut m = Matrix4::identity();
        let s = num::f32(self.scale);
        let [left, top] = self.corner.map(|v| num::f32(f64::from(v)));
        m.copy_from(&Matrix4::new(s, 0.0, 0.0, -left, 0.0, s, 0.0, -top, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0));
        m
    }

    /// Writes the image, `[3][rows][columns]`, into `out`.
    pub fn fill(&self, picture: &RgbImage, out: &mut [f32]) {
        let [rows, columns] = self.image;
        let (width, height) = (picture.width(), picture.height());
        let across = taps(width, self.scaled[0], self.corner[0], columns);
        let down = taps(height, self.scaled[1], self.corner[1], rows);
        // Only the rows that the crop needs.
        let first = down.iter().flatten().map(|(at, _)| *at).min().unwrap_or(0);
        let last = down.iter().flatten().map(|(at, w)| at + w.len()).max().unwrap_or(0);
        let mut lines = vec![[0.0_f32; 3]; last.saturating_sub(first) * columns];
        let source = picture.data().par_chunks_exact((width * 3).max(1)).skip(first);
        lines.par_chunks_mut(columns.max(1)).zip(source).for_each(|(line, source)| {
            let pixels = source.as_chunks::<3>().0;
            for (target, tap) in line.iter_mut().zip(&across) {
                let Some((at, weights)) = tap else { continue };
                let mut sum = [0.0_f32; 3];
                for (pixel, w) in pixels.iter().skip(*at).zip(weights) {
                    sum.iter_mut().zip(pixel).for_each(|(s, p)| *s += w * f32::from(*p));
                }
                *target = sum.map(|v| f32::from(num::level(v)));
            }
        });
        let constants = MEAN.into_iter().zip(DEVIATION).enumerate();
        for (plane, (channel, (mean, deviation))) in out.chunks_exact_mut((rows * columns).max(1)).zip(constants) {
            plane.par_chunks_mut(columns.max(1)).zip(&down).for_each(|(row, tap)| {
                row.fill(0.0);
                let Some((at, weights)) = tap else { return };
                let lines = lines.chunks_exact(columns.max(1)).skip(at.saturating_sub(first)).zip(weights);
                for (line, w) in lines {
                    for (target, pixel) in row.iter_mut().zip(line) {
                        *target += w * pixel.get(channel).copied().unwrap_or_default();
                    }
                }
                for (target, inside) in row.iter_mut().zip(&across) {
                    *target = if inside.is_some() { (f32::from(num::level(*target)) / 255.0 - mean) / deviation } else { 0.0 };
                }
            });
        }
    }
}

/// Where an output sample's inputs start, and their weights; `None` where the crop leaves the picture.
type Tap = Option<(usize, Vec<f32>)>;

fn taps(input: usize, scaled: usize, corner: i32, output: usize) -> Vec<Tap> {
    let scale = input as f64 / scaled.max(1) as f64;
    let wide = scale.max(1.0);
    let tap = |o: usize| {
        let at = usize::try_from(num::i32(o) + corner).ok().filter(|at| *at < scaled)?;
        let centre = (at as f64 + 0.5) * scale;
        let first = num::cell((centre - 2.0 * wide + 0.5).max(0.0), input)?;
        let end = num::cell((centre + 2.0 * wide + 0.5).min(input as f64), input + 1)?;
        let weights: Vec<f64> = (first..end).map(|i| cubic((i as f64 + 0.5 - centre) / wide)).collect();
        let sum: f64 = weights.iter().sum();
        Some((first, weights.into_iter().map(|w| num::f32(w / sum)).collect()))
    };
    (0..output).map(tap).collect()
}

fn cubic(x: f64) -> f64 {
    let (a, x) = (-0.5, x.abs());
    if x < 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_framing_and_a_constant_picture() {
        let framing = Framing::new([1600, 900], [256, 704]);
        assert_eq!((framing.scaled, framing.corner), ([768, 432], [32, 176]));
        assert!((framing.scale - 0.48).abs() < 1e-12);
        assert_eq!(framing.matrix()[(0, 3)], -32.0);
        let picture = RgbImage::new(160, 90, vec![128_u8; 160 * 90 * 3]).unwrap();
        let mut out = vec![9.0_f32; 3 * 64 * 176];
        Framing::new([160, 90], [64, 176]).fill(&picture, &mut out);
        let wanted = (128.0 / 255.0 - 0.485) / 0.229;
        assert!(out[..64 * 176].iter().all(|v| (v - wanted).abs() < 1e-5));
        // A flat picture that is too low for the crop: the mean above it.
        let low = RgbImage::new(160, 10, vec![255_u8; 160 * 10 * 3]).unwrap();
        Framing::new([160, 10], [64, 176]).fill(&low, &mut out);
        assert_eq!((out[0], out[63 * 176] > 2.0), (0.0, true));
    }
}
