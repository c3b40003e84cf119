//! Little-endian fields in and out of byte slices, the alphabet of the recording's binary payloads.
//!
//! *In / Out*: bytes. *Invariant*: [`Bytes`] never reads past its end and never promises more elements than there are
//! bytes for, so a hostile length is an error before it is an allocation.

use crate::types::{Error, Result, num};

/// A cursor over bytes that came from outside.
#[derive(Debug, Clone, Copy)]
pub struct Bytes<'a> {
    rest: &'a [u8],
    place: &'static str,
}

macro_rules! number {
    ($($name:ident),*) => {$(
        /// The next number of this type.
        ///
        /// # Errors
        /// Where the bytes end.
        pub fn $name(&mut self) -> Result<$name> {
            self.array().map($name::from_le_bytes)
        }
    )*};
}

impl<'a> Bytes<'a> {
    /// A cursor at the start of `bytes`; `place` names them in errors.
    pub const fn new(bytes: &'a [u8], place: &'static str) -> Self {
        Self { rest: bytes, place }
    }
    /// An error at this place.
    pub fn error(&self, wanted: impl Into<String>, found: impl Into<String>) -> Error {
        Error::mismatch(wanted, found, self.place)
    }
    /// The next `count` bytes.
    ///
    /// # Errors
    /// Where there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let split = self.rest.split_at_checked(count);
        let (head, rest) = split.ok_or_else(|| self.error(format!("{count} bytes"), format!("{}", self.rest.len())))?;
        self.rest = rest;
        Ok(head)
    }
    /// The next `N` bytes.
    ///
    /// # Errors
    /// Where there are fewer.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let split = self.rest.split_first_chunk::<N>();
        let (head, rest) = split.ok_or_else(|| self.error(format!("{N} bytes"), format!("{}", self.rest.len())))?;
        self.rest = rest;
        Ok(*head)
    }
    number!(u8, u16, u32, u64, i64, f32, f64);
    /// The next `N` numbers.
    ///
    /// # Errors
    /// Where the bytes end.
    pub fn f32s<const N: usize>(&mut self) -> Result<[f32; N]> {
        let mut out = [0.0; N];
        out.iter_mut().try_for_each(|v| self.f32().map(|x| *v = x))?;
        Ok(out)
    }
    /// The next `N` numbers.
    ///
    /// # Errors
    /// Where the bytes end.
    pub fn f64s<const N: usize>(&mut self) -> Result<[f64; N]> {
        let mut out = [0.0; N];
        out.iter_mut().try_for_each(|v| self.f64().map(|x| *v = x))?;
        Ok(out)
    }
    /// An element count, and the bytes of that many elements of `size` bytes each.
    ///
    /// # Errors
    /// Where the bytes present are fewer than the count promises.
    pub fn counted(&mut self, size: usize) -> Result<&'a [u8]> {
        let count = num::usize(self.u32()?);
        self.elements(count, size)
    }
    /// The bytes of `count` elements of `size` bytes each.
    ///
    /// # Errors
    /// Where there are fewer.
    pub fn elements(&mut self, count: usize, size: usize) -> Result<&'a [u8]> {
        let total = count.checked_mul(size);
        let total = total.ok_or_else(|| self.error(format!("{count} x {size} bytes"), "more than a machine word counts"))?;
        self.take(total)
    }
    /// Whether `count` things of at least `size` bytes each can be present.
    ///
    /// # Errors
    /// Where there are too few bytes.
    pub fn holds(&self, count: usize, size: usize) -> Result<()> {
        let least = count.checked_mul(size).filter(|n| *n <= self.rest.len());
        least.map(|_| ()).ok_or_else(|| self.error(format!("{count} things of {size} bytes or more"), format!("{} bytes", self.rest.len())))
    }
    /// Width and height of a picture whose pixels of `size` bytes each can all be present.
    ///
    /// # Errors
    /// Where a side is zero or the bytes present are too few for the size.
    pub fn sides(&mut self, size: usize) -> Result<(usize, usize)> {
        let (width, height) = (num::usize(self.u32()?), num::usize(self.u32()?));
        let bytes = width.checked_mul(height).and_then(|n| n.checked_mul(size));
        match bytes {
            Some(bytes) if bytes > 0 && bytes <= self.rest.len() => Ok((width, height)),
            _ => Err(self.error(format!("{width}x{height} pixels of {size} bytes"), format!("{} bytes", self.rest.len()))),
        }
    }
    /// A text with its length in front.
    ///
    /// # Errors
    /// Where the bytes end or are no UTF-8.
    pub fn text(&mut self) -> Result<&'a str> {
        let bytes = self.counted(1)?;
        std::str::from_utf8(bytes).map_err(|e| self.error("UTF-8", e.to_string()))
    }
    /// Whether nothing is left.
    pub const fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
    /// Nothing may be left.
    ///
    /// # Errors
    /// Where bytes are left.
    pub fn end(&self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.error("the end", format!("{} bytes more", self.rest.len())))
    }
}

/// Appends to a byte buffer that is used again for the next record.
pub trait Put {
    /// Appends raw bytes.
    fn raw(&mut self, bytes: &[u8]);
    /// Appends a count, saturating at `u32::MAX`.
    fn count(&mut self, count: usize) {
        self.raw(&num::u32(count).to_le_bytes());
    }
    /// Appends a text with its length in front.
    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.raw(text.as_bytes());
    }
    /// Appends numbers.
    fn f32s(&mut self, values: &[f32]) {
        values.iter().for_each(|v| self.raw(&v.to_le_bytes()));
    }
    /// Appends numbers.
    fn f64s(&mut self, values: &[f64]) {
        values.iter().for_each(|v| self.raw(&v.to_le_bytes()));
    }
    /// Appends numbers.
    fn u16s(&mut self, values: &[u16]) {
        values.iter().for_each(|v| self.raw(&v.to_le_bytes()));
    }
    /// Appends numbers.
    fn u32s(&mut self, values: &[u32]) {
        values.iter().for_each(|v| self.raw(&v.to_le_bytes()));
    }
}

impl Put for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// The little-endian numbers of `bytes`, as many as fit.
pub fn u16s(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b))
}
/// The little-endian numbers of `bytes`, as many as fit.
pub fn u32s(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|b| u32::from_le_bytes(*b))
}
/// The little-endian numbers of `bytes`, as many as fit.
pub fn f32s(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))
}
/// The little-endian triples of `bytes`, as many as fit.
pub fn triples(bytes: &[u8]) -> Vec<[f32; 3]> {
    let number = |b: &[u8; 4]| f32::from_le_bytes(*b);
    let triple = |b: &[u8; 12]| match b.as_chunks::<4>().0 {
        [x, y, z] => [number(x), number(y), number(z)],
        _ => [0.0; 3],
    };
    bytes.as_chunks::<12>().0.iter().map(triple).collect()
}
