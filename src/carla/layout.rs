//! Packed little-endian bytes, as stream messages hold them.
//!
//! *In / Out*: slices to numbers and back. *Invariant*: a short slice is an error that says what was missing.

use super::structs::{Rotation, Transform, Vector3D};
use crate::types::{Error, Result};

/// Takes numbers from the front of a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taker<'a> {
    left: &'a [u8],
    place: &'static str,
}

macro_rules! take {
    ($($name:ident: $ty:ty),*) => { $(
        pub(crate) fn $name(&mut self) -> Result<$ty> {
            self.fixed().map(<$ty>::from_le_bytes)
        }
    )* };
}

impl<'a> Taker<'a> {
    pub(crate) const fn new(left: &'a [u8], place: &'static str) -> Self {
        Self { left, place }
    }
    pub(crate) const fn left(&self) -> &'a [u8] {
        self.left
    }
    pub(crate) fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let short = || Error::mismatch(format!("{N} more bytes"), self.left.len().to_string(), self.place);
        let (head, rest) = self.left.split_first_chunk::<N>().ok_or_else(short)?;
        self.left = rest;
        Ok(*head)
    }
    pub(crate) fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let short = || Error::mismatch(format!("{count} more bytes"), self.left.len().to_string(), self.place);
        let (head, rest) = self.left.split_at_checked(count).ok_or_else(short)?;
        self.left = rest;
        Ok(head)
    }
    take!(u8: u8, u32: u32, u64: u64, i32: i32, f32: f32, f64: f64);
    pub(crate) fn flag(&mut self) -> Result<bool> {
        self.u8().map(|v| v != 0)
    }
    pub(crate) fn vector(&mut self) -> Result<Vector3D> {
        Ok(Vector3D { x: self.f32()?, y: self.f32()?, z: self.f32()? })
    }
    pub(crate) fn transform(&mut self) -> Result<Transform> {
        let location = self.vector()?;
        let rotation = Rotation { pitch: self.f32()?, yaw: self.f32()?, roll: self.f32()? };
        Ok(Transform { location, rotation })
    }
}

/// Appends numbers to a buffer.
pub(crate) trait Append {
    fn floats(&mut self, values: &[f32]);
    fn vector(&mut self, v: &Vector3D);
    fn transform(&mut self, t: &Transform);
}

impl Append for Vec<u8> {
    fn floats(&mut self, values: &[f32]) {
        values.iter().for_each(|v| self.extend_from_slice(&v.to_le_bytes()));
    }
    fn vector(&mut self, v: &Vector3D) {
        self.floats(&v.array());
    }
    fn transform(&mut self, t: &Transform) {
        self.vector(&t.location);
        self.floats(&[t.rotation.pitch, t.rotation.yaw, t.rotation.roll]);
    }
}
