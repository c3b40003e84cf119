//! A nuScenes root on disk: its tables, its splits, its files by name.
//!
//! *In*: a folder. *Out*: [`Tables`], [`Split`]s, bytes. *Invariant*: no file outside the root is opened.

use crate::formats::nuscenes::splits::{self, Custom, Split};
use crate::formats::nuscenes::{BusPose, Choice, Fault, FaultKind, Faults, Tables, bus_poses};
use crate::sources::player::append;
use crate::types::{Error, Result, nearest};
use std::fs::{File, ReadDir};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// Largest file that is read whole, bytes.
const LARGEST: u64 = 1 << 30;

/// A folder with `v1.0-...`, `samples`, `maps` and so on.
#[derive(Debug, Clone)]
pub struct Root {
    folder: PathBuf,
    version: String,
    custom: Custom,
}

impl Root {
    /// The root in `folder`; without a version, the only one that it holds.
    ///
    /// # Errors
    /// Where the folder does not hold that version, or none or several where none is named, or `splits.json` is broken.
    pub fn open(folder: &Path, version: Option<&str>) -> Result<Self> {
        let versions = versions(folder)?;
        let version = match (version, versions.as_slice()) {
            (Some(wanted), known) => known.iter().find(|v| *v == wanted).ok_or_else(|| {
                let hint = nearest(wanted, known.iter().map(String::as_str)).map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
                Error::mismatch(format!("tables `{wanted}`"), format!("{known:?}{hint}"), folder.display().to_string())
            })?,
            (None, [only]) => only,
            (None, known) => {
                let found = format!("{} versions {known:?}", known.len());
                return Err(Error::mismatch("one folder of tables, or one that is named", found, folder.display().to_string()));
            }
        };
        let mut root = Self { folder: folder.to_owned(), version: version.clone(), custom: Custom::new() };
        let path = folder.join(version).join("splits.json");
        if path.exists() {
            let bytes = root.bytes(&format!("{version}/splits.json"))?;
            let wrong = |e: serde_json::Error| Error::mismatch("lists of scene names by split", e.to_string(), path.display().to_string());
            root.custom = serde_json::from_slice(&bytes).map_err(wrong)?;
        }
        Ok(root)
    }
    /// Folder of the tables.
    pub fn version(&self) -> &str {
        &self.version
    }
    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
    /// Reads the tables that are chosen.
    ///
    /// # Errors
    /// Where a table is there but cannot be opened.
    pub fn tables(&self, choice: &Choice<'_>, faults: &mut Faults) -> Result<Tables> {
        let open = |name: &str| -> Result<Option<Box<dyn Read + Send>>> {
            let path = self.folder.join(&self.version).join(format!("{name}.json"));
            match File::open(&path) {
                Ok(file) => Ok(Some(Box::new(file))),
                Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
                Err(e) => Err(Error::io("read", &path, e)),
            }
        };
        Tables::read(&open, &self.version, choice, faults)
    }
    /// The split of this name.
    ///
    /// # Errors
    /// Where there is none for this version.
    pub fn split(&self, name: &str) -> Result<Split> {
        splits::find(name, &self.version, &self.custom).map_err(|e| e.at(self.folder.display().to_string()))
    }
    /// All splits that there can be.
    pub fn splits(&self) -> Vec<Split> {
        splits::all(&self.version, &self.custom)
    }
    /// Where a file of the root lies.
    ///
    /// # Errors
    /// Where its name leads out of the root.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        inside(&self.folder, name)
    }
    /// The bytes of a file of the root.
    ///
    /// # Errors
    /// Where its name leads out of the root, or it cannot be read or is too large.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        append(&self.path(name)?, LARGEST, &mut bytes)?;
        Ok(bytes)
    }
    /// What the vehicle's bus says of a scene; `None` where the root has no such file.
    ///
    /// # Errors
    /// Where the file cannot be read or is not what it must be.
    pub fn bus_poses(&self, scene: &str) -> Result<Option<Vec<BusPose>>> {
        let name = format!("can_bus/{scene}_pose.json");
        if !self.path(&name)?.is_file() {
            return Ok(None);
        }
        bus_poses(&self.bytes(&name)?).map(Some).map_err(|e| e.at(name))
    }
    /// The bytes of a file; a fault where they cannot be had.
    pub(super) fn given(&self, name: &str) -> Result<Vec<u8>, Box<Fault>> {
        if self.path(name).is_err() {
            return Err(Box::new(Fault::new(FaultKind::PathEscapesRoot, name, "a path below the root", format!("`{name}`"))));
        }
        self.bytes(name).map_err(|e| {
            let missing = !self.folder.join(name).exists();
            let kind = if missing { FaultKind::MissingFile } else { FaultKind::Unreadable };
            Box::new(Fault::new(kind, name, "a readable file", if missing { "none".to_owned() } else { e.to_string() }))
        })
    }
}

/// Folders of tables below a root, by name.
///
/// # Errors
/// Where the folder cannot be listed or holds none.
pub fn versions(folder: &Path) -> Result<Vec<String>> {
    let list = |folder: &Path| std::fs::read_dir(folder).map_err(|e| Error::io("list", folder, e));
    let names = tables_below(list(folder)?);
    if names.is_empty() {
        // Lyft's archives put the whole root one folder deeper.
        let deeper = list(folder)?.flatten().map(|e| e.path()).find(|p| list(p).is_ok_and(|inside| !tables_below(inside).is_empty()));
        let found = deeper.map_or_else(|| "none".to_owned(), |p| format!("none; but `{}` has one", p.display()));
        return Err(Error::mismatch("a folder of tables (v1.0-mini and the like)", found, folder.display().to_string()));
    }
    Ok(names)
}

/// Names of the folders that hold tables, sorted; what cannot be looked at is passed over.
fn tables_below(entries: ReadDir) -> Vec<String> {
    let name = |e: std::fs::DirEntry| {
        let name = e.file_name().to_string_lossy().into_owned();
        (e.path().join("scene.json").is_file() || name.starts_with("v1.0-") && e.path().is_dir()).then_some(name)
    };
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort();
    names
}

/// `name` below `root`, unless it leads out.
pub(super) fn inside(root: &Path, name: &str) -> Result<PathBuf> {
    let relative = Path::new(name);
    let sound = !name.is_empty() && !name.contains(['\0', '\\']) && relative.components().all(|c| matches!(c, Component::Normal(_)));
    if !sound {
        return Err(Error::mismatch("a path below the root", format!("`{name}`"), "field filename"));
    }
    Ok(root.join(relative))
}
