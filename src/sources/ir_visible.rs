//! Infrared and visible picture pairs from two folders with equal file names (MSRS, RoadScene, M3FD, LLVIP, TNO).
//!
//! *In*: a root that holds a folder of each kind under one of its usual names, or the two folders. *Out*: sensors `visible` (RGB)
//! and `infrared` (thermal); the pair of the k-th name, in the order of names, has number k and stamp k / rate.
//! *Invariant*: a pair that is sent has one size.

use super::picture::{PictureReader, list_pictures};
use super::stamps::{checked_rate, stamp_at};
use crate::runtime::{Cx, Reading, SensorInfo, Source};
use crate::types::{Calibration, Error, Frame, Modality, Payload, PoolFill, Result, SensorId, SensorTime};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Folder names of the visible half, lower case.
const VISIBLE: [&str; 7] = ["vi", "vis", "visible", "rgb", "color", "colour", "visible_images"];
/// Folder names of the infrared half, lower case.
const INFRARED: [&str; 7] = ["ir", "inf", "infrared", "thermal", "lwir", "th", "infrared_images"];

/// Where the pairs lie.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IrVisibleConfig {
    /// Folder that holds `vi` and `ir` (or `visible` and `infrared`, in any case). Not needed where both folders are named.
    #[serde(default)]
    pub root: PathBuf,
    /// Folder of the visible pictures, in place of the one found in `root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visible: Option<PathBuf>,
    /// Folder of the infrared pictures, in place of the one found in `root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub infrared: Option<PathBuf>,
    /// Pairs per second of sensor time.
    #[serde(default = "rate_hz")]
    pub rate_hz: f64,
}

const fn rate_hz() -> f64 {
    10.0
}

/// The files of one name.
#[derive(Debug, Default)]
struct Pair {
    name: String,
    visible: Vec<PathBuf>,
    infrared: Vec<PathBuf>,
}

/// One half of the pairs: a sensor and its decoder.
#[derive(Debug)]
struct Half {
    sensor: SensorId,
    folder: PathBuf,
    calibration: Arc<Calibration>,
    reader: PictureReader,
}

/// Reads the pairs, one after the other.
#[derive(Debug)]
pub struct IrVisible {
    rate_hz: f64,
    visible: Half,
    infrared: Half,
    pairs: std::iter::Enumerate<std::vec::IntoIter<Pair>>,
    pending: VecDeque<Reading>,
}

impl IrVisibleConfig {
    /// Pairs below `root`, at 10 a second.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), visible: None, infrared: None, rate_hz: rate_hz() }
    }
    /// Finds the folders and lists them.
    ///
    /// # Errors
    /// Where a folder is missing or ambiguous, or there is no picture in either.
    pub fn build(self) -> Result<IrVisible> {
        let rate_hz = checked_rate(self.rate_hz)?;
        let visible = Half::new("visible", self.visible, &self.root, &VISIBLE)?;
        let infrared = Half::new("infrared", self.infrared, &self.root, &INFRARED)?;
        let mut names = BTreeMap::<String, Pair>::new();
        for (path, is_visible) in [(&visible, true), (&infrared, false)]
            .into_iter()
            .map(|(half, is_visible)| list_pictures(&half.folder).map(|files| files.into_iter().map(move |f| (f, is_visible))))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
        {
            let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let pair = names.entry(name).or_default();
            if is_visible { &mut pair.visible } else { &mut pair.infrared }.push(path);
        }
        if names.is_empty() {
            let place = format!("{}, {}", visible.folder.display(), infrared.folder.display());
            return Err(Error::mismatch("PNG, JPEG, TIFF or BMP pictures", "none", place));
        }
        let pairs: Vec<Pair> = names.into_iter().map(|(name, pair)| Pair { name, ..pair }).collect();
        Ok(IrVisible { rate_hz, visible, infrared, pairs: pairs.into_iter().enumerate(), pending: VecDeque::new() })
    }
}

impl Half {
    fn new(sensor: &str, given: Option<PathBuf>, root: &Path, names: &[&str]) -> Result<Self> {
        let folder = match given {
            Some(folder) => folder,
            None => find_folder(root, names)?,
        };
        if !folder.is_dir() {
            return Err(Error::mismatch(format!("a folder of {sensor} pictures"), "none", folder.display().to_string()));
        }
        let calibration = Arc::new(Calibration::unknown(sensor));
        Ok(Self { sensor: SensorId::new(sensor), folder, calibration, reader: PictureReader::new() })
    }
    fn frame(&self, k: usize, name: &str, rate_hz: f64, payload: Payload) -> Reading {
        let (seq, calibration) = (k as u64, Arc::clone(&self.calibration));
        let captured = stamp_at(seq, rate_hz);
        Reading::Frame(Frame::new(self.sensor, seq, captured, calibration, payload).named(name))
    }
    fn rejected(&self, at: Option<SensorTime>, reason: String) -> Reading {
        Reading::Rejected { sensor: self.sensor, at, reason }
    }
    fn info(&self, modality: Modality) -> SensorInfo {
        SensorInfo { id: self.sensor, modality, calibration: Arc::clone(&self.calibration) }
    }
}

