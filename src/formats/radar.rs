//! nuScenes' radar files: a PCD 0.7 text header, then packed little-endian records.
//!
//! *In*: the bytes of one scan. *Out*: a [`RadarScan`] in the radar's frame (x forward, y left), metres, m/s.
//! *Invariant*: fields are found by the header's names, types and sizes, never by position. The data set's usual filter keeps
//! valid returns (`invalid_state` 0), with a known motion (`dyn_prop` 0..=6) and no ambiguity (`ambig_state` 3).

use crate::types::num;
use crate::types::{Error, RadarReturn, RadarScan, Result};
use std::collections::BTreeMap;

/// More returns than any radar gives; a header that claims more is broken.
const MOST_RETURNS: usize = 1 << 20;

/// Where a field lies in a record and how it is coded.
#[derive(Debug, Clone, Copy)]
struct Field {
    offset: usize,
    size: usize,
    kind: u8,
}

impl Field {
    fn read(self, record: &[u8]) -> Option<f64> {
        let bytes = record.get(self.offset..self.offset.checked_add(self.size)?)?;
        Some(match (self.kind, self.size) {
            (b'F', 4) => f64::from(f32::from_le_bytes(bytes.try_into().ok()?)),
            (b'F', 8) => f64::from_le_bytes(bytes.try_into().ok()?),
            (b'I', 1) => f64::from(i8::from_le_bytes(bytes.try_into().ok()?)),
            (b'I', 2) => f64::from(i16::from_le_bytes(bytes.try_into().ok()?)),
            (b'I', 4) => f64::from(i32::from_le_bytes(bytes.try_into().ok()?)),
            (b'U', 1) => f64::from(u8::from_le_bytes(bytes.try_into().ok()?)),
            (b'U', 2) => f64::from(u16::from_le_bytes(bytes.try_into().ok()?)),
            (b'U', 4) => f64::from(u32::from_le_bytes(bytes.try_into().ok()?)),
            _ => return None,
        })
    }
}

#[derive(Debug, Clone)]
struct Header {
    fields: BTreeMap<String, Field>,
    record: usize,
    count: usize,
}

/// `KEY values` lines of a header.
type Lines = BTreeMap<String, Vec<String>>;

/// The header's lines up to and with `DATA`, and the bytes after them.
fn split(bytes: &[u8]) -> Result<(Lines, &[u8])> {
    let mut lines = BTreeMap::new();
    let mut rest = bytes;
    while let Some(end) = rest.iter().take(4096).position(|b| *b == b'\n') {
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.split_whitespace().map(str::to_owned);
        let Some(key) = words.next().filter(|k| !k.starts_with('#')) else { continue };
        let done = key == "DATA";
        lines.insert(key, words.collect::<Vec<_>>());
        if done {
            return Ok((lines, rest));
        }
    }
    Err(Error::mismatch("a PCD header that ends with DATA", format!("{} bytes without", bytes.len()), "radar file"))
}

fn header(lines: &Lines) -> Result<Header> {
    let words = |key: &str| lines.get(key).map(Vec::as_slice).unwrap_or_default();
    let fault = |wanted: &str, key: &str| Error::mismatch(wanted, format!("`{key} {}`", words(key).join(" ")), "radar header");
    let number = |key: &str| words(key).first().and_then(|w| w.parse::<usize>().ok());
    if words("DATA").first().map(String::as_str) != Some("binary") {
        return Err(fault("DATA binary", "DATA"));
    }
    let count = number("WIDTH").filter(|n| (1..=MOST_RETURNS).contains(n)).ok_or_else(|| fault("a width above zero", "WIDTH"))?;
    if number("HEIGHT") != Some(1) {
        return Err(fault("a height of one", "HEIGHT"));
    }
    let names = words("FIELDS");
    let same = [words("SIZE"), words("TYPE"), words("COUNT")].iter().all(|w| w.len() == names.len());
    if !same || words("COUNT").iter().any(|c| c != "1") {
        return Err(fault("one SIZE, TYPE and COUNT 1 for each field", "FIELDS"));
    }
    let (mut fields, mut offset) = (BTreeMap::new(), 0);
    for ((name, size), kind) in names.iter().zip(words("SIZE")).zip(words("TYPE")) {
        let size = size.parse::<usize>().ok().filter(|s| matches!(s, 1 | 2 | 4 | 8)).ok_or_else(|| fault("sizes 1, 2, 4 or 8", "SIZE"))?;
        let kind = kind.bytes().next().unwrap_or_default();
        fields.insert(name.clone(), Field { offset, size, kind });
        offset += size;
    }
    Ok(Header { fields, record: offset, count })
}

