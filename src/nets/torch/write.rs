//! Writes tensors as PyTorch does: a zip container with a pickle of names and shapes, and each tensor's values in an entry of its own.
//!
//! *In*: named tensors. *Out*: bytes that `torch.load(..., weights_only=True)` reads as a dictionary. *Invariant*: values are row-major,
//! little-endian, and lie at multiples of 64 bytes, so that PyTorch can map them.

use super::value::Kind;
use crate::nets::weights::Named;
use burn::tensor::{DType, TensorData};
use std::io::{self, Write};

/// The folder that PyTorch puts every entry in.
const FOLDER: &str = "archive";
const ALIGNMENT: usize = 64;

/// Writes the tensors.
///
/// # Errors
/// The kind says which: a tensor of a type that PyTorch's storages lack, a file beyond 4 GB (both `InvalidInput`), or a failing writer.
pub fn write(out: &mut dyn Write, tensors: &Named) -> io::Result<()> {
    let mut zip = Zip { out, at: 0, directory: Vec::new(), entries: 0 };
    zip.entry("data.pkl", &pickle(tensors)?)?;
    zip.entry("byteorder", b"little")?;
    for (index, data) in tensors.values().enumerate() {
        zip.entry(&format!("data/{index}"), data.as_bytes())?;
    }
    zip.entry("version", b"3\n")?;
    zip.finish()
}

fn refuse(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

fn kind(name: &str, data: &TensorData) -> io::Result<Kind> {
    Ok(match data.dtype() {
        DType::F64 => Kind::F64,
        DType::F32 => Kind::F32,
        DType::I64 => Kind::I64,
        DType::I32 => Kind::I32,
        DType::I16 => Kind::I16,
        DType::I8 => Kind::I8,
        DType::U8 => Kind::U8,
        other => return Err(refuse(format!("`{name}` is of type {other:?}, which PyTorch's files have no storage for"))),
    })
}

/// `{name: _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())}`.
fn pickle(tensors: &Named) -> io::Result<Vec<u8>> {
    let mut p = b"\x80\x02}(".to_vec();
    for (index, (name, data)) in tensors.iter().enumerate() {
        let shape: Vec<usize> = data.shape().iter().copied().collect();
        text(&mut p, name)?;
        p.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut p, "storage")?;
        p.extend(format!("ctorch\n{}\n", kind(name, data)?.name()).bytes());
        text(&mut p, &index.to_string())?;
        text(&mut p, "cpu")?;
        number(&mut p, shape.iter().product())?;
        p.extend(b"tQ");
        number(&mut p, 0)?;
        for sizes in [&shape, &super::row_major(&shape)] {
            p.push(b'(');
            sizes.iter().try_for_each(|size| number(&mut p, *size))?;
            p.push(b't');
        }
        p.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    p.extend(b"u.");
    Ok(p)
}

fn text(p: &mut Vec<u8>, text: &str) -> io::Result<()> {
    let length = u32::try_from(text.len()).map_err(|_| refuse("a name of more than 4 GB".to_owned()))?;
    p.push(b'X');
    p.extend(length.to_le_bytes());
    p.extend(text.bytes());
    Ok(())
}

fn number(p: &mut Vec<u8>, value: usize) -> io::Result<()> {
    let value = i32::try_from(value).map_err(|_| refuse(format!("a size of {value}")))?;
    p.push(b'J');
    p.extend(value.to_le_bytes());
    Ok(())
}

struct Zip<'a> {
    out: &'a mut dyn Write,
    at: usize,
    directory: Vec<u8>,
    entries: u16,
}

impl Zip<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len();
        self.out.write_all(bytes)
    }

    fn entry(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let name = format!("{FOLDER}/{name}");
        let small = |value: usize| u32::try_from(value).map_err(|_| refuse("more than 4 GB; write .safetensors instead".to_owned()));
        let short = |value: usize| u16::try_from(value).map_err(|_| refuse("too long a name".to_owned()));
        let (size, offset) = (small(bytes.len())?, small(self.at)?);
        self.entries =
            self.entries.checked_add(1).ok_or_else(|| refuse("more than 65,000 tensors; write .safetensors instead".to_owned()))?;
        // Version, flags, method (stored), time and date (PyTorch writes none either), checksum, sizes, length of the name.
        let mut common = Vec::new();
        common.extend(20_u16.to_le_bytes());
        common.extend([0; 8]);
        common.extend(crc32(bytes).to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(short(name.len())?.to_le_bytes());
        // An extra field "FB" fills up to the alignment.
        let start = self.at + 30 + name.len() + 4;
        let fill = start.next_multiple_of(ALIGNMENT) - start;
        self.put(b"PK\x03\x04")?;
        self.put(&common)?;
        self.put(&short(fill + 4)?.to_le_bytes())?;
        self.put(name.as_bytes())?;
        self.put(b"FB")?;
        self.put(&short(fill)?.to_le_bytes())?;
        self.put(&[b'Z'].repeat(fill))?;
        self.put(bytes)?;
        self.directory.extend(b"PK\x01\x02\x14\x00");
        self.directory.extend(common);
        // No extra field, no comment, disk 0, no attributes.
        self.directory.extend([0; 12]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.bytes());
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        let small = |value: usize| u32::try_from(value).map_err(|_| refuse("more than 4 GB; write .safetensors instead".to_owned()));
        let (start, directory) = (small(self.at)?, std::mem::take(&mut self.directory));
        let length = small(directory.len())?;
        let count = self.entries.to_le_bytes();
        self.put(&directory)?;
        self.put(b"PK\x05\x06\x00\x00\x00\x00")?;
        self.put(&[count, count].concat())?;
        self.put(&length.to_le_bytes())?;
        self.put(&start.to_le_bytes())?;
        self.put(&[0, 0])
    }
}

/// The checksum of zip files (polynomial 0xEDB88320), eight bits at a time.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    let step = |crc: u32, byte: &u8| {
        let [low, ..] = (crc ^ u32::from(*byte)).to_le_bytes();
        TABLE.get(usize::from(low)).copied().unwrap_or_default() ^ (crc >> 8)
    };
    !bytes.iter().fold(!0, step)
}

const fn table() -> [u32; 256] {
    let mut table = [0_u32; 256];
    let mut rest: &mut [u32] = &mut table;
    let mut index = 0_u32;
    while let [first, more @ ..] = rest {
        let (mut value, mut bit) = (index, 0);
        while bit < 8 {
            value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        *first = value;
        rest = more;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let tensors: Named = [
            ("a.weight".to_owned(), TensorData::new((0..6).map(|i| i as f32 * 0.5).collect::<Vec<_>>(), [2, 3])),
            ("b".to_owned(), TensorData::new(vec![7_i64], [1])),
            ("empty".to_owned(), TensorData::new(Vec::<f32>::new(), [0, 4])),
            ("scalar".to_owned(), TensorData::new(vec![1.5_f64], Vec::<usize>::new())),
        ]
        .into();
        let mut bytes = Vec::new();
        write(&mut bytes, &tensors).unwrap();
        assert_eq!(super::super::read(&bytes).unwrap(), tensors);
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let odd: Named = [("u".to_owned(), TensorData::new(vec![1_u64], [1]))].into();
        assert!(write(&mut Vec::new(), &odd).unwrap_err().to_string().contains("`u`"));
    }
}
