//! Everything that is wrong with a root, at once: tables, links, files, labels, maps, splits.
//!
//! *In*: a [`Root`]. *Out*: [`Faults`]. *Invariant*: nothing is stopped at; every file that a table names is looked at, and no file
//! outside the root.

use super::Root;
use crate::formats::npz;
use crate::formats::nuscenes::map::VectorMap;
use crate::formats::nuscenes::{Choice, Fault, FaultKind as K, Faults, Lidarseg, Panoptic, Record, SampleData, Tables, Token, check_links};
use crate::formats::radar;
use crate::types::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

/// Bytes of a LiDAR point.
const POINT: usize = 20;
/// Files that are checked as one piece of work.
const PIECE: usize = 1024;

/// Checks tables and files; `step` is told of each file.
///
/// # Errors
/// Where a table is there but cannot be opened.
pub fn check(root: &Root, total: impl FnOnce(usize), step: &(dyn Fn() + Sync)) -> Result<(Tables, Faults)> {
    let (choice, mut faults) = (Choice::all(), Faults::default());
    let tables = root.tables(&choice, &mut faults)?;
    check_links(&tables, &choice, &mut faults);
    key_frames(&tables, &mut faults);
    splits(root, &tables, &mut faults);
    total(tables.sample_data.rows().len());
    // In pieces, so that a root without any file is no flood in memory.
    let found: Vec<Faults> = tables
        .sample_data
        .rows()
        .par_chunks(PIECE)
        .map(|piece| {
            let mut of_piece = Faults::default();
            for data in piece {
                step();
                of_piece.extend(file(root, &tables, data));
            }
            of_piece
        })
        .collect();
    found.into_iter().for_each(|f| faults.merge(f));
    labels(root, &tables, &mut faults);
    maps(root, &tables, &mut faults);
    Ok((tables, faults))
}

fn key_frames(tables: &Tables, faults: &mut Faults) {
    if tables.sample_data.rows().is_empty() {
        return;
    }
    let channels: BTreeSet<&str> =
        (0..tables.samples.rows().len()).flat_map(|row| tables.key_frames(row).map(|(c, _)| c)).chain(["LIDAR_TOP"]).collect();
    for (row, sample) in tables.samples.rows().iter().enumerate() {
        for channel in channels.iter().filter(|c| tables.key_frame(row, c).is_none()) {
            let file = tables.file::<SampleData>();
            let fault = Fault::new(K::MissingKeyFrame, file, format!("a key frame of {channel}"), "none").of(&sample.token);
            faults.add(if *channel == "LIDAR_TOP" { fault.field("sample_token") } else { fault.field("sample_token").warning() });
        }
    }
}

fn splits(root: &Root, tables: &Tables, faults: &mut Faults) {
    let scenes = tables.scenes.rows();
    let splits = root.splits();
    if scenes.is_empty() {
        return;
    }
    if splits.is_empty() {
        let wanted = format!("splits of {}, in {}/splits.json", root.version(), root.version());
        faults.add(Fault::new(K::EmptySplit, format!("{}/splits.json", root.version()), wanted, "none").warning());
    } else if !scenes.iter().any(|s| splits.iter().any(|split| split.scenes.contains(&*s.name))) {
        let names: Vec<&str> = splits.iter().map(|s| s.name.as_str()).collect();
        let wanted = format!("scenes of at least one split ({})", names.join(", "));
        let found = format!("{} scenes of none, the first `{}`", scenes.len(), scenes.first().map_or("", |s| &*s.name));
        faults.add(Fault::new(K::EmptySplit, tables.file::<crate::formats::nuscenes::Scene>(), wanted, found).field("name"));
    }
}

