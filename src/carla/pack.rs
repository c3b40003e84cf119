//! MessagePack as CARLA packs it: structs are arrays of their fields, bytes are `bin`, optionals and variants are small arrays.
//!
//! *In / Out*: a slice of bytes to typed values and back. *Invariant*: reading never panics, never recurses on what a
//! stranger nests, and never allocates for an announced length that is not there in bytes.

use super::version::{Version, short};
use crate::types::{Error, Result, num};
use rmp::Marker;

/// Writes values behind each other.
#[derive(Debug, Clone)]
pub struct Writer {
    out: Vec<u8>,
    /// What the peer speaks.
    pub version: Version,
}

impl Writer {
    /// Nothing written yet.
    pub const fn new(version: Version) -> Self {
        Self { out: Vec::new(), version }
    }
    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
    /// Head of an array of `len` values, which follow.
    pub fn array(&mut self, len: usize) {
        let _always = rmp::encode::write_array_len(&mut self.out, num::u32(len));
    }
    /// An empty value.
    pub fn nil(&mut self) {
        let _always = rmp::encode::write_nil(&mut self.out);
    }
    /// One value.
    pub fn put<T: Wire>(&mut self, value: &T) {
        value.put(self);
    }
    /// Values that are packed already.
    pub fn raw(&mut self, packed: &[u8]) {
        self.out.extend_from_slice(packed);
    }
}

/// Reads values behind each other.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    left: &'a [u8],
    /// What the peer speaks.
    pub version: Version,
}

fn wanted(what: &str, found: impl Into<String>) -> Error {
    Error::mismatch(what, found, "message")
}

impl<'a> Reader<'a> {
    /// At the start of `bytes`.
    pub const fn new(bytes: &'a [u8], version: Version) -> Self {
        Self { left: bytes, version }
    }
    /// Bytes not read yet.
    pub const fn left(&self) -> &'a [u8] {
        self.left
    }
    /// One value.
    pub fn get<T: Wire>(&mut self) -> Result<T> {
        T::take(self)
    }
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let (head, rest) =
            self.left.split_at_checked(count).ok_or_else(|| wanted(&format!("{count} more bytes"), format!("{}", self.left.len())))?;
        self.left = rest;
        Ok(head)
    }
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) =
            self.left.split_first_chunk::<N>().ok_or_else(|| wanted(&format!("{N} more bytes"), format!("{}", self.left.len())))?;
        self.left = rest;
        Ok(*head)
    }
    fn peek(&self) -> Result<Marker> {
        self.left.first().map(|b| Marker::from_u8(*b)).ok_or_else(|| wanted("a value", "the end"))
    }
    fn marker(&mut self) -> Result<Marker> {
        let [byte] = self.fixed::<1>()?;
        Ok(Marker::from_u8(byte))
    }
    /// Head of an array: how many values follow. The count is as announced; nothing may be reserved for it.
    pub fn array(&mut self) -> Result<usize> {
        match self.marker()? {
            Marker::FixArray(n) => Ok(usize::from(n)),
            Marker::Array16 => Ok(usize::from(u16::from_be_bytes(self.fixed()?))),
            Marker::Array32 => Ok(num::usize(u32::from_be_bytes(self.fixed()?))),
            other => Err(wanted("an array", format!("{other:?}"))),
        }
    }
    /// Head of an array of at least `least` values.
    pub fn array_of(&mut self, least: usize, what: &str) -> Result<usize> {
        match self.array()? {
            n if n >= least => Ok(n),
            n => Err(wanted(&format!("{what} of {least} fields"), format!("{n}"))),
        }
    }
    /// Whether the next value is nil; then it is read.
    pub fn nil(&mut self) -> bool {
        let nil = matches!(self.peek(), Ok(Marker::Null));
        if nil {
            let _seen = self.marker();
        }
        nil
    }
    /// A whole number of any width.
    pub fn integer(&mut self) -> Result<i128> {
        Ok(match self.marker()? {
            Marker::FixPos(v) => i128::from(v),
            Marker::FixNeg(v) => i128::from(v),
            Marker::U8 => i128::from(u8::from_be_bytes(self.fixed()?)),
            Marker::U16 => i128::from(u16::from_be_bytes(self.fixed()?)),
            Marker::U32 => i128::from(u32::from_be_bytes(self.fixed()?)),
            Marker::U64 => i128::from(u64::from_be_bytes(self.fixed()?)),
            Marker::I8 => i128::from(i8::from_be_bytes(self.fixed()?)),
            Marker::I16 => i128::from(i16::from_be_bytes(self.fixed()?)),
            Marker::I32 => i128::from(i32::from_be_bytes(self.fixed()?)),
            Marker::I64 => i128::from(i64::from_be_bytes(self.fixed()?)),
            other => return Err(wanted("a whole number", format!("{other:?}"))),
        })
    }
    fn real(&mut self) -> Result<f64> {
        match self.peek()? {
            Marker::F32 => self.marker().and_then(|_| Ok(f64::from(f32::from_be_bytes(self.fixed()?)))),
            Marker::F64 => self.marker().and_then(|_| Ok(f64::from_be_bytes(self.fixed()?))),
            _ => self.integer().map(|v| v as f64),
        }
    }
    fn blob(&mut self, text: bool) -> Result<&'a [u8]> {
        let len = match self.marker()? {
            Marker::FixStr(n) if text => usize::from(n),
            Marker::Str8 if text => usize::from(u8::from_be_bytes(self.fixed()?)),
            Marker::Str16 if text => usize::from(u16::from_be_bytes(self.fixed()?)),
            Marker::Str32 if text => num::usize(u32::from_be_bytes(self.fixed()?)),
            Marker::Bin8 if !text => usize::from(u8::from_be_bytes(self.fixed()?)),
            Marker::Bin16 if !text => usize::from(u16::from_be_bytes(self.fixed()?)),
            Marker::Bin32 if !text => num::usize(u32::from_be_bytes(self.fixed()?)),
            other => return Err(wanted(if text { "a string" } else { "bytes" }, format!("{other:?}"))),
        };
        self.bytes(len)
    }
    /// Reads over the next value, however nested.
    pub fn skip(&mut self) -> Result<()> {
        let mut values: u64 = 1;
        while values > 0 {
            let part = super::scan::part(self.left).ok_or_else(|| wanted("a whole value", "a part of one"))?;
            self.bytes(part.head)?;
            self.bytes(num::usize(part.body))?;
            values = values - 1 + part.values;
        }
        Ok(())
    }
    /// Reads over `count` values: fields that a later version appended.
    pub fn skip_all(&mut self, count: usize) -> Result<()> {
        (0..count).try_for_each(|_| self.skip())
    }
}

