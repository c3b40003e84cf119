//! What can be named in a configuration: one line per source, stage and sink.
//!
//! A kind is a configuration struct and how to build it. A new kind of the program's own is one file in its room and one
//! line here; a user's own goes into [`Registry::with_source`] and its siblings.

use super::fields;
use crate::runtime::{Policy, Sink, Source, Stage};
use crate::types::{Error, Result};
use crate::{sinks, sources, stages};
use serde::{Serialize, de::DeserializeOwned};
use std::path::PathBuf;
use std::sync::Arc;
use toml::Table;

/// What a node may need to know of the run it is built for.
#[derive(Debug, Clone, Default)]
pub struct Site {
    /// Folder of this run's results.
    pub run_dir: PathBuf,
    /// The effective configuration as TOML.
    pub configuration: String,
}

/// A fault in one key of a node's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Key path below the node; empty for the node itself.
    pub key: String,
    /// What was wanted, what was found.
    pub message: String,
}

type Build<T> = dyn Fn(&Table, &Site) -> Result<Box<T>> + Send + Sync;
type Complete = dyn Fn(&Table) -> (Table, Vec<Fault>) + Send + Sync;

/// One kind of source, stage or sink.
pub struct Kind<T: ?Sized> {
    /// As written in `kind = "..."`.
    pub name: &'static str,
    /// One line for `--help`-like lists.
    pub about: &'static str,
    /// The edge before it in `live` mode, where the configuration names none.
    pub edge: Policy,
    complete: Box<Complete>,
    build: Arc<Build<T>>,
}

impl<T: ?Sized + 'static> Kind<T> {
    /// A kind with configuration `C`, built by `build`.
    pub fn new<C, F>(name: &'static str, about: &'static str, edge: Policy, build: F) -> Self
    where
        C: Serialize + DeserializeOwned + 'static,
        F: Fn(C, &Site) -> Result<Box<T>> + Send + Sync + 'static,
    {
        let make = move |table: &Table, site: &Site| {
            let config: C = table.clone().try_into().map_err(|e: toml::de::Error| Error::mismatch(name, e.message(), "configuration"))?;
            build(config, site)
        };
        Self { name, about, edge, complete: Box::new(complete::<C>), build: Arc::new(make) }
    }
    /// The table with every default filled in, and every fault in it.
    pub fn complete(&self, table: &Table) -> (Table, Vec<Fault>) {
        (self.complete)(table)
    }
    /// Builds it.
    ///
    /// # Errors
    /// Where the table is faulty or its world is not as it says (no such folder, no such device).
    pub fn build(&self, table: &Table, site: &Site) -> Result<Box<T>> {
        (self.build)(table, site)
    }
    /// A way to build it again after a failure.
    pub fn remake(&self, table: &Table, site: &Site) -> crate::runtime::Remake<T> {
        let (build, table, site) = (Arc::clone(&self.build), table.clone(), site.clone());
        Box::new(move || build(&table, &site))
    }
}

