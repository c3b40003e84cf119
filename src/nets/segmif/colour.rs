//! RGB and Y, Cr, Cb, with the constants of the published code.
//!
//! *In / Out*: `[batch, 3, H, W]`, RGB in 0..1; planes in the order Y, Cr, Cb. *Invariant*: nothing is clipped here.

use burn::tensor::Tensor;

/// RGB to Y, Cr, Cb.
pub fn to_ycrcb(rgb: Tensor<4>) -> Tensor<4> {
    let plane = |index| rgb.clone().narrow(1, index, 1);
    let (red, green, blue) = (plane(0), plane(1), plane(2));
    let y = red.clone() * 0.299 + green * 0.587 + blue.clone() * 0.114;
    let cr = (red - y.clone()) * 0.713 + 0.5;
    let cb = (blue - y.clone()) * 0.564 + 0.5;
    Tensor::cat(vec![y, cr, cb], 1)
}

/// A luminance plane and `[batch, 2, H, W]` of Cr, Cb to RGB.
pub fn from_ycrcb(y: Tensor<4>, crcb: Tensor<4>) -> Tensor<4> {
    let cr = crcb.clone().narrow(1, 0, 1) - 0.5;
    let cb = crcb.narrow(1, 1, 1) - 0.5;
    let red = y.clone() + cr.clone() * 1.403;
    let green = y.clone() - cr * 0.714 - cb.clone() * 0.344;
    let blue = y + cb * 1.773;
    Tensor::cat(vec![red, green, blue], 1)
}
