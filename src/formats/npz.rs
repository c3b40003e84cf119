//! NumPy's `.npz`: one array of whole numbers by name, as panoptic labels come; and the head of every `.npy` that is written.
//!
//! *In / Out*: the bytes of the archive; values as `u16`. *Invariant*: an array of another type, order or number of dimensions is an error that
//! says so; nothing is read beyond the size that the archive names, and that is bounded.

use crate::types::{Error, Result};
use std::io::{Cursor, Read, Write};

/// Largest array, bytes.
const LARGEST: u64 = 1 << 28;
/// The array's name.
const NAME: &str = "data";

/// The labels of a `*_panoptic.npz`: array `data`, one dimension, 16 bits unsigned (or 8, 32 and 64 bits where the values fit).
///
/// # Errors
/// Where there is no such archive, array or value.
pub fn read_labels(bytes: &[u8]) -> Result<Vec<u16>> {
    let broken = |found: String| Error::mismatch("an .npz with an array `data` of 16-bit labels", found, "panoptic labels");
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| broken(e.to_string()))?;
    let file = archive.by_name(&format!("{NAME}.npy")).map_err(|e| broken(e.to_string()))?;
    if file.size() > LARGEST {
        return Err(broken(format!("{} bytes", file.size())));
    }
    let mut array = Vec::new();
    file.take(LARGEST).read_to_end(&mut array).map_err(|e| broken(e.to_string()))?;
    let header_bytes = match array.get(..8) {
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', 1, _]) => 2,
        Some([0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _]) => 4,
        _ => return Err(broken("no .npy in it".to_owned())),
    };
    let length = array.get(8..8 + header_bytes).unwrap_or_default().iter().rev().fold(0, |sum, b| sum << 8 | usize::from(*b));
    let start = 8 + header_bytes + length;
    let header = String::from_utf8_lossy(array.get(8 + header_bytes..start).unwrap_or_default()).into_owned();
    let body = array.get(start..).unwrap_or_default();
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start()).unwrap_or_default();
    let count = value("shape").strip_prefix('(').and_then(|s| s.split(')').next()).and_then(|s| {
        let mut parts = s.split(',').map(str::trim).filter(|p| !p.is_empty());
        let first = parts.next()?.parse::<usize>().ok()?;
        parts.next().is_none().then_some(first)
    });
    let size = match value("descr").trim_start_matches(['\'', '"']).get(..3) {
        Some("|u1") => 1,
        Some("<u2") => 2,
        Some("<u4" | "<i4") => 4,
        Some("<u8" | "<i8") => 8,
        _ => return Err(broken(header.trim().to_owned())),
    };
    let Some(count) = count.filter(|n| n.checked_mul(size) == Some(body.len())) else {
        return Err(broken(format!("{} with {} bytes", header.trim(), body.len())));
    };
    let mut labels = Vec::with_capacity(count);
    for value in body.chunks_exact(size) {
        let wide = value.iter().rev().fold(0_u64, |sum, b| sum << 8 | u64::from(*b));
        labels.push(u16::try_from(wide).map_err(|_| broken(format!("a label {wide}")))?);
    }
    Ok(labels)
}

/// The bytes of an archive with these labels, not compressed.
///
/// # Errors
/// Where there are more than fit a file.
pub fn labels(labels: &[u16]) -> Result<Vec<u8>> {
    let failed = |e: zip::result::ZipError| Error::mismatch("an .npz", e.to_string(), "panoptic labels");
    let mut array = npy_head("<u2", &format!("({},)", labels.len()));
    labels.iter().for_each(|v| array.extend_from_slice(&v.to_le_bytes()));
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file(format!("{NAME}.npy"), stored).map_err(failed)?;
    archive.write_all(&array).map_err(|e| Error::mismatch("an .npz", e.to_string(), "panoptic labels"))?;
    archive.finish().map(Cursor::into_inner).map_err(failed)
}

/// What stands before the values of a `.npy` (version 1.0, row by row): `kind` and `shape` as NumPy writes them, for example `<f4` and `(3, 4)`.
pub(super) fn npy_head(kind: &str, shape: &str) -> Vec<u8> {
    let dict = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    // Magic, version and length are ten bytes; the values begin at a multiple of 64.
    let padded = (dict.len() + 1 + 10).next_multiple_of(64) - 10;
    let mut head = b"\x93NUMPY\x01\x00".to_vec();
    head.extend_from_slice(&crate::types::num::u16(padded).to_le_bytes());
    head.extend_from_slice(format!("{dict:<width$}\n", width = padded - 1).as_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_come_back_and_broken_archives_are_named() {
        let values: Vec<u16> = (0..1000).map(|i| i * 61).collect();
        let bytes = labels(&values).unwrap();
        assert_eq!(read_labels(&bytes).unwrap(), values);
        assert_eq!(read_labels(&labels(&[]).unwrap()).unwrap(), Vec::<u16>::new());
        for cut in [0, 10, bytes.len() / 2, bytes.len() - 1] {
            assert!(read_labels(&bytes[..cut]).unwrap_err().to_string().contains("panoptic"), "{cut}");
        }
    }

    #[test]
    fn numpys_own_compressed_archive_is_read() {
        // np.savez_compressed(f, data=np.arange(17001, 17021, dtype=np.uint16)), as bytes.
        let bytes = include_bytes!("../../tests/fixtures/panoptic_numpy.npz");
        assert_eq!(read_labels(bytes).unwrap(), (17_001..17_021).collect::<Vec<u16>>());
    }
}
