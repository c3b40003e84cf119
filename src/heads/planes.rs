//! Pictures to network inputs and back: bytes and counts as planes of `f32`.
//!
//! *In*: pictures, row-major, interleaved. *Out*: tensors `[1, channels, H, W]` in 0..1, and the way back. *Invariant*: one pass over the
//! pixels by plain loops (the layout is changed before the device sees the data, which costs a fraction of doing it there).

use crate::nets::{Device, to_host};
use crate::types::{Error, Result, RgbImage, ThermalImage, num};
use burn::tensor::{Tensor, TensorData};

/// A tensor of these values on this device.
pub fn upload<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// RGB in 0..1, plane by plane.
pub fn rgb_planes(image: &RgbImage) -> Vec<f32> {
    let size = image.width() * image.height();
    let mut planes = vec![0.0_f32; 3 * size];
    let (red, rest) = planes.split_at_mut(size);
    let (green, blue) = rest.split_at_mut(size);
    let outputs = red.iter_mut().zip(green).zip(blue);
    for (pixel, ((r, g), b)) in image.data().as_chunks::<3>().0.iter().zip(outputs) {
        let [pr, pg, pb] = pixel.map(|level| f32::from(level) / 255.0);
        (*r, *g, *b) = (pr, pg, pb);
    }
    planes
}

/// Luma (BT.601) in 0..1.
pub fn luma_plane(rgb: &[u8]) -> Vec<f32> {
    let luma = |&[r, g, b]: &[u8; 3]| 0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b);
    rgb.as_chunks::<3>().0.iter().map(|pixel| luma(pixel) / 255.0).collect()
}

/// Thermal counts in 0..1: `range` (low and high count) becomes 0 and 1, what lies outside is clamped; without one, full scale.
///
/// # Errors
/// The range is empty.
pub fn thermal_plane(image: &ThermalImage, range: Option<[u16; 2]>) -> Result<Vec<f32>> {
    let [low, high] = range.unwrap_or([0, image.full_scale]);
    if low >= high {
        return Err(Error::mismatch("a range that rises", format!("[{low}, {high}]"), "infrared counts"));
    }
    let step = 1.0 / (f32::from(high) - f32::from(low));
    Ok(image.data().iter().map(|count| ((f32::from(*count) - f32::from(low)) * step).clamp(0.0, 1.0)).collect())
}

/// A tensor `[1, 3, H, W]` of RGB in 0..1 as interleaved bytes, rounded to the nearest level.
///
/// # Errors
/// The device fails, the tensor has another shape, `out` another size, or a value is not finite.
pub fn rgb_bytes(image: Tensor<4>, out: &mut [u8]) -> Result<()> {
    let shape = image.dims();
    let size = out.len() / 3;
    let data = to_host(image)?;
    let planes = data.as_slice::<f32>().unwrap_or_default();
    if shape.iter().product::<usize>() != 3 * size || shape.get(1) != Some(&3) || planes.len() != 3 * size {
        return Err(Error::mismatch(format!("[1, 3, H, W] of {size} pixels"), format!("{shape:?}"), "a picture from a network"));
    }
    if !planes.iter().all(|v| v.is_finite()) {
        return Err(Error::mismatch("finite values", "NaN or infinity", "a picture from a network"));
    }
    let (red, rest) = planes.split_at(size);
    let (green, blue) = rest.split_at(size);
    for (pixel, ((r, g), b)) in out.as_chunks_mut::<3>().0.iter_mut().zip(red.iter().zip(green).zip(blue)) {
        *pixel = [r, g, b].map(|v| num::level(v * 255.0));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_go_to_planes_and_back_unchanged() {
        let image = RgbImage::new(2, 2, vec![0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 255]).unwrap();
        let planes = rgb_planes(&image);
        assert_eq!(planes[..4], [0, 30, 60, 90].map(|v: u8| f32::from(v) / 255.0));
        let mut back = vec![0; 12];
        rgb_bytes(upload(planes, [1, 3, 2, 2], &Device::flex()), &mut back).unwrap();
        assert_eq!(back, image.data());
        assert!(rgb_bytes(upload(vec![f32::NAN; 12], [1, 3, 2, 2], &Device::flex()), &mut back).is_err());
        assert!(rgb_bytes(upload(vec![0.0; 4], [1, 1, 2, 2], &Device::flex()), &mut back).is_err());
    }

    #[test]
    fn thermal_counts_fill_the_range_asked_for() {
        let image = ThermalImage::new(4, 1, vec![0_u16, 7000, 8000, 65535], 65535).unwrap();
        assert_eq!(thermal_plane(&image, Some([7000, 9000])).unwrap(), [0.0, 0.0, 0.5, 1.0]);
        assert_eq!(thermal_plane(&image, None).unwrap()[3], 1.0);
        assert!(thermal_plane(&image, Some([9, 9])).is_err());
    }
}