/// What is wrong with the file that a record names.
fn file(root: &Root, tables: &Tables, data: &SampleData) -> Vec<Fault> {
    let table = tables.file::<SampleData>();
    let name = &*data.filename;
    let at_record = |mut fault: Fault| {
        fault.token = data.token.to_string();
        fault.field = "filename".to_owned();
        fault
    };
    let Ok(path) = root.path(name) else {
        return vec![at_record(Fault::new(K::PathEscapesRoot, table, "a path below the root", format!("`{name}`")))];
    };
    if !path.is_file() {
        return vec![at_record(Fault::new(K::MissingFile, table, "a file below the root", format!("none at `{name}`")))];
    }
    let modality = tables.channel(&data.calibrated_sensor_token).and_then(|c| tables.sensor(c)).map(|s| &*s.modality);
    let found = match modality {
        Some("camera") => picture(&path).map_err(|e| Error::io("read", &path, e)),
        Some("lidar") => root.bytes(name).map(|bytes| points(&bytes)),
        Some("radar") => root.bytes(name).map(|bytes| scan(&bytes)),
        _ => Ok(None),
    };
    let fault = match found {
        Ok(None) => return Vec::new(),
        Ok(Some((kind, wanted, found))) => Fault::new(kind, name, wanted, found),
        Err(e) => Fault::new(K::Unreadable, name, "a readable file", e.to_string()),
    };
    let fault = at_record(fault);
    vec![if fault.kind == K::EmptyPointFile { fault.warning() } else { fault }]
}

/// Kind, what was wanted, what was found.
type Finding = Option<(K, String, String)>;

fn points(bytes: &[u8]) -> Finding {
    if bytes.is_empty() {
        return Some((K::EmptyPointFile, "points".into(), "an empty file".into()));
    }
    if !bytes.len().is_multiple_of(POINT) {
        let found = format!("{} bytes, {} over", bytes.len(), bytes.len() % POINT);
        return Some((K::TruncatedPointFile, "whole points of 20 bytes".into(), found));
    }
    let values = bytes.chunks_exact(4).map(|b| b.try_into().map_or(f32::NAN, f32::from_le_bytes));
    let broken = values.enumerate().find(|(_, v)| !v.is_finite());
    broken.map(|(at, v)| (K::NonFinite, "finite numbers".into(), format!("{v} in value {} of point {}", at % 5, at / 5)))
}

fn scan(bytes: &[u8]) -> Finding {
    match radar::scan(bytes) {
        Ok(_) => None,
        Err(Error::Mismatch { wanted, found, place }) => {
            let kind = match (place.as_str(), found.starts_with("NaN")) {
                ("radar header", _) => K::BadRadarHeader,
                (_, true) => K::NonFinite,
                _ => K::TruncatedPointFile,
            };
            Some((kind, wanted, found))
        }
        Err(e) => Some((K::Unreadable, "a radar file".into(), e.to_string())),
    }
}

/// Whether a JPEG begins and ends as one does; it is not decoded.
fn picture(path: &std::path::Path) -> std::io::Result<Finding> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    let mut head = [0; 4];
    if file.read(&mut head)? < 4 || !head.starts_with(&[0xff, 0xd8]) {
        // Sets in this form may hold PNG too; whether it is whole shows when it is decoded.
        let png = head.starts_with(&[0x89, b'P', b'N', b'G']);
        return Ok((!png).then(|| (K::TruncatedImage, "a JPEG or PNG".into(), format!("{length} bytes that begin with {head:02x?}"))));
    }
    let mut tail = Vec::new();
    file.seek(SeekFrom::Start(length.saturating_sub(64)))?;
    file.read_to_end(&mut tail)?;
    let whole = tail.windows(2).any(|pair| pair == [0xff, 0xd9]);
    Ok((!whole).then(|| (K::TruncatedImage, "a JPEG with an end".into(), format!("{length} bytes without one"))))
}

