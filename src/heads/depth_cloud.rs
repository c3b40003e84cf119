//! A depth picture and an aligned colour picture to a coloured cloud.
//!
//! *In*: depth in metres along the optical axis (hole: NaN), colour of the same size, the camera's calibration.
//! *Out*: points in the vehicle frame, metres, row by row. *Invariant*: every point is finite; a hole gives no point.

use crate::types::{Calibration, ColouredCloud, DepthImage, Distortion, Error, Result, RgbImage, num};
use nalgebra::Vector3;

/// Every `stride`-th column and row with `0 < depth <= max_depth` becomes a point.
///
/// # Errors
/// Where the sizes of the two pictures and of the intrinsics differ, or the camera is not rectified.
pub fn depth_cloud(depth: &DepthImage, colour: &RgbImage, camera: &Calibration, stride: usize, max_depth: f32) -> Result<ColouredCloud> {
    let (width, height, stride) = (depth.width(), depth.height(), stride.max(1));
    let place = camera.extrinsics.from.name();
    if (colour.width(), colour.height()) != (width, height) {
        let found = format!("depth {width}x{height}, colour {}x{}", colour.width(), colour.height());
        return Err(Error::mismatch("depth and colour pictures of equal size", found, place));
    }
    let lens = camera.intrinsics.filter(|k| (k.width, k.height) == (width, height)).ok_or_else(|| {
        let found = camera.intrinsics.map_or_else(|| "none".to_owned(), |k| format!("for {}x{}", k.width, k.height));
        Error::mismatch(format!("intrinsics for {width}x{height}"), found, place)
    })?;
    if camera.distortion != Distortion::None {
        return Err(Error::mismatch("a rectified camera (a `rectify` stage makes one)", "lens distortion", place));
    }
    let (rotation, t) = (camera.extrinsics.isometry.rotation, camera.extrinsics.isometry.translation.vector);
    // A point is depth * (column part + row part) + translation.
    let columns: Vec<Vector3<f64>> = (0..width).map(|u| rotation * Vector3::new((u as f64 - lens.cx) / lens.fx, 0.0, 0.0)).collect();
    let most = width.div_ceil(stride) * height.div_ceil(stride);
    let mut cloud = ColouredCloud { positions: Vec::with_capacity(most), colours: Vec::with_capacity(most) };
    let rows = depth.metres.outer_iter().zip(colour.data().chunks_exact(width * 3)).enumerate().step_by(stride);
    for (v, (metres, colours)) in rows {
        let down = rotation * Vector3::new(0.0, (v as f64 - lens.cy) / lens.fy, 1.0);
        let pixels = metres.iter().zip(colours.as_chunks::<3>().0).zip(&columns).step_by(stride);
        for ((&z, &rgb), column) in pixels {
            if z > 0.0 && z <= max_depth && z.is_finite() {
                let p = (column + down) * f64::from(z) + t;
                cloud.positions.push([num::f32(p.x), num::f32(p.y), num::f32(p.z)]);
                cloud.colours.push(rgb);
            }
        }
    }
    Ok(cloud)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Intrinsics;

    #[test]
    fn the_centre_lies_ahead_and_a_hole_gives_no_point() {
        let camera = Calibration::forward_camera("c", Intrinsics::new(3, 3, 1.0, 1.0, 1.0, 1.0).unwrap());
        let mut counts = [0_u16; 9];
        (counts[4], counts[5], counts[8]) = (2000, 4000, 60000);
        let depth = DepthImage::from_counts(3, 3, &counts, 1000.0).unwrap();
        let colour = RgbImage::new(3, 3, (0..27).collect::<Vec<u8>>()).unwrap();
        let cloud = depth_cloud(&depth, &colour, &camera, 1, 50.0).unwrap();
        assert_eq!(cloud.positions, vec![[2.0, 0.0, 0.0], [4.0, -4.0, 0.0]]);
        assert_eq!(cloud.colours, vec![[12, 13, 14], [15, 16, 17]]);
    }
}
