//! Label pictures and class lists from their files' bytes.
//!
//! *In*: bytes. *Out*: class numbers, [`ClassList`]. *Invariant*: a label is what the file stores: palette PNGs give their
//! indices, grey PNGs of 1, 2 or 4 bits their unscaled values; colours are looked up in the class list.

use super::files::decode;
use crate::eval::segmentation::MAX_CLASSES;
use crate::types::{ClassList, Error, Result, num};
use image::DynamicImage;
use std::collections::HashMap;
use std::path::Path;

/// A label picture.
#[derive(Debug)]
pub(super) struct Labels {
    /// Columns and rows.
    pub(super) size: [usize; 2],
    /// Row-major.
    pub(super) values: Vec<u16>,
}

/// What a PNG's header says that decoding hides.
#[derive(Debug, Default)]
struct Stored {
    /// Factor by which decoding scales grey levels of less than 8 bits.
    factor: u16,
    /// Index of each palette colour; `None` for one that two indices share.
    palette: Option<HashMap<[u8; 3], Option<u16>>>,
}

impl Stored {
    /// Of a PNG's bytes; of other files nothing special.
    fn of(bytes: &[u8]) -> Self {
        let plain = Self { factor: 1, palette: None };
        let Some(body) = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n") else { return plain };
        // IHDR: length 4, name 4, width 4, height 4, bits, colour type.
        match (body.get(16), body.get(17)) {
            (Some(1), Some(0)) => Self { factor: 255, palette: None },
            (Some(2), Some(0)) => Self { factor: 85, palette: None },
            (Some(4), Some(0)) => Self { factor: 17, palette: None },
            (_, Some(3)) => Self { factor: 1, palette: palette(body) },
            _ => plain,
        }
    }
}

fn palette(mut chunks: &[u8]) -> Option<HashMap<[u8; 3], Option<u16>>> {
    loop {
        let (head, rest) = chunks.split_at_checked(8)?;
        let (length, name) = head.split_at_checked(4)?;
        let length = num::usize(u32::from_be_bytes(length.try_into().ok()?));
        let (data, rest) = rest.split_at_checked(length)?;
        if name == b"PLTE" {
            let mut indices = HashMap::new();
            for (index, colour) in (0_u16..).zip(data.chunks_exact(3)) {
                let colour: [u8; 3] = colour.try_into().ok()?;
                indices.entry(colour).and_modify(|i| *i = None).or_insert(Some(index));
            }
            return Some(indices);
        }
        chunks = rest.get(4..)?;
    }
}

/// Class numbers of a label picture.
pub(super) fn labels(bytes: &[u8], names: &ClassList, path: &Path) -> Result<Labels> {
    let picture = decode(bytes, path)?;
    let stored = Stored::of(bytes);
    let size = [num::usize(picture.width()), num::usize(picture.height())];
    let values = match &picture {
        DynamicImage::ImageLuma8(grey) => grey.as_raw().iter().map(|&v| u16::from(v) / stored.factor.max(1)).collect(),
        DynamicImage::ImageLuma16(grey) => grey.as_raw().clone(),
        DynamicImage::ImageLumaA8(grey) => grey.pixels().map(|p| u16::from(p.0.first().copied().unwrap_or(0))).collect(),
        DynamicImage::ImageLumaA16(grey) => grey.pixels().map(|p| p.0.first().copied().unwrap_or(0)).collect(),
        DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgba8(_) => by_colour(picture.to_rgb8().as_raw(), stored.palette, names, path)?,
        // Eight bits of sixteen would turn small class numbers into 0.
        other => {
            return Err(Error::mismatch("grey levels, or colours of 8 bits", format!("{:?}", other.color()), path.display().to_string()));
        }
    };
    Ok(Labels { size, values })
}

