//! The zip container as PyTorch writes it: entries stored without compression.
//!
//! *In*: the whole file. *Out*: each entry's name and the range of its bytes. *Invariant*: every range lies inside the file. Sizes come from
//! the central directory, the 64-bit one where there is one; checksums are not needed to stay inside, and are not looked at.

use std::collections::BTreeMap;
use std::ops::Range;

const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";

/// Names and ranges.
pub type Entries = BTreeMap<String, Range<usize>>;

fn word<const N: usize>(bytes: &[u8], at: usize) -> Result<usize, String> {
    let part = bytes.get(at..at.saturating_add(N)).ok_or("the zip file ends early")?;
    let wide = part.iter().rev().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    usize::try_from(wide).map_err(|_| "an impossible size in the zip file".to_owned())
}

fn is(bytes: &[u8], at: usize, mark: [u8; 4]) -> bool {
    bytes.get(at..at.saturating_add(4)) == Some(&mark)
}

/// Where the central directory starts, and how many entries it has.
fn directory(bytes: &[u8]) -> Result<(usize, usize), String> {
    let last = bytes.len().checked_sub(22).ok_or("too short for a zip file")?;
    let first = last.saturating_sub(usize::from(u16::MAX));
    let end = (first..=last)
        .rev()
        .find(|at| is(bytes, *at, END) && word::<2>(bytes, at + 20).is_ok_and(|comment| at + 22 + comment == bytes.len()))
        .ok_or("a zip file without its end; is it whole?")?;
    let (count, start) = (word::<2>(bytes, end + 10)?, word::<4>(bytes, end + 16)?);
    match end.checked_sub(20).filter(|at| is(bytes, *at, LOCATOR64)) {
        Some(locator) => {
            let wide = word::<8>(bytes, locator + 8)?;
            if !is(bytes, wide, END64) {
                return Err("a zip file whose 64-bit end is not where it should be".to_owned());
            }
            Ok((word::<8>(bytes, wide.saturating_add(48))?, word::<8>(bytes, wide.saturating_add(32))?))
        }
        None => Ok((start, count)),
    }
}

/// The entries of a file.
///
/// # Errors
/// The container is broken, or an entry is compressed.
pub fn entries(bytes: &[u8]) -> Result<Entries, String> {
    let (mut at, count) = directory(bytes)?;
    let mut found = Entries::new();
    for _ in 0..count {
        if !is(bytes, at, CENTRAL) {
            return Err("a zip file whose directory is broken".to_owned());
        }
        let [method, name, extra, comment] = [10, 28, 30, 32].map(|field| word::<2>(bytes, at + field));
        let (name, extra, comment) = (name?, extra?, comment?);
        let mut size = word::<4>(bytes, at + 24)?;
        let mut local = word::<4>(bytes, at + 42)?;
        let label = bytes.get(at + 46..at + 46 + name).ok_or("the zip file ends early")?;
        let label = String::from_utf8_lossy(label).into_owned();
        wide(
            bytes.get(at + 46 + name..at + 46 + name + extra).ok_or("the zip file ends early")?,
            &mut size,
            word::<4>(bytes, at + 20)?,
            &mut local,
        )?;
        if method? != 0 {
            return Err(format!("`{label}` is compressed, which PyTorch's files never are"));
        }
        if !is(bytes, local, LOCAL) {
            return Err(format!("`{label}` is not where the zip file says"));
        }
        let start = local + 30 + word::<2>(bytes, local + 26)? + word::<2>(bytes, local + 28)?;
        let end = start.checked_add(size).filter(|end| *end <= bytes.len()).ok_or_else(|| format!("`{label}` is cut short"))?;
        found.insert(label, start..end);
        at += 46 + name + extra + comment;
    }
    Ok(found)
}

/// Takes 64-bit sizes from an entry's extra fields where the 32-bit ones are full.
fn wide(mut extra: &[u8], size: &mut usize, packed: usize, local: &mut usize) -> Result<(), String> {
    const FULL: usize = 0xFFFF_FFFF;
    while extra.len() >= 4 {
        let (kind, length) = (word::<2>(extra, 0)?, word::<2>(extra, 2)?);
        let body = extra.get(4..4 + length).ok_or("a zip file with a broken extra field")?;
        if kind == 1 {
            let mut next = 0;
            let mut take = |value: &mut usize, keep: bool| {
                if *value == FULL {
                    let found = word::<8>(body, next)?;
                    next += 8;
                    if keep {
                        *value = found;
                    }
                }
                Ok::<(), String>(())
            };
            take(size, true)?;
            take(&mut { packed }, false)?;
            take(local, true)?;
        }
        extra = extra.get(4 + length..).unwrap_or_default();
    }
    Ok(())
}
