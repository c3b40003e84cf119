//! Headerless point files: rows of `N` little-endian `f32`.
//!
//! *In*: the bytes of one sweep. *Out*: a [`PointCloud`] in the sensor's own frame, metres.
//! *Invariant*: a length that is no whole number of rows, no rows at all, and NaN or infinity are errors; nothing is dropped.

use crate::types::{Error, LidarPoint, PointCloud, Pool, Result};

/// The cloud in `bytes`, each row made a point by `point`; the buffer is taken from `pool`.
///
/// # Errors
/// Where the length does not divide by `4 * N`, the file is empty, or a value is NaN or infinite.
pub fn rows<const N: usize>(bytes: &[u8], pool: &Pool<LidarPoint>, point: fn([f32; N]) -> LidarPoint) -> Result<PointCloud> {
    let row = 4 * N;
    let rest = bytes.len().checked_rem(row).unwrap_or(bytes.len());
    if rest != 0 || bytes.is_empty() {
        let found = format!("{} bytes ({rest} over)", bytes.len());
        return Err(Error::mismatch(format!("one or more whole rows of {row} bytes"), found, "point file"));
    }
    let mut points = pool.take(bytes.len() / row);
    for (slot, row) in points.iter_mut().zip(bytes.chunks_exact(row)) {
        let mut values = row.chunks_exact(4).map(|b| b.try_into().map_or(f32::NAN, f32::from_le_bytes));
        *slot = point(std::array::from_fn(|_| values.next().unwrap_or(f32::NAN)));
    }
    PointCloud::new(points)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stray_byte_an_empty_file_and_a_nan_are_named() {
        let pool = Pool::new(2);
        let point = |[x, y, z]: [f32; 3]| LidarPoint { position: [x, y, z], ..LidarPoint::default() };
        let bytes: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(rows(&bytes, &pool, point).unwrap().points()[0].position, [1.0, 2.0, 3.0]);
        assert!(rows(&bytes[..11], &pool, point).unwrap_err().to_string().contains("11 bytes"));
        assert!(rows(&[], &pool, point).is_err());
        let nan = f32::NAN.to_le_bytes().repeat(3);
        assert!(rows(&nan, &pool, point).unwrap_err().to_string().contains("1 of 1"));
    }
}
