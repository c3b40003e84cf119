//! The semantic prior: a picture of a whole map that says where there is something to drive or walk on.
//!
//! *In*: a grey picture, 0.1 m a pixel, its first row the map's northern edge. *Out*: [`PriorMask`]. *Invariant*: outside of the picture nothing is set;
//! distances are those of OpenCV's 5x5 distance transform (Borgefors 1986: steps of 1, 1.4 and 2.1969 pixels), in its fixed point.

use crate::types::{Error, Result, num};

/// Metres of a pixel.
const PIXEL_M: f64 = 0.1;
/// A pixel of this level or more is set.
const SET: u8 = 225;
/// Steps along an axis, across a corner and as a knight moves, in 65536ths of a pixel.
const STEPS: [u32; 3] = [65_536, 91_750, 143_976];

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct PriorMask {
    width: usize,
    height: usize,
    grey: Vec<u8>,
}

impl PriorMask {
    /// From grey levels, row by row.
    ///
    /// # Errors
    /// Where they are not as many as the size says.
    pub fn new(width: usize, height: usize, grey: Vec<u8>) -> Result<Self> {
        if width.checked_mul(height) != Some(grey.len()) {
            return Err(Error::mismatch(format!("{width}x{height} levels"), grey.len().to_string(), "semantic prior"));
        }
        Ok(Self { width, height, grey })
    }
    fn set(&self, x: i64, y: i64) -> bool {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return false };
        x < self.width && y < self.height && self.grey.get(y * self.width + x).is_some_and(|v| *v >= SET)
    }
    /// Whether a place on the map (metres) is on the mask, or at most `dilation` metres beside it.
    pub fn holds(&self, [x, y]: [f64; 2], dilation: f64) -> bool {
        // Rounded half to even, as NumPy does.
        let (column, row) = ((x / PIXEL_M).round_ties_even(), (self.height as f64 - y / PIXEL_M).round_ties_even());
        let (column, row) = (num::round_i64(column), num::round_i64(row));
        let inside = |v: i64, n: usize| usize::try_from(v).is_ok_and(|v| v < n);
        if !(x.is_finite() && y.is_finite() && inside(column, self.width) && inside(row, self.height)) {
            return false;
        }
        if dilation.is_nan() || dilation <= 0.0 {
            return self.set(column, row);
        }
        let reach = num::round_i64((dilation / PIXEL_M).ceil().min(self.width.max(self.height) as f64)) + 1;
        let near = |dx: i64, dy: i64| distance_m(dx.unsigned_abs(), dy.unsigned_abs()) <= num::f32(dilation);
        let mut around = (-reach..=reach).flat_map(|dy| (-reach..=reach).map(move |dx| (dx, dy)));
        around.any(|(dx, dy)| self.set(column + dx, row + dy) && near(dx, dy))
    }
}

/// Metres between two pixels by the steps of the transform.
fn distance_m(dx: u64, dy: u64) -> f32 {
    let [straight, corner, knight] = STEPS.map(u64::from);
    let (long, short) = (dx.max(dy), dx.min(dy));
    let steps = if long >= 2 * short {
        (long - 2 * short) * straight + short * knight
    } else {
        (2 * short - long) * corner + (long - short) * knight
    };
    num::f32(steps as f64 / 65_536.0) * num::f32(PIXEL_M)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_beside_the_mask_is_on_it_when_it_is_dilated() {
        // One pixel of a map of 10 x 6 m, 3 m east and 2 m north of its corner.
        let mut grey = vec![0; 100 * 60];
        grey[40 * 100 + 30] = 255;
        let mask = PriorMask::new(100, 60, grey).unwrap();
        assert!(mask.holds([3.0, 2.0], 0.0) && !mask.holds([3.2, 2.0], 0.0) && !mask.holds([3.0, 2.1], 0.0));
        assert!(mask.holds([4.0, 2.0], 1.0) && !mask.holds([4.1, 2.0], 1.0), "along an axis the distance is exact");
        // Across a corner 7 pixels are 9.8 steps, 0.98 m.
        assert!(mask.holds([3.7, 2.7], 0.981) && !mask.holds([3.7, 2.7], 0.979));
        assert!(!mask.holds([-0.1, 2.0], 50.0) && !mask.holds([3.0, f64::NAN], 50.0) && !mask.holds([3.0, 7.0], 50.0), "off the picture");
        assert!(PriorMask::new(3, 3, vec![0; 8]).is_err());
    }
}