/// Every fault of a table against `C`, and what `C` makes of the sound part, defaults included.
pub(super) fn complete<C: Serialize + DeserializeOwned>(table: &Table) -> (Table, Vec<Fault>) {
    let (mut sound, mut faults) = (table.clone(), Vec::new());
    let known = fields::of::<C>();
    for key in table.keys().filter(|k| !known.contains(&k.as_str())) {
        let hint = crate::types::nearest(key, known.iter().copied()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        faults.push(Fault { key: key.clone(), message: format!("unknown key `{key}`, wanted one of {}{hint}", known.join(", ")) });
        sound.remove(key);
    }
    loop {
        match serde_path_to_error::deserialize::<_, C>(sound.clone()) {
            Ok(config) => return (Table::try_from(&config).unwrap_or(sound), faults),
            Err(error) => {
                let (key, message) = (error.path().to_string(), error.inner().message().trim().replace('\n', " "));
                let removed = key.split(['.', '[']).next().and_then(|top| sound.remove(top));
                let again = message.starts_with("missing field") && faults.iter().any(|f| message.contains(&format!("`{}`", f.key)));
                if !again {
                    faults.push(Fault { key: if removed.is_some() { key } else { String::new() }, message });
                }
                if removed.is_none() {
                    return (sound, faults);
                }
            }
        }
    }
}

/// Every kind that can be named.
pub struct Registry {
    /// Kinds of sources.
    pub sources: Vec<Kind<dyn Source>>,
    /// Kinds of stages.
    pub stages: Vec<Kind<dyn Stage>>,
    /// Kinds of sinks.
    pub sinks: Vec<Kind<dyn Sink>>,
}

impl Registry {
    /// Also this source, of one's own.
    #[must_use]
    pub fn with_source(mut self, kind: Kind<dyn Source>) -> Self {
        self.sources.push(kind);
        self
    }
    /// Also this stage, of one's own.
    #[must_use]
    pub fn with_stage(mut self, kind: Kind<dyn Stage>) -> Self {
        self.stages.push(kind);
        self
    }
    /// Also this sink, of one's own.
    #[must_use]
    pub fn with_sink(mut self, kind: Kind<dyn Sink>) -> Self {
        self.sinks.push(kind);
        self
    }
}

macro_rules! kinds {
    ($policy:expr; $($(#[$cfg:meta])* $name:literal, $config:ty, $about:literal;)*) => {
        vec![$($(#[$cfg])* Kind::new($name, $about, $policy, |c: $config, _: &Site| Ok(Box::new(c.build()?) as _)),)*]
    };
}

impl Default for Registry {
    fn default() -> Self {
        let sources: Vec<Kind<dyn Source>> = kinds![Policy::DropOldest(32);
            "ir_visible", sources::IrVisibleConfig, "a folder of infrared-visible pairs";
            "rgbd", sources::RgbdConfig, "an RGB-D recording in the TUM layout";
            "kitti", sources::KittiConfig, "a KITTI drive (raw) or frame folder (object)";
            "nuscenes", sources::NuscenesConfig, "a nuScenes root: cameras, LiDAR, ego pose";
            "fragments", sources::FragmentsConfig, "a folder of torn-picture fragments";
            "world", sources::WorldSourceConfig, "the embedded world: a town, traffic, sensors of every kind, and the truth";
            "recording", sources::RecordingConfig, "an MCAP recording of a former run";
            #[cfg(feature = "opencv")] "video", sources::VideoConfig, "a video file or a V4L2/USB camera";
        ];
        let stages: Vec<Kind<dyn Stage>> = kinds![Policy::Latest;
            "resize", stages::ResizeConfig, "pictures to another size, intrinsics with them";
            "rectify", stages::RectifyConfig, "lens distortion taken out";
            "project", stages::ProjectConfig, "LiDAR points into cameras";
            "depth_cloud", stages::DepthCloudConfig, "depth and colour to a coloured cloud";
            "voxel", stages::VoxelConfig, "a cloud to occupied voxels";
            "fuller", stages::FullerConfig, "cameras and LiDAR to boxes and map layers (FULLER)";
            "track", stages::TrackConfig, "boxes followed over time";
            "fuse_classical", stages::FuseClassicalConfig, "infrared and visible to one picture, without weights";
            "pairingnet", stages::PairingnetConfig, "torn fragments to pairs that fit, searched and matched by PairingNet";
            "pair_outlines", stages::PairOutlinesConfig, "torn fragments to pairs that fit, by border and colour, without weights";
            "letfuser", stages::LetfuserConfig, "RGB-D of one or three cameras to classes, map, way points and control, by the network LeTFuser";
            "segmif", stages::SegmifConfig, "infrared and visible to one picture and its classes, by the network SegMiF";
        ];
        let mut sinks: Vec<Kind<dyn Sink>> = kinds![Policy::Latest;
            "console", sinks::ConsoleConfig, "a line of state a second";
            "null", sinks::NullConfig, "nothing; for measuring";
        ];
        sinks.push(Kind::new(
            "results",
            "pictures and a JSON line per packet",
            Policy::Block(8),
            |c: sinks::ResultsConfig, site: &Site| Ok(Box::new(c.in_dir(site.run_dir.clone()).build()?) as _),
        ));
        sinks.push(Kind::new(
            "recording",
            "an MCAP recording, to be played again",
            Policy::Block(8),
            |c: sinks::RecordingConfig, site: &Site| {
                Ok(Box::new(c.in_dir(site.run_dir.clone()).about("config", site.configuration.clone()).build()?) as _)
            },
        ));
        #[cfg(feature = "viewer")]
        sinks.push(Kind::new(
            "rerun",
            "the rerun viewer: window, browser, connection or file",
            Policy::Sample(10.0),
            |c: sinks::RerunConfig, site: &Site| Ok(Box::new(c.in_dir(&site.run_dir).build()?) as _),
        ));
        #[cfg(feature = "opencv")]
        sinks.push(Kind::new("video", "a video file of one picture", Policy::Block(8), |c: sinks::VideoConfig, _: &Site| {
            Ok(Box::new(c.build()?) as _)
        }));
        Self { sources, stages, sinks }
    }
}
