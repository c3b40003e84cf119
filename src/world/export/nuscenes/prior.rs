//! The map's picture: where vehicles and walkers may be, a pixel a decimetre.
//!
//! *Out*: an 8-bit PNG, 255 where the ground is road or side walk. *Invariant*: pixel (column, row) stands for the place
//! (column, rows - row) / 10 metres from the south-west corner, as the public reader looks it up.

use super::map::size;
use crate::types::{Error, Result, num};
use crate::world::scene::{Layer, P2, Raster, Town};
use std::path::Path;

/// Metres of a pixel.
const PIXEL: f64 = 0.1;
/// Columns that are drawn at once.
const BAND: usize = 512;

/// Draws it.
pub(super) fn write(path: &Path, town: &Town, [x, y]: P2) -> Result<()> {
    let [width, height] = size(town).map(|metres| num::cell(metres / PIXEL, 1 << 16).unwrap_or(1).max(1));
    let mut pixels = vec![0_u8; width * height];
    let layers = [Layer::DrivableArea, Layer::Walkway];
    let mut from = 0;
    while from < width {
        let columns = BAND.min(width - from);
        // The middle of cell 0 lies on the corner itself; row `height - j` is cell `j`.
        let origin = [from as f64 * PIXEL - PIXEL / 2.0, -PIXEL / 2.0];
        let cells = town.map.around([x, y], 0.0, &layers, &Raster { origin, cell: PIXEL, nx: columns, ny: height + 1 })?;
        for (column, line) in (from..).zip(cells.cells().chunks_exact(height + 1)) {
            for (j, _) in line.iter().enumerate().skip(1).filter(|(_, c)| **c != 0) {
                if let Some(pixel) = pixels.get_mut((height - j) * width + column) {
                    *pixel = u8::MAX;
                }
            }
        }
        from += columns;
    }
    image::save_buffer(path, &pixels, num::u32(width), num::u32(height), image::ExtendedColorType::L8)
        .map_err(|e| Error::mismatch("a picture", e.to_string(), path.display().to_string()))
}