fn by_colour(pixels: &[u8], palette: Option<HashMap<[u8; 3], Option<u16>>>, names: &ClassList, path: &Path) -> Result<Vec<u16>> {
    let equal = |p: &[u8]| matches!(p, [r, g, b] if r == g && g == b);
    if palette.is_none() && pixels.chunks_exact(3).all(equal) {
        return Ok(pixels.chunks_exact(3).filter_map(<[u8]>::first).map(|&v| u16::from(v)).collect());
    }
    let listed = || (0_u16..).zip(&names.classes).map(|(label, (_, colour))| (*colour, Some(label))).collect();
    let known: HashMap<[u8; 3], Option<u16>> = palette.unwrap_or_else(listed);
    let label = |p: &[u8]| {
        let colour: [u8; 3] = p.try_into().unwrap_or_default();
        known.get(&colour).copied().flatten().ok_or_else(|| {
            let wanted = "class numbers, or colours that stand for one class each";
            Error::mismatch(wanted, format!("colour {colour:?}"), path.display().to_string())
        })
    };
    pixels.chunks_exact(3).map(label).collect()
}

/// A class list: JSON (`["road", ...]` or `[["road", [r, g, b]], ...]`), or text with one name per line, label 0 first,
/// optionally followed by `#RRGGBB`. Lines that start with `#` are comments.
pub(super) fn class_list(bytes: &[u8], path: &Path) -> Result<ClassList> {
    let wrong = |wanted: &str, found: String| Error::mismatch(wanted, found, path.display().to_string());
    let text = std::str::from_utf8(bytes).map_err(|e| wrong("a class list in UTF-8", e.to_string()))?;
    let classes = if text.trim_start().starts_with('[') {
        json_list(text).map_err(|e| wrong("a JSON list of class names", e.to_string()))?
    } else {
        text.trim_end().lines().filter(|l| !l.starts_with('#')).map(|l| line(l.trim())).collect()
    };
    let blank = classes.iter().position(|(name, _)| name.is_empty());
    match blank {
        Some(label) => Err(wrong("a name for each label", format!("none for label {label}"))),
        None if classes.is_empty() || classes.len() > MAX_CLASSES => {
            Err(wrong(&format!("1 to {MAX_CLASSES} classes"), classes.len().to_string()))
        }
        None => Ok(ClassList { classes }),
    }
}

fn json_list(text: &str) -> serde_json::Result<Vec<(String, [u8; 3])>> {
    let names = serde_json::from_str::<Vec<String>>(text);
    names.map(|names| names.into_iter().map(|name| (name, [0; 3])).collect()).or_else(|_| serde_json::from_str(text))
}

