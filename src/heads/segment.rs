//! Logits to classes and confidences at the picture's size.
//!
//! *In*: logits `[classes, h, w]` of one picture, and its size H x W. *Out*: the class of each pixel, and softmax probabilities of the classes
//! asked for, `[H, W]` in 0..=1. *Invariant*: the logits are resized bilinearly with half-pixel centres (as `align_corners = false`), then
//! compared; equal logits go to the lower class. Only rows are held at full size, never all classes of the picture.

use crate::types::{Error, Result};
use ndarray::Array2;
use rayon::prelude::*;

/// Whose probability is wanted at each pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// That of the class that won.
    Best,
    /// That of this class.
    Class(usize),
}

/// Classes and confidences of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmented {
    /// Class per pixel, `[H, W]`.
    pub labels: Array2<u16>,
    /// For each score asked for, probabilities `[H, W]`.
    pub scores: Vec<Array2<f32>>,
}

/// Two neighbours and the share of the second.
#[derive(Debug, Clone, Copy)]
struct Tap {
    low: usize,
    high: usize,
    share: f32,
}

fn taps(input: usize, output: usize) -> Vec<Tap> {
    let scale = input as f32 / output.max(1) as f32;
    let tap = |index: usize| {
        let place = ((index as f32 + 0.5) * scale - 0.5).max(0.0);
        let low = crate::types::num::cell(f64::from(place), input).unwrap_or(input.saturating_sub(1));
        Tap { low, high: (low + 1).min(input.saturating_sub(1)), share: place - low as f32 }
    };
    (0..output).map(tap).collect()
}

/// Classes of a picture, and the probabilities asked for.
///
/// # Errors
/// The sizes do not fit, a class asked for does not exist, or a logit is not finite.
pub fn segment(logits: &[f32], [classes, h, w]: [usize; 3], [height, width]: [usize; 2], wanted: &[Score]) -> Result<Segmented> {
    let place = "logits";
    if classes == 0 || logits.is_empty() || logits.len() != classes * h * w || height * width == 0 {
        let found = format!("{} values for {classes} x {h} x {w}, picture {width}x{height}", logits.len());
        return Err(Error::mismatch("classes x h x w values and a picture with pixels", found, place));
    }
    if let Some(Score::Class(class)) = wanted.iter().find(|s| matches!(s, Score::Class(c) if *c >= classes)) {
        return Err(Error::mismatch(format!("a class below {classes}"), class.to_string(), place));
    }
    if !logits.iter().all(|v| v.is_finite()) {
        return Err(Error::mismatch("finite values", "NaN or infinity", place));
    }
    let columns = taps(w, width);
    let mut labels = vec![0_u16; height * width];
    let mut scores = vec![0.0_f32; height * width * wanted.len().max(1)];
    let rows = labels.par_chunks_exact_mut(width).zip(scores.par_chunks_exact_mut(width * wanted.len().max(1)));
    rows.zip(taps(h, height)).for_each_init(
        || (vec![0.0_f32; w], vec![0.0_f32; width * classes]),
        |(line, pixels), ((labels, scores), row)| {
            for (class, map) in logits.chunks_exact(h * w).enumerate() {
                let upper = map.get(row.low * w..).unwrap_or_default();
                let lower = map.get(row.high * w..).unwrap_or_default();
                for (out, (a, b)) in line.iter_mut().zip(upper.iter().zip(lower)) {
                    *out = a + (b - a) * row.share;
                }
                for (out, tap) in pixels.iter_mut().skip(class).step_by(classes).zip(&columns) {
                    if let (Some(a), Some(b)) = (line.get(tap.low), line.get(tap.high)) {
                        *out = a + (b - a) * tap.share;
                    }
                }
            }
            for ((label, scores), pixel) in
                labels.iter_mut().zip(scores.chunks_exact_mut(wanted.len().max(1))).zip(pixels.chunks_exact(classes))
            {
                let (best, top) = winner(pixel);
                *label = crate::types::num::u16(best);
                if wanted.is_empty() {
                    continue;
                }
                let sum: f32 = pixel.iter().map(|v| (v - top).exp()).sum();
                for (score, wanted) in scores.iter_mut().zip(wanted) {
                    let logit = match wanted {
                        Score::Best => top,
                        Score::Class(class) => pixel.get(*class).copied().unwrap_or(f32::NEG_INFINITY),
                    };
                    *score = ((logit - top).exp() / sum).clamp(0.0, 1.0);
                }
            }
        },
    );
    let shaped = |e: ndarray::ShapeError| Error::mismatch("a full picture", e.to_string(), place);
    let plane = |index: usize| {
        let values = scores.iter().skip(index).step_by(wanted.len().max(1)).copied().collect();
        Array2::from_shape_vec((height, width), values).map_err(shaped)
    };
    let scores = (0..wanted.len()).map(plane).collect::<Result<_>>()?;
    Ok(Segmented { labels: Array2::from_shape_vec((height, width), labels).map_err(shaped)?, scores })
}

/// The first of the largest values.
fn winner(pixel: &[f32]) -> (usize, f32) {
    pixel.iter().enumerate().fold((0, f32::NEG_INFINITY), |best, (index, &value)| if value > best.1 { (index, value) } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::Device;
    use crate::nets::blocks::resize;
    use burn::tensor::{Tensor, TensorData};

    #[test]
    fn resizing_and_probabilities_are_those_of_the_tensor_operations() {
        let ([classes, h, w], [height, width]) = ([5, 7, 9], [26, 35]);
        let logits: Vec<f32> = (0..classes * h * w).map(|i| ((i * i) as f32 * 0.37).sin() * 3.0).collect();
        let found = segment(&logits, [classes, h, w], [height, width], &[Score::Best, Score::Class(3)]).unwrap();
        let tensor = Tensor::<4>::from_data(TensorData::new(logits, [1, classes, h, w]), &Device::flex());
        let full = burn::tensor::activation::softmax(resize(tensor, [height, width]), 1).into_data();
        let full = full.as_slice::<f32>().unwrap();
        let at = |class: usize, pixel: usize| full[class * height * width + pixel];
        for (pixel, label) in found.labels.iter().enumerate() {
            let best = (0..classes).max_by(|a, b| at(*a, pixel).total_cmp(&at(*b, pixel))).unwrap();
            assert!(usize::from(*label) == best || (at(best, pixel) - at(usize::from(*label), pixel)).abs() < 1e-5);
            assert!((found.scores[0].as_slice().unwrap()[pixel] - at(best, pixel)).abs() < 1e-5);
            assert!((found.scores[1].as_slice().unwrap()[pixel] - at(3, pixel)).abs() < 1e-5);
        }
    }

    #[test]
    fn what_cannot_be_a_picture_is_an_error() {
        let fails = |logits: &[f32], shape, wanted: &[Score]| segment(logits, shape, [2, 2], wanted).unwrap_err().to_string();
        assert!(fails(&[0.0; 3], [2, 1, 1], &[]).contains("3 values"));
        assert!(fails(&[0.0, f32::NAN], [2, 1, 1], &[]).contains("NaN"));
        assert!(fails(&[0.0, 1.0], [2, 1, 1], &[Score::Class(2)]).contains("below 2"));
        let flat = segment(&[0.0; 2], [2, 1, 1], [2, 2], &[Score::Best]).unwrap();
        assert!(flat.labels.iter().all(|l| *l == 0) && flat.scores[0].iter().all(|s| *s == 0.5));
    }
}
