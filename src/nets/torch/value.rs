//! What a pickle of a state dict can hold: plain values, storages, tensors, and the containers' items.
//!
//! *In*: little-endian bytes of a storage. *Out*: tensors on the host, halves widened to `f32`. *Invariant*: a [`Kind`] and PyTorch's name of
//! it go both ways; containers lie flat in a [`Heap`].

use burn::tensor::TensorData;
use std::rc::Rc;

/// What a storage is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Kind {
    /// PyTorch's name of each.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("DoubleStorage", Self::F64),
        ("FloatStorage", Self::F32),
        ("HalfStorage", Self::F16),
        ("BFloat16Storage", Self::Bf16),
        ("LongStorage", Self::I64),
        ("IntStorage", Self::I32),
        ("ShortStorage", Self::I16),
        ("CharStorage", Self::I8),
        ("ByteStorage", Self::U8),
        ("BoolStorage", Self::Bool),
    ];

    /// Bytes of one value.
    pub const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// PyTorch's name of a storage of this kind.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| *name)
    }

    /// Little-endian values as a tensor; halves become `f32`.
    pub fn data(self, bytes: &[u8], shape: Vec<usize>) -> TensorData {
        fn all<const N: usize, T>(bytes: &[u8], each: impl Fn([u8; N]) -> T) -> Vec<T> {
            bytes.as_chunks::<N>().0.iter().map(|b| each(*b)).collect()
        }
        match self {
            Self::F64 => TensorData::new(all(bytes, f64::from_le_bytes), shape),
            Self::F32 => TensorData::new(all(bytes, f32::from_le_bytes), shape),
            Self::F16 => TensorData::new(all(bytes, |b| widened(u16::from_le_bytes(b))), shape),
            Self::Bf16 => TensorData::new(all(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)), shape),
            Self::I64 => TensorData::new(all(bytes, i64::from_le_bytes), shape),
            Self::I32 => TensorData::new(all(bytes, i32::from_le_bytes), shape),
            Self::I16 => TensorData::new(all(bytes, i16::from_le_bytes), shape),
            Self::I8 => TensorData::new(all(bytes, i8::from_le_bytes), shape),
            Self::U8 | Self::Bool => TensorData::new(bytes.to_vec(), shape),
        }
    }
}

/// A half-precision number of 5 exponent and 10 mantissa bits.
fn widened(half: u16) -> f32 {
    let (sign, exponent, mantissa) = (u32::from(half >> 15) << 31, u32::from(half >> 10 & 31), u32::from(half & 1023));
    let magnitude = match exponent {
        0 => return if sign == 0 { 1.0 } else { -1.0 } * f32::from(half & 1023) * 2.0_f32.powi(-24),
        31 => 0x7F80_0000 | mantissa << 13,
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

/// A storage, by its key in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub key: String,
    pub kind: Kind,
    pub count: usize,
}

/// A tensor: a view of a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorRef {
    pub storage: Storage,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// The items of every container; those of a dictionary as key, value, key, value.
#[derive(Debug, Default)]
pub struct Heap(Vec<Vec<Value>>);

impl Heap {
    /// Keeps a container; its number.
    pub fn add(&mut self, items: Vec<Value>) -> usize {
        self.0.push(items);
        self.0.len() - 1
    }
    /// The items of container `index`.
    pub fn items(&self, index: usize) -> &[Value] {
        self.0.get(index).map_or(&[], Vec::as_slice)
    }
    /// Appends to container `index`.
    pub fn extend(&mut self, index: usize, items: Vec<Value>) {
        if let Some(list) = self.0.get_mut(index) {
            list.extend(items);
        }
    }
}

/// What a pickle can hold.
#[derive(Debug, Clone)]
pub enum Value {
    Mark,
    /// Something that no state dict needs: numbers with fractions, bytes, results of opaque names.
    Other,
    Bool,
    Int(i64),
    Long(u128),
    Text(Rc<str>),
    Tuple(usize),
    List(usize),
    Dict(usize),
    Name(Rc<str>),
    Storage(Rc<Storage>),
    Tensor(Rc<TensorRef>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_widen_exactly() {
        for (half, wide) in
            [(0x3C00, 1.0), (0xC000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x8000, -0.0), (0x7BFF, 65504.0)]
        {
            assert_eq!(widened(half).to_bits(), f32::to_bits(wide));
        }
        assert!(widened(0x7C00) == f32::INFINITY && widened(0x7E00).is_nan());
    }
}