/// The one folder in `root` with one of these names, in any case.
fn find_folder(root: &Path, names: &[&str]) -> Result<PathBuf> {
    let folders = subfolders(root)?;
    let lower = |p: &Path| p.file_name().map(|n| n.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let mut found = names.iter().flat_map(|n| folders.iter().filter(move |f| lower(f) == **n));
    match (found.next(), found.next()) {
        (Some(folder), None) => Ok(folder.clone()),
        (Some(a), Some(b)) => {
            let found = format!("both `{}` and `{}`", a.display(), b.display());
            Err(Error::mismatch("one folder, or its path in the configuration", found, root.display().to_string()))
        }
        (None, _) => {
            let inner = |f: &&PathBuf| subfolders(f).is_ok_and(|s| s.iter().any(|s| names.contains(&lower(s).as_str())));
            let hints: Vec<_> = folders.iter().filter(inner).map(|f| format!("`{}`", f.display())).collect();
            let hint = if hints.is_empty() { String::new() } else { format!("; did you mean the root {}?", hints.join(" or ")) };
            Err(Error::mismatch(format!("a folder named {}", names.join(", ")), format!("none{hint}"), root.display().to_string()))
        }
    }
}
fn subfolders(root: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(root).map_err(|e| Error::io("list", root, e))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).filter(|p| p.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

impl IrVisible {
    /// Reads the k-th pair into `pending`, one reading per file.
    fn load(&mut self, k: usize, pair: &Pair) {
        let (visible, infrared) = match (pair.visible.as_slice(), pair.infrared.as_slice()) {
            ([v], [i]) => (v, i),
            (vs, is) => return self.reject_names(&pair.name, vs, is),
        };
        let (vi, ir) = (&mut self.visible.reader, &mut self.infrared.reader);
        let (vi, ir) = rayon::join(|| vi.rgb(visible), || ir.thermal(infrared));
        let sizes = vi.as_ref().ok().zip(ir.as_ref().ok()).map(|(v, i)| ([v.width(), v.height()], [i.width(), i.height()]));
        if let Some(([vw, vh], [iw, ih])) = sizes.filter(|(v, i)| v != i) {
            let reason = format!("wanted a pair of one size, found visible {vw}x{vh}, infrared {iw}x{ih} (`{}`)", pair.name);
            self.pending.push_back(self.visible.rejected(None, reason.clone()));
            self.pending.push_back(self.infrared.rejected(None, reason));
            return;
        }
        let at = Some(stamp_at(k as u64, self.rate_hz));
        self.pending.push_back(match vi {
            Ok(image) => self.visible.frame(k, &pair.name, self.rate_hz, Payload::Rgb(Arc::new(image))),
            Err(e) => self.visible.rejected(at, e.to_string()),
        });
        self.pending.push_back(match ir {
            Ok(image) => self.infrared.frame(k, &pair.name, self.rate_hz, Payload::Thermal(Arc::new(image))),
            Err(e) => self.infrared.rejected(at, e.to_string()),
        });
    }
    /// A name without exactly one file in each folder.
    fn reject_names(&mut self, name: &str, visible: &[PathBuf], infrared: &[PathBuf]) {
        for (half, own, other, files) in
            [(&self.visible, visible, &self.infrared, infrared), (&self.infrared, infrared, &self.visible, visible)]
        {
            for file in own {
                let found = if files.is_empty() { "none".to_owned() } else { format!("{} against {}", own.len(), files.len()) };
                let wanted = format!("one {} partner `{name}` in {}", other.sensor, other.folder.display());
                self.pending.push_back(half.rejected(None, Error::mismatch(wanted, found, file.display().to_string()).to_string()));
            }
        }
    }
}

impl Source for IrVisible {
    fn sensors(&self) -> Vec<SensorInfo> {
        vec![self.visible.info(Modality::Rgb), self.infrared.info(Modality::Thermal)]
    }
    fn next(&mut self, _cx: &Cx) -> Result<Reading> {
        loop {
            if let Some(reading) = self.pending.pop_front() {
                return Ok(reading);
            }
            let Some((k, pair)) = self.pairs.next() else { return Ok(Reading::End) };
            self.load(k, &pair);
        }
    }
    fn pools(&self) -> Vec<(String, PoolFill)> {
        let of = |half: &Half| half.reader.pools().into_iter().map(|(n, f)| (format!("{}/{n}", half.sensor), f)).collect::<Vec<_>>();
        [of(&self.visible), of(&self.infrared)].concat()
    }
}