/// Label files: as many as records, as many labels as points.
fn labels(root: &Root, tables: &Tables, faults: &mut Faults) {
    let of = |token: &Token, name: &str, data: &Token| (token.clone(), name.to_owned(), data.clone());
    let lidarseg = tables.lidarseg.rows().iter().map(|r| of(&r.token, &r.filename, &r.sample_data_token)).collect();
    labels_of::<Lidarseg>(root, tables, "bin", lidarseg, |bytes| Ok(bytes.len()), faults);
    let panoptic = tables.panoptic.rows().iter().map(|r| of(&r.token, &r.filename, &r.sample_data_token)).collect();
    labels_of::<Panoptic>(root, tables, "npz", panoptic, |bytes| npz::read_labels(bytes).map(|l| l.len()), faults);
}

/// Records are token, file name, and token of the cloud.
fn labels_of<R: Record>(
    root: &Root,
    tables: &Tables,
    ending: &str,
    records: Vec<(Token, String, Token)>,
    count: fn(&[u8]) -> Result<usize>,
    faults: &mut Faults,
) {
    if records.is_empty() {
        return;
    }
    let table = tables.file::<R>();
    let folder = root.folder().join(R::TABLE).join(root.version());
    let is_label = |e: &std::fs::DirEntry| e.file_name().to_string_lossy().ends_with(&format!(".{ending}"));
    let files = std::fs::read_dir(folder).map_or(0, |list| list.flatten().filter(is_label).count());
    if files != records.len() {
        faults.add(Fault::new(K::LabelCountMismatch, &*table, format!("{} label files", records.len()), files.to_string()));
    }
    for (token, name, data) in records {
        let named = |fault: Fault| fault.of(&token).field("filename");
        let labels = match root.given(&name) {
            Ok(bytes) => count(&bytes),
            Err(mut fault) => {
                fault.file.clone_from(&table);
                faults.add(named(*fault));
                continue;
            }
        };
        let labels = match labels {
            Ok(labels) => labels,
            Err(e) => {
                faults.add(named(Fault::new(K::Unreadable, &*name, "a file of labels", e.to_string())));
                continue;
            }
        };
        let data = tables.sample_data.get(&data);
        let cloud = data.and_then(|d| root.path(&d.filename).ok()).and_then(|p| std::fs::metadata(p).ok());
        let points = cloud.and_then(|m| usize::try_from(m.len()).ok()).map(|n| n / POINT).filter(|n| *n != labels);
        // A cut cloud has been told of; here the labels are the ones that are wrong.
        let cut = data.is_some_and(|d| faults.list().iter().any(|f| f.file == *d.filename && f.kind == K::TruncatedPointFile));
        if let Some(points) = points.filter(|_| !cut) {
            let (wanted, found) = (format!("{points} labels, one a point"), labels.to_string());
            let fault = named(Fault::new(K::LabelCountMismatch, &*name, wanted, found));
            // A cloud that is shorter but whole may be the one that was cut: that cannot be told.
            faults.add(if labels > points { fault.warning() } else { fault });
        }
    }
}

/// Map pictures, and vector maps where the root has any.
fn maps(root: &Root, tables: &Tables, faults: &mut Faults) {
    let table = tables.file::<crate::formats::nuscenes::Map>();
    for record in tables.maps.rows() {
        let fault = match root.path(&record.filename) {
            Err(_) => Fault::new(K::PathEscapesRoot, &*table, "a path below the root", format!("`{}`", record.filename)),
            Ok(path) if !path.is_file() => {
                Fault::new(K::MissingFile, &*table, "a file below the root", format!("none at `{}`", record.filename))
            }
            Ok(_) => continue,
        };
        faults.add(fault.of(record.token()).field("filename"));
    }
    if !root.folder().join("maps/expansion").is_dir() {
        return;
    }
    let locations: BTreeSet<&str> = tables.logs.rows().iter().map(|l| &*l.location).collect();
    for location in locations {
        let name = format!("maps/expansion/{location}.json");
        match root.given(&name) {
            Ok(bytes) => drop(VectorMap::read(&bytes, &name, faults)),
            Err(fault) => faults.add(fault.field("location")),
        }
    }
}