/// The records of one file as they are, every field of every return.
#[derive(Debug, Clone)]
pub struct Records<'b> {
    names: Vec<String>,
    header: Header,
    data: &'b [u8],
}

impl<'b> Records<'b> {
    /// Of the bytes of a `.pcd` file; what follows the last record is passed over.
    ///
    /// # Errors
    /// Where the header is broken or the records are cut short.
    pub fn read(bytes: &'b [u8]) -> Result<Self> {
        let (mut lines, data) = split(bytes)?;
        let header = header(&lines)?;
        let wanted = header.record * header.count;
        let Some(data) = data.get(..wanted).filter(|d| !d.is_empty()) else {
            return Err(Error::mismatch(format!("{wanted} bytes of records"), format!("{} bytes", data.len()), "radar file"));
        };
        Ok(Self { names: lines.remove("FIELDS").unwrap_or_default(), header, data })
    }
    /// Names of the fields, in the file's order.
    pub fn names(&self) -> &[String] {
        &self.names
    }
    /// The values of each return, in the order of [`Self::names`]; NaN for a type that PCD does not know.
    pub fn rows(&self) -> impl Iterator<Item = Vec<f64>> + '_ {
        let value = |record: &[u8], name: &String| self.header.fields.get(name).and_then(|f| f.read(record)).unwrap_or(f64::NAN);
        self.data.chunks_exact(self.header.record).map(move |record| self.names.iter().map(|name| value(record, name)).collect())
    }
    fn field(&self, name: &str) -> Result<Field> {
        let absent = || Error::mismatch(format!("a field `{name}`"), self.names.join(" "), "radar header");
        self.header.fields.get(name).copied().ok_or_else(absent)
    }
}

/// The scan in the bytes of a `.pcd` file, with the data set's usual filter.
///
/// # Errors
/// Where the header is broken or lacks a field, the records are cut short, or a kept return is NaN or infinite.
pub fn scan(bytes: &[u8]) -> Result<RadarScan> {
    kept(bytes, true)
}

/// The scan in the bytes of a `.pcd` file, all returns.
///
/// # Errors
/// As [`scan`].
pub fn unfiltered(bytes: &[u8]) -> Result<RadarScan> {
    kept(bytes, false)
}

fn kept(bytes: &[u8], filter: bool) -> Result<RadarScan> {
    let records = Records::read(bytes)?;
    let field = |name: &str| records.field(name);
    let (x, y, z, vx, vy, rcs) = (field("x")?, field("y")?, field("z")?, field("vx")?, field("vy")?, field("rcs")?);
    let (invalid, motion, ambiguity) = (field("invalid_state")?, field("dyn_prop")?, field("ambig_state")?);
    let mut returns = Vec::with_capacity(records.header.count);
    for (index, record) in records.data.chunks_exact(records.header.record).enumerate() {
        let get = |f: Field| f.read(record).ok_or_else(|| Error::mismatch("a PCD type", format!("{f:?}"), "radar header"));
        let (px, py, pz) = (get(x)?, get(y)?, get(z)?);
        if index == 0 && (px.is_nan() || py.is_nan() || pz.is_nan()) {
            return Ok(RadarScan::default()); // how the data set writes a scan without returns
        }
        let usual = get(invalid)? == 0.0 && (0.0..=6.0).contains(&get(motion)?) && get(ambiguity)? == 3.0;
        if filter && !usual {
            continue;
        }
        let range = px.hypot(py);
        let rate = if range > 0.0 { (get(vx)? * px + get(vy)? * py) / range } else { 0.0 };
        let section = get(rcs)?;
        if ![px, py, pz, rate, section].iter().all(|v| v.is_finite()) {
            return Err(Error::mismatch("finite returns", format!("NaN or infinity in return {index}"), "radar file"));
        }
        let position = [num::f32(px), num::f32(py), num::f32(pz)];
        returns.push(RadarReturn { position, range_rate: num::f32(rate), cross_section: num::f32(section) });
    }
    Ok(RadarScan { returns })
}