/// A value with one form on the wire.
pub trait Wire: Sized {
    /// Appends it.
    fn put(&self, to: &mut Writer);
    /// Reads it.
    fn take(from: &mut Reader<'_>) -> Result<Self>;
}

macro_rules! whole {
    ($($ty:ty => $put:ident as $wide:ty),*) => { $(
        impl Wire for $ty {
            fn put(&self, to: &mut Writer) {
                let _always = rmp::encode::$put(&mut to.out, <$wide>::from(*self));
            }
            fn take(from: &mut Reader<'_>) -> Result<Self> {
                let value = from.integer()?;
                Self::try_from(value).map_err(|_| wanted(concat!("a number that fits ", stringify!($ty)), value.to_string()))
            }
        }
    )* };
}
whole!(u8 => write_uint as u64, u16 => write_uint as u64, u32 => write_uint as u64, u64 => write_uint as u64, i32 => write_sint as i64, i64 => write_sint as i64);

impl Wire for f32 {
    fn put(&self, to: &mut Writer) {
        let _always = rmp::encode::write_f32(&mut to.out, *self);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        from.real().map(num::f32)
    }
}
impl Wire for f64 {
    fn put(&self, to: &mut Writer) {
        let _always = rmp::encode::write_f64(&mut to.out, *self);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        from.real()
    }
}
impl Wire for bool {
    fn put(&self, to: &mut Writer) {
        let _always = rmp::encode::write_bool(&mut to.out, *self);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        match from.marker()? {
            Marker::True => Ok(true),
            Marker::False => Ok(false),
            other => Err(wanted("true or false", format!("{other:?}"))),
        }
    }
}
impl Wire for String {
    fn put(&self, to: &mut Writer) {
        let _always = rmp::encode::write_str(&mut to.out, self);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        from.blob(true).map(|b| Self::from_utf8_lossy(b).into_owned())
    }
}
/// Bytes, packed as `bin`; an array of numbers would be refused by the peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Wire for Bytes {
    fn put(&self, to: &mut Writer) {
        let _always = rmp::encode::write_bin(&mut to.out, &self.0);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        from.blob(false).map(|b| Self(b.to_vec()))
    }
}
impl<T: Wire> Wire for Vec<T> {
    fn put(&self, to: &mut Writer) {
        to.array(self.len());
        self.iter().for_each(|v| v.put(to));
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        // Not reserved: the announced count may be a lie, and each value read has cost its sender a byte.
        let count = from.array()?;
        let mut values = Self::new();
        for _ in 0..count {
            values.push(T::take(from)?);
        }
        Ok(values)
    }
}
impl<T: Wire> Wire for Option<T> {
    fn put(&self, to: &mut Writer) {
        to.array(1 + usize::from(self.is_some()));
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        let len = from.array_of(1, "an optional")?;
        let there = bool::take(from)?;
        match (there, len) {
            (false, _) => from.skip_all(len - 1).map(|()| None),
            (true, 1) => Err(wanted("an optional's value", "none")),
            (true, _) => T::take(from).and_then(|v| from.skip_all(len - 2).map(|()| Some(v))),
        }
    }
}
impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, to: &mut Writer) {
        to.array(2);
        self.0.put(to);
        self.1.put(to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        let len = from.array_of(2, "a pair")?;
        let pair = (A::take(from)?, B::take(from)?);
        from.skip_all(len - 2).map(|()| pair)
    }
}

