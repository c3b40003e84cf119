//! CARLA's depth pictures: 24 bits a pixel, red the lowest byte; all bits set are 1000 m.
//!
//! *In*: channel bytes in CARLA's order. *Out*: depth along the optical axis. *Invariant*: arithmetic in float32 from left to right, as in the
//! recording code of the driving data sets, so that values agree to the last bit. Recorded `depth` PNGs of TransFuser's data have red
//! and blue exchanged.

/// Metres at full scale.
pub const FAR_METRES: f32 = 1000.0;

/// Depth in 0..=1 of a pixel's red, green and blue; times [`FAR_METRES`] it is metres.
pub fn normalised([red, green, blue]: [u8; 3]) -> f32 {
    (f32::from(red) + f32::from(green) * 256.0 + f32::from(blue) * 65_536.0) / 16_777_215.0
}

/// Red, green and blue of a depth in metres, rounded to the nearest step; beyond the range saturates, NaN is farthest.
pub fn encoded(metres: f64) -> [u8; 3] {
    let share = metres / f64::from(FAR_METRES);
    let steps = crate::types::num::round_i64(if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) } * 16_777_215.0);
    let [red, green, blue, ..] = steps.to_le_bytes();
    [red, green, blue]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_both_ways() {
        assert_eq!(normalised([255; 3]), 1.0);
        assert_eq!(normalised([0; 3]), 0.0);
        for metres in [0.0, 0.5, 12.34, 999.0] {
            assert!((f64::from(normalised(encoded(metres))) * 1000.0 - metres).abs() < 1e-3, "{metres}");
        }
        assert_eq!(encoded(f64::NAN), [255; 3]);
        assert_eq!(encoded(2000.0), [255; 3]);
    }
}
