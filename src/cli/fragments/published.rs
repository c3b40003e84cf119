//! Torn pieces in the layout of PairingNet's published tools: `fragment NNNN.png`, `gt.txt`, `bg.txt`, `image.jpg`.
//!
//! *In*: torn pieces. *Out*: files. *Invariant*: pieces are opaque, the background is 255 less the picture's mean colour (blue, green, red in `bg.txt`);
//! `gt.txt` alternates a piece's number and nine numbers, row-major, fragment pixels from picture pixels, eight significant digits.

use super::super::eval::files::{encode_png, write_whole};
use crate::heads::fragments::tear::Piece;
use crate::types::{Error, Result, RgbImage, num};
use std::fmt::Write as _;
use std::path::Path;

/// Writes the files.
///
/// # Errors
/// One cannot be written.
pub(super) fn save(folder: &Path, picture: &RgbImage, torn: &[Piece]) -> Result<()> {
    let ground = background(picture);
    let mut truth = String::new();
    for (index, piece) in torn.iter().enumerate() {
        let fragment = &piece.fragment;
        let opaque = |p: &[u8]| match p {
            [r, g, b, a] if *a > 0 => [*r, *g, *b],
            _ => ground,
        };
        let data: Vec<u8> = fragment.data().chunks_exact(4).flat_map(opaque).collect();
        let image = image::RgbImage::from_raw(num::u32(fragment.width()), num::u32(fragment.height()), data);
        let image = image.ok_or_else(|| Error::mismatch("a picture", fragment.name.clone(), "fragments tear"))?;
        write_whole(&folder.join(format!("fragment {index:04}.png")), &encode_png(&image)?)?;
        let [upper, lower] = piece.to_picture.inverse().rows();
        let numbers: Vec<String> = upper.iter().chain(&lower).chain(&[0.0, 0.0, 1.0]).map(|v| significant(*v)).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(truth, "{index}\n{}", numbers.join(" "));
    }
    let [r, g, b] = ground;
    write_whole(&folder.join("gt.txt"), truth.as_bytes())?;
    write_whole(&folder.join("bg.txt"), format!("{b} {g} {r}\n").as_bytes())?;
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 95);
    let (width, height) = (num::u32(picture.width()), num::u32(picture.height()));
    image::ImageEncoder::write_image(encoder, picture.data(), width, height, image::ExtendedColorType::Rgb8)
        .map_err(|e| Error::unavailable("the picture", e.to_string()))?;
    write_whole(&folder.join("image.jpg"), &jpeg)
}

/// 255 less the mean colour.
fn background(picture: &RgbImage) -> [u8; 3] {
    let mut sums = [0_u64; 3];
    for pixel in picture.data().chunks_exact(3) {
        sums.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += u64::from(*v));
    }
    let count = (picture.data().len() / 3).max(1) as f64;
    sums.map(|sum| num::level(num::f32(255.0 - sum as f64 / count)))
}

/// Eight significant digits, without an exponent.
fn significant(value: f64) -> String {
    let digits = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let decimals = usize::try_from(num::round_i64(7.0 - digits)).unwrap_or(0).min(17);
    format!("{:.decimals$}", value + 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_count_from_the_first_that_is_not_zero() {
        let known = [(0.0, "0.0000000"), (-123.456_789_123, "-123.45679"), (0.001_234_567_891, "0.0012345679"), (1.0, "1.0000000")];
        for (value, text) in known {
            assert_eq!(significant(value), text);
        }
    }
}
