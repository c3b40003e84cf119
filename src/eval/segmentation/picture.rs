//! A confusion matrix as a picture: one cell per pair of classes, coloured and labelled by the row's share in percent.
//!
//! *In*: a [`Confusion`] and its [`ClassList`]. *Out*: an RGB picture; rows truth, columns prediction, names shortened to
//! [`NAME`] letters. *Invariant*: nothing is drawn outside the picture.

use super::Confusion;
use super::font::{self, HEIGHT, WIDTH};
use crate::types::{ClassList, num};
use image::{Rgb, RgbImage};

/// Letters of a class name that are shown.
const NAME: usize = 14;
const CELL: u32 = 34;
const SCALE: u32 = 2;
const MARGIN: u32 = 8;
/// Beyond so many classes the cells shrink to one colour each, without text.
const READABLE: usize = 64;
const INK: Rgb<u8> = Rgb([24, 24, 32]);
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// Draws the matrix. Colours run from white (0 %) to dark blue (100 % of the row).
pub fn matrix_picture(confusion: &Confusion, names: &ClassList) -> RgbImage {
    let readable = confusion.classes() <= READABLE;
    let cell = if readable { CELL } else { 2 };
    let letter = (WIDTH + 1) * SCALE;
    let label = if readable { num::u32(NAME) * letter } else { 0 };
    let title = (HEIGHT + 4) * SCALE;
    let count = num::u32(confusion.classes());
    let (left, top) = (MARGIN * 2 + label, MARGIN * 2 + label + title);
    let mut picture = RgbImage::from_pixel(left + count * cell + MARGIN, top + count * cell + MARGIN, PAPER);
    write(&mut picture, "rows: truth, columns: predicted, % of the row", [MARGIN, MARGIN], 1, false);
    for ((class, row), y) in confusion.rows().enumerate().zip((top..).step_by(num::usize(cell))) {
        let whole: u64 = row.iter().sum();
        for ((column, &part), x) in row.iter().enumerate().zip((left..).step_by(num::usize(cell))) {
            let share = if whole > 0 { num::f32(part as f64 / whole as f64) } else { 0.0 };
            fill(&mut picture, [x, y], cell - u32::from(readable), shade(share, class == column && whole > 0));
            if readable && part > 0 {
                let text = format!("{}", num::level(share * 100.0));
                let width = num::u32(text.len()) * letter;
                write_in(&mut picture, &text, [x + cell.saturating_sub(width) / 2, y + 10], SCALE, false, contrast(share));
            }
        }
        if readable {
            let name = short(names, class);
            let width = num::u32(name.chars().count()) * letter;
            write(&mut picture, &name, [(MARGIN + label).saturating_sub(width), y + 10], SCALE, false);
            let x = left + num::u32(class) * cell + 10;
            write(&mut picture, &name, [x, top - MARGIN], SCALE, true);
        }
    }
    picture
}

fn short(names: &ClassList, class: usize) -> String {
    names.classes.get(class).map_or_else(|| class.to_string(), |(name, _)| name.chars().take(NAME).collect())
}

fn shade(share: f32, diagonal: bool) -> Rgb<u8> {
    let dark = if diagonal { [16.0, 64.0, 144.0] } else { [150.0, 32.0, 24.0] };
    Rgb(dark.map(|d| num::level(share.mul_add(d - 240.0, 240.0))))
}

fn contrast(share: f32) -> Rgb<u8> {
    if share > 0.5 { PAPER } else { INK }
}

fn fill(picture: &mut RgbImage, [x, y]: [u32; 2], side: u32, colour: Rgb<u8>) {
    for dy in 0..side {
        for dx in 0..side {
            dot(picture, x + dx, y + dy, colour);
        }
    }
}

fn dot(picture: &mut RgbImage, x: u32, y: u32, colour: Rgb<u8>) {
    if let Some(pixel) = picture.get_pixel_mut_checked(x, y) {
        *pixel = colour;
    }
}

fn write(picture: &mut RgbImage, text: &str, at: [u32; 2], scale: u32, upwards: bool) {
    write_in(picture, text, at, scale.max(1), upwards, INK);
}

/// Writes from `at` to the right, or upwards from there.
fn write_in(picture: &mut RgbImage, text: &str, [x, y]: [u32; 2], scale: u32, upwards: bool, colour: Rgb<u8>) {
    for (index, letter) in (0_u32..).zip(text.chars()) {
        let start = index * (WIDTH + 1) * scale;
        for (row, bits) in (0_u32..).zip(font::rows(letter)) {
            for column in (0..WIDTH).filter(|c| bits >> (WIDTH - 1 - c) & 1 == 1) {
                let (along, across) = (start + column * scale, row * scale);
                let corner = if upwards { [x + across, y.saturating_sub(along + scale)] } else { [x + along, y + across] };
                fill(picture, corner, scale, colour);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_classes_is_drawn() {
        let names = ClassList { classes: vec![("road & kerb".into(), [1, 2, 3])] };
        for classes in [1, 3, 64, 65, 300] {
            let mut confusion = Confusion::new(classes).unwrap();
            confusion.add(&[0, 0], &[0, u16::try_from(classes - 1).unwrap()], None, "t").unwrap();
            let picture = matrix_picture(&confusion, &names);
            assert!(picture.width() > num::u32(classes));
            assert!(picture.pixels().any(|p| *p == INK));
        }
    }
}
