//! The one place where numbers are narrowed, each with its rule in its name.
//!
//! `as` saturates for float to integer (NaN becomes zero) and rounds for `f64` to `f32`; these functions say so at the call.
#![allow(clippy::cast_possible_truncation)]

/// Nearest `i64`, saturating; NaN becomes 0.
pub fn round_i64(value: f64) -> i64 {
    value.round() as i64
}
/// Nearest `f32`.
pub const fn f32(value: f64) -> f32 {
    value as f32
}
/// Nearest 8-bit level, saturating to 0..=255; NaN becomes 0.
pub fn level(value: f32) -> u8 {
    value.round() as u8
}
/// Nearest 16-bit level, saturating; NaN becomes 0.
pub fn level16(value: f32) -> u16 {
    value.round() as u16
}
/// Nearest 8-bit level as [`level`], without a call into the mathematics library.
#[inline]
pub const fn nearest_level(value: f32) -> u8 {
    (value + 0.5) as u8
}
/// A small whole number as a float; beyond 24 bits the nearest.
#[inline]
pub const fn count_f32(value: u32) -> f32 {
    value as f32
}
/// A whole number as a float; beyond 24 bits the nearest.
#[inline]
pub const fn int_f32(value: i32) -> f32 {
    value as f32
}
/// The largest whole number below, saturating; NaN becomes 0. Without a call into the mathematics library.
#[inline]
pub fn floor_i32(value: f32) -> i32 {
    let cut = value as i32;
    cut.saturating_sub(i32::from((cut as f32) > value))
}
/// The smallest whole number above, saturating; NaN becomes 0.
#[inline]
pub fn ceil_i32(value: f32) -> i32 {
    let cut = value as i32;
    cut.saturating_add(i32::from((cut as f32) < value))
}
/// The lowest 32 bits.
#[inline]
pub const fn low_u32(value: u64) -> u32 {
    (value & 0xffff_ffff) as u32
}
/// The low 16 bits.
pub const fn low_u16(value: u32) -> u16 {
    value as u16
}
/// The pixel column or row that holds a coordinate (pixel centres at integers), or `None` outside `0..size`.
pub fn pixel(coordinate: f64, size: usize) -> Option<usize> {
    let nearest = coordinate.round();
    (nearest >= 0.0 && nearest < size as f64).then_some(nearest as usize)
}
/// Cell index by rounding down, or `None` outside `0..count`.
pub fn cell(coordinate: f64, count: usize) -> Option<usize> {
    let floor = coordinate.floor();
    (floor >= 0.0 && floor < count as f64).then_some(floor as usize)
}
/// Whole part of a number, rounded towards zero, saturating; NaN becomes 0.
pub const fn trunc_i32(value: f32) -> i32 {
    value as i32
}
/// To `i32`, saturating.
pub fn i32(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
/// To `u32`, saturating.
pub fn u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
/// To `u16`, saturating.
pub fn u16(value: usize) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
/// To `usize`; lossless on the 32- and 64-bit machines we build for.
pub const fn usize(value: u32) -> usize {
    value as usize
}
/// A count of operations to `usize`, saturating.
pub fn count(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
/// Nanoseconds of a duration, saturating at 585 years.
pub fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
