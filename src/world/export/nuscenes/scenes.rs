//! Which frames make which scene, and what scenes, logs and splits are called.
//!
//! *Out*: names, tokens, the tables `scene`, `log`, `map`, and `splits.json`. *Invariant*: scene names are those of the official splits, so that a
//! tool that knows only these evaluates the root: one scene in five is of the validation split, at least one.

use super::super::{ExportConfig, write};
use super::rows::{lines, token};
use crate::formats::nuscenes::splits::{self, Custom};
use crate::types::{Error, Result};
use serde_json::json;
use std::path::Path;

/// Scenes that the names of `v1.0-mini` suffice for: train and val.
const MINI: [usize; 2] = [8, 2];
/// Most scenes: as many as `v1.0-trainval` has names.
const MOST: usize = 850;

/// The scenes of an export.
pub(super) struct Plan {
    frames: usize,
    per_scene: usize,
    names: Vec<String>,
    /// What tells this drive from others.
    drive: String,
}

impl Plan {
    pub(super) fn new(config: &ExportConfig) -> Result<Self> {
        if config.scene_frames == 0 {
            return Err(Error::mismatch("1 or more frames a scene", "0", "--scene-frames"));
        }
        let scenes = config.frames.div_ceil(config.scene_frames);
        if scenes > MOST {
            return Err(Error::mismatch(format!("at most {MOST} scenes"), scenes.to_string(), "--frames and --scene-frames"));
        }
        let drive = format!("{}-{:?}-{}", config.world.town, config.world.junctions, config.world.seed);
        Ok(Self { frames: config.frames, per_scene: config.scene_frames, names: names(scenes)?, drive })
    }
    pub(super) fn version(&self) -> &'static str {
        if self.names.len() <= MINI.iter().sum::<usize>() { "v1.0-mini" } else { "v1.0-trainval" }
    }
    /// Maps have four names; of these, the one whose traffic keeps right.
    pub(super) const fn location(&self) -> &'static str {
        "boston-seaport"
    }
    pub(super) const fn begins(&self, k: usize) -> bool {
        k.is_multiple_of(self.per_scene)
    }
    pub(super) const fn ends(&self, k: usize) -> bool {
        (k + 1).is_multiple_of(self.per_scene) || k + 1 == self.frames
    }
    /// Name of the scene of a frame.
    pub(super) fn scene(&self, k: usize) -> String {
        self.names.get(k / self.per_scene).cloned().unwrap_or_default()
    }
    pub(super) fn scene_token(&self, k: usize) -> String {
        token(&["scene", &self.drive, &self.scene(k)])
    }
    /// Token of the sample of a frame.
    pub(super) fn sample(&self, k: usize) -> String {
        token(&["sample", &self.drive, &k.to_string()])
    }
    pub(super) fn logfile(&self, config: &ExportConfig) -> String {
        let (hour, minutes) = (config.world.sky.hour.floor(), (config.world.sky.hour.fract() * 60.0).floor());
        format!("w001-2026-01-01-{hour:02.0}-{minutes:02.0}-00+0000")
    }
    /// The tables `scene`, `log` and `map`, and `splits.json`.
    pub(super) fn write(&self, folder: &Path, config: &ExportConfig, mask: &str) -> Result<()> {
        let log = token(&["log", &self.drive]);
        let scene = |(at, name): (usize, &String)| {
            let first = at * self.per_scene;
            let last = (first + self.per_scene).min(self.frames) - 1;
            json!({
                "token": self.scene_token(first), "log_token": log, "nbr_samples": last + 1 - first, "name": name,
                "first_sample_token": self.sample(first), "last_sample_token": self.sample(last), "description": described(config),
            })
        };
        let put = |name: &str, records: Vec<serde_json::Value>| write(&folder.join(name), lines(&records)?.as_bytes());
        put("scene.json", self.names.iter().enumerate().map(scene).collect())?;
        put(
            "log.json",
            vec![json!({ "token": log, "logfile": self.logfile(config), "vehicle": "w001", "date_captured": "2026-01-01",
                "location": self.location() })],
        )?;
        let map = json!({ "token": token(&["map", &self.drive]), "log_tokens": [log], "category": "semantic_prior", "filename": mask });
        put("map.json", vec![map])?;
        write(&folder.join("splits.json"), format!("{:#}\n", json!({ "all": self.names })).as_bytes())
    }
}

/// What the scene's description says of light and weather; "night" and "rain" are what break-downs look for.
fn described(config: &ExportConfig) -> String {
    let sky = &config.world.sky;
    let light = if (7.2..=18.2).contains(&sky.hour) { "Day" } else { "Night" };
    let weather = match sky {
        s if s.rain > 0.0 => "rain",
        s if s.visibility < 1000.0 => "fog",
        s if s.clouds > 0.6 => "overcast",
        _ => "clear",
    };
    format!("{light}, {weather}, {}, {} vehicles, {} pedestrians", config.world.town, config.world.vehicles, config.world.pedestrians)
}

/// Names for so many scenes: of the training split, then of the validation split.
fn names(scenes: usize) -> Result<Vec<String>> {
    let mini = scenes <= MINI.iter().sum::<usize>();
    let (train, val, version) = if mini { ("mini_train", "mini_val", "v1.0-mini") } else { ("train", "val", "v1.0-trainval") };
    let of = |split: &str| splits::find(split, version, &Custom::new()).map(|s| s.scenes.into_iter().collect::<Vec<_>>());
    let (train, val) = (of(train)?, of(val)?);
    let held = ((scenes + 2) / 5).clamp(1, val.len()).max(scenes.saturating_sub(train.len()));
    Ok(train.into_iter().take(scenes - held).chain(val.into_iter().take(held)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn there_are_names_for_every_number_of_scenes() {
        for scenes in (1..=40).chain([700, 849, 850]) {
            let names = names(scenes).unwrap();
            assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), scenes);
            let version = if scenes <= 10 { ("mini_val", "v1.0-mini") } else { ("val", "v1.0-trainval") };
            let val = splits::find(version.0, version.1, &Custom::new()).unwrap().scenes;
            let held = names.iter().filter(|n| val.contains(*n)).count();
            assert!(held >= 1 && held * 5 <= scenes + 4, "{held} of {scenes}");
        }
    }
}