/// A value alone in its bytes.
pub fn pack<T: Wire>(value: &T, version: Version) -> Vec<u8> {
    let mut to = Writer::new(version);
    value.put(&mut to);
    to.finish()
}

/// A string that a stranger sent, cut for an error line.
pub(crate) fn quoted(text: &str) -> String {
    format!("`{}`", short(text))
}

/// A struct of the protocol: an array of its fields in their order. The number before the brace is how many a peer must
/// send at least; what it leaves out is the default, what it appends is read over.
macro_rules! wire_struct {
    ($($(#[$doc:meta])* $name:ident $least:literal { $($field:ident : $ty:ty),* $(,)? })*) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default)]
        #[allow(missing_docs, clippy::struct_excessive_bools)] // the fields' names are the protocol's own
        pub struct $name { $(pub $field: $ty),* }
        impl $crate::carla::pack::Wire for $name {
            fn put(&self, to: &mut $crate::carla::pack::Writer) {
                to.array([$(stringify!($field)),*].len());
                $( to.put(&self.$field); )*
            }
            #[allow(unused_assignments)]
            fn take(from: &mut $crate::carla::pack::Reader<'_>) -> $crate::types::Result<Self> {
                let mut left = from.array_of($least, stringify!($name))?;
                let mut value = Self::default();
                $( if left > 0 { value.$field = from.get().map_err(|e| e.at(stringify!($name)))?; left -= 1; } )*
                from.skip_all(left)?;
                Ok(value)
            }
        }
    )* };
}
pub(crate) use wire_struct;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_in_any_width_and_refused_where_they_do_not_fit() {
        let read = |bytes: &[u8]| Reader::new(bytes, Version::default()).get::<f32>();
        assert_eq!(read(&[0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]).unwrap(), 1.5);
        assert_eq!(read(&[7]).unwrap(), 7.0);
        assert!(Reader::new(&[0xcd, 1, 0], Version::default()).get::<u8>().is_err());
        assert!(Reader::new(&[0xff], Version::default()).get::<u32>().is_err());
    }

    #[test]
    fn an_announced_length_costs_nothing() {
        for bytes in [&[0xdd, 0xff, 0xff, 0xff, 0xff][..], &[0xdb, 0x7f, 0xff, 0xff, 0xff], &[0xc6, 0x7f, 0xff, 0xff, 0xff]] {
            assert!(Reader::new(bytes, Version::default()).get::<Vec<u32>>().is_err());
            assert!(Reader::new(bytes, Version::default()).get::<String>().is_err());
            assert!(Reader::new(bytes, Version::default()).skip().is_err());
        }
    }

    #[test]
    fn deep_nesting_is_read_over_without_recursion() {
        let mut deep = vec![0x91; 1_000_000];
        deep.push(0xc0);
        let mut from = Reader::new(&deep, Version::default());
        from.skip().unwrap();
        assert!(from.left().is_empty());
    }
}