fn line(line: &str) -> (String, [u8; 3]) {
    let colour = line.rsplit_once('#').and_then(|(name, hex)| {
        let value = (hex.len() == 6).then(|| u32::from_str_radix(hex, 16).ok())??;
        let [_, r, g, b] = value.to_be_bytes();
        Some((name.trim_end().to_owned(), [r, g, b]))
    });
    colour.unwrap_or_else(|| (line.to_owned(), [0; 3]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let crc = name
            .iter()
            .chain(data)
            .fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 }));
        [&u32::try_from(data.len()).unwrap().to_be_bytes()[..], name, data, &(!crc).to_be_bytes()].concat()
    }

    /// A PNG of four pixels in one row, stored without compression.
    fn png(bits: u8, kind: u8, extra: &[u8], row: &[u8]) -> Vec<u8> {
        let header = [&[0, 0, 0, 4, 0, 0, 0, 1, bits, kind, 0, 0, 0][..]].concat();
        let raw = [&[0], row].concat();
        let (mut a, mut b) = (1_u32, 0_u32);
        for &byte in &raw {
            a = (a + u32::from(byte)) % 65521;
            b = (b + a) % 65521;
        }
        let length = u16::try_from(raw.len()).unwrap();
        let zlib = [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), &raw, &(b << 16 | a).to_be_bytes()].concat();
        [&b"\x89PNG\r\n\x1a\n"[..], &chunk(b"IHDR", &header), extra, &chunk(b"IDAT", &zlib), &chunk(b"IEND", &[])].concat()
    }

    fn read(bytes: &[u8], names: &ClassList) -> Result<Vec<u16>> {
        labels(bytes, names, Path::new("x.png")).map(|l| l.values)
    }

    #[test]
    fn labels_are_what_the_file_stores() {
        let none = ClassList::default();
        let coloured = class_list(b"road #0A0B0C\nsky #010203\n", Path::new("c.txt")).unwrap();
        let four_bit = png(4, 0, &[], &[0x01, 0x2E]);
        let plte = chunk(b"PLTE", &[9, 9, 9, 200, 0, 0, 0, 0, 7]);
        let indexed = png(8, 3, &plte, &[0, 1, 2, 1]);
        let rgb = png(8, 2, &[], &[10, 11, 12, 1, 2, 3, 1, 2, 3, 10, 11, 12]);
        assert_eq!(read(&png(8, 0, &[], &[0, 3, 255, 7]), &none).unwrap(), [0, 3, 255, 7]);
        assert_eq!(read(&four_bit, &none).unwrap(), [0, 1, 2, 14]);
        assert_eq!(read(&indexed, &none).unwrap(), [0, 1, 2, 1]);
        assert_eq!(read(&rgb, &coloured).unwrap(), [0, 1, 1, 0]);
        assert!(read(&rgb, &none).unwrap_err().to_string().contains("[10, 11, 12]"));
        // Sixteen bits: grey keeps its numbers, with and without transparency; colours are refused.
        assert_eq!(read(&png(16, 0, &[], &[0, 3, 1, 2, 0, 0, 0, 7]), &none).unwrap(), [3, 258, 0, 7]);
        assert_eq!(read(&png(16, 4, &[], &[0, 3, 255, 255, 1, 2, 255, 255, 0, 0, 0, 0, 0, 7, 0, 0]), &none).unwrap(), [3, 258, 0, 7]);
        assert!(read(&png(16, 2, &[], &[0, 3].repeat(12)), &coloured).unwrap_err().to_string().contains("colours of 8 bits"));
        let twice = chunk(b"PLTE", &[9, 9, 9, 9, 9, 9, 0, 0, 7]);
        assert!(read(&png(8, 3, &twice, &[0, 1, 2, 1]), &none).is_err());
    }

    #[test]
    fn class_lists() {
        let at = Path::new("c");
        let text = class_list(b"# label 0 first\nunlabelled\ntraffic lamp #C8B24E\n", at).unwrap();
        assert_eq!(text.classes, [("unlabelled".into(), [0; 3]), ("traffic lamp".into(), [200, 178, 78])]);
        assert_eq!(class_list(br#"["a", "b"]"#, at).unwrap().classes.len(), 2);
        assert_eq!(class_list(br#"[["a", [1, 2, 3]]]"#, at).unwrap().classes, [("a".into(), [1, 2, 3])]);
        for bad in [&b""[..], b"a\n\nb\n", b"[1]", b"\xff"] {
            assert!(class_list(bad, at).is_err());
        }
    }

    #[test]
    fn mutated_files_never_panic() {
        let names = class_list(b"road #0A0B0C\nsky #010203\n", Path::new("c")).unwrap();
        let plte = chunk(b"PLTE", &[9, 9, 9, 200, 0, 0, 0, 0, 7]);
        let seeds = [
            png(4, 0, &[], &[0x01, 0x2E]),
            png(8, 3, &plte, &[0, 1, 2, 1]),
            png(8, 2, &[], &[10, 11, 12, 1, 2, 3, 1, 2, 3, 10, 11, 12]),
            br##"[["a", [1, 2, 3]]]"##.to_vec(),
            b"road #0A0B0C\nsky #010203\n".to_vec(),
        ];
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for round in 0..5000 {
            let mut bytes = seeds[round % seeds.len()].clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            bytes.truncate(bytes.len() - random(4) * random(bytes.len()) / 4);
            let _ = read(&bytes, &names);
            let _ = class_list(&bytes, Path::new("c"));
        }
    }
}
