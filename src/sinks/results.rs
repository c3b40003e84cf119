//! Outcomes as files: pictures, clouds, and one line of JSON a packet.
//!
//! *In*: packets. *Out*: `<dir>/results.jsonl` and `<dir>/<stage>/<kind>/<name>.png|ply` (clouds in the vehicle frame, metres).
//! *Invariant*: a picture or cloud is complete under its name or not there (written beside it, then renamed);
//! each line of JSON names the files of its packet.

use super::paint;
use super::wires::wires;
use crate::runtime::{Cx, Layout, Sink};
use crate::types::{
    Box3, ColouredCloud, Error, HostTime, LabelImage, Outcome, OutcomeKind, Packet, Payload, Projection, Result, RgbImage, SensorId, num,
};
use image::ExtendedColorType as Colour;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Outcomes as files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultsConfig {
    /// Folder; without it, the run's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Write fused pictures, label pictures and projections as PNG.
    #[serde(default = "yes")]
    pub images: bool,
    /// Write coloured clouds as PLY.
    #[serde(default)]
    pub clouds: bool,
    /// Keep the files of every n-th bundle; the lines of JSON are kept for all.
    #[serde(default = "one")]
    pub every: u64,
    /// What files are called: `source` takes the name of the picture they belong to (or the bundle's number where it has none),
    /// `number` always the bundle's number.
    #[serde(default)]
    pub names: Names,
}

/// What result files are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Names {
    /// As the picture they belong to.
    #[default]
    Source,
    /// By the bundle's number.
    Number,
}

const fn yes() -> bool {
    true
}
const fn one() -> u64 {
    1
}

impl Default for ResultsConfig {
    fn default() -> Self {
        Self { dir: None, images: yes(), clouds: false, every: one(), names: Names::Source }
    }
}

impl ResultsConfig {
    /// The same, into `dir` where the configuration names no folder.
    #[must_use]
    pub fn in_dir(mut self, dir: PathBuf) -> Self {
        self.dir.get_or_insert(dir);
        self
    }
    /// The sink; folders and files are made when the run starts.
    ///
    /// # Errors
    /// Where no folder is known or `every` is 0.
    pub fn build(self) -> Result<ResultsSink> {
        if self.every == 0 {
            return Err(Error::mismatch("1 or more", "0", "results, every"));
        }
        let Some(dir) = self.dir.clone() else {
            return Err(Error::mismatch("a folder", "none", "results, dir"));
        };
        Ok(ResultsSink { config: self, dir, lines: None, homes: HashMap::new(), used: HashSet::new() })
    }
}

/// Writes outcomes as files.
#[derive(Debug)]
pub struct ResultsSink {
    config: ResultsConfig,
    dir: PathBuf,
    lines: Option<BufWriter<File>>,
    /// The sensor in whose picture a stage's results of a kind lie.
    homes: HashMap<(Arc<str>, OutcomeKind), SensorId>,
    /// Paths written so far: two frames of one name must not overwrite each other.
    used: HashSet<u64>,
}

impl ResultsSink {
    /// Where the lines of JSON go.
    pub fn lines_path(&self) -> PathBuf {
        self.dir.join("results.jsonl")
    }

    /// What an outcome's file is called: as the picture it lies in, or as the bundle's first named frame, or the bundle's number.
    fn name(&mut self, packet: &Packet, stage: &Arc<str>, outcome: &Outcome) -> String {
        let number = format!("{:06}", packet.head.seq);
        let home = match outcome {
            Outcome::Projection(points) => Some(points.camera),
            _ => self.homes.get(&(Arc::clone(stage), outcome.kind())).copied(),
        };
        let home = home.and_then(|s| packet.bundle.frame(s));
        let given = home.and_then(|f| f.name.as_ref()).or_else(|| packet.bundle.frames.iter().find_map(|f| f.name.as_ref()));
        let Some(given) = given.filter(|_| self.config.names == Names::Source) else { return number };
        let mut hasher = std::hash::DefaultHasher::new();
        (stage, outcome.kind(), given).hash(&mut hasher);
        let given = plain(given);
        if self.used.insert(hasher.finish()) { given } else { format!("{given}-{number}") }
    }

    /// Writes an outcome's files and says what it is.
    fn keep(&mut self, packet: &Packet, stage: &Arc<str>, outcome: &Outcome) -> Result<Value> {
        let name = self.name(packet, stage, outcome);
        let place = Place { dir: &self.dir, stage, name };
        let chosen = packet.head.seq.is_multiple_of(self.config.every);
        let (images, clouds) = (self.config.images && chosen, self.config.clouds && chosen);
        Ok(match outcome {
            Outcome::Fused(image) => {
                let file = images.then(|| place.rgb("fused", image.width(), image.height(), image.data())).transpose()?;
                json!({ "kind": "fused", "size": [image.width(), image.height()], "file": file })
            }
            Outcome::Segmentation(labels) => segmentation(&place, labels, images)?,
            Outcome::Projection(points) => projection(&place, packet, points, images)?,
            Outcome::Cloud(cloud) => {
                let file = clouds.then(|| place.write("cloud", "ply", &ply(cloud))).transpose()?;
                json!({ "kind": "cloud", "points": cloud.positions.len(), "file": file })
            }
            Outcome::Boxes3(boxes) => {
                let files = if images { wired(&place, packet, boxes)? } else { serde_json::Map::new() };
                json!({ "kind": "boxes3", "boxes": boxes.as_ref(), "files": files })
            }
            Outcome::Voxels(v) => json!({ "kind": "voxels", "voxels": v.indices.len(), "edge": v.voxel, "origin": v.origin }),
            Outcome::Confidence(image) => {
                let (height, width) = image.scores.dim();
                let bytes: Vec<u8> = image.scores.iter().map(|s| num::level(s * 255.0)).collect();
                let folder =
                    if image.of == "best" { "confidence".to_owned() } else { format!("confidence_{}", image.of.replace([' ', '/'], "_")) };
                let file = images.then(|| place.png(&folder, width, height, &bytes, Colour::L8)).transpose()?;
                json!({ "kind": "confidence", "of": image.of, "size": [width, height], "file": file })
            }
            Outcome::Map(map) => {
                let (width, height, bytes) = paint::map_rgba(map);
                let file = images.then(|| place.png("map", width, height, &bytes, Colour::Rgba8)).transpose()?;
                // The cells themselves, a bit a layer: what an evaluation reads. The encoder wants 16-bit samples in the machine's own order.
                let bits = |c: &u32| num::low_u16(*c).to_ne_bytes();
                let exact = images && map.layers.len() <= 16;
                let bytes = || map.cells().iter().flat_map(bits).collect::<Vec<u8>>();
                let cells = exact.then(|| place.png("map_cells", map.ny, map.nx, &bytes(), Colour::L16)).transpose()?;
                // Probabilities in 65535ths, one layer below the other.
                let levels = |p: &f32| num::level16(*p * 65535.0).to_ne_bytes();
                let known = map.probabilities().filter(|_| images);
                let bytes = known.map(|all| all.iter().flat_map(levels).collect::<Vec<u8>>());
                let height = map.nx * map.layers.len();
                let probabilities = bytes.map(|b| place.png("map_probabilities", map.ny, height, &b, Colour::L16)).transpose()?;
                json!({ "kind": "map", "layers": map.layers, "origin": map.origin, "cell": map.cell, "size": [map.nx, map.ny],
                    "file": file, "cells": cells, "probabilities": probabilities })
            }
            Outcome::Trajectory(path) => json!({ "kind": "trajectory", "points": path.points, "times": path.times }),
            Outcome::Matches(pairs) => json!({ "kind": "matches", "pairs": pairs.as_ref() }),
            Outcome::Control(control) => json!({ "kind": "control", "control": control }),
            Outcome::Numbers(numbers) => {
                let named: serde_json::Map<String, Value> = numbers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
                json!({ "kind": "numbers", "numbers": named })
            }
        })
    }

    fn line(&mut self, value: &Value) -> Result<()> {
        let path = self.lines_path();
        let Some(out) = self.lines.as_mut() else {
            return Err(Error::mismatch("a started sink", "none", path.display().to_string()));
        };
        writeln!(out, "{value}").map_err(|e| Error::io("write", &path, e))
    }
}

fn segmentation(place: &Place<'_>, image: &LabelImage, write: bool) -> Result<Value> {
    let (height, width) = image.labels.dim();
    let mut line = json!({ "kind": "segmentation", "size": [width, height] });
    if !write {
        return Ok(line);
    }
    let narrow: Option<Vec<u8>> = image.labels.iter().map(|v| u8::try_from(*v).ok()).collect();
    let file = match narrow {
        Some(bytes) => place.png("segmentation", width, height, &bytes, Colour::L8)?,
        // The encoder wants 16-bit samples in the machine's own order.
        None => {
            let bytes: Vec<u8> = image.labels.iter().flat_map(|v| v.to_ne_bytes()).collect();
            place.png("segmentation", width, height, &bytes, Colour::L16)?
        }
    };
    let colour = place.rgb("segmentation_colour", width, height, &paint::label_rgb(image))?;
    if let Some(map) = line.as_object_mut() {
        map.insert("file".into(), json!(file));
        map.insert("colour".into(), json!(colour));
    }
    Ok(line)
}

fn projection(place: &Place<'_>, packet: &Packet, points: &Projection, write: bool) -> Result<Value> {
    let file = if write {
        let picture: Option<&RgbImage> = packet.bundle.frame(points.camera).and_then(|f| match &f.payload {
            Payload::Rgb(image) => Some(image.as_ref()),
            _ => None,
        });
        let (width, height, canvas) = paint::overlay(points, picture);
        Some(place.rgb(&format!("projection_{}", points.camera), width, height, &canvas)?)
    } else {
        None
    };
    Ok(json!({ "kind": "projection", "camera": points.camera, "lidar": points.lidar, "points": points.pixels.len(), "file": file }))
}

/// The boxes in every camera's picture whose lens is known.
fn wired(place: &Place<'_>, packet: &Packet, boxes: &[Box3]) -> Result<serde_json::Map<String, Value>> {
    let mut files = serde_json::Map::new();
    for frame in &packet.bundle.frames {
        let Payload::Rgb(picture) = &frame.payload else { continue };
        let Some((canvas, _)) = wires(picture, &frame.calibration, boxes) else { continue };
        let file = place.jpeg(&format!("boxes_{}", frame.sensor), picture.width(), picture.height(), &canvas)?;
        files.insert(frame.sensor.name().to_owned(), json!(file));
    }
    Ok(files)
}

/// Binary little-endian PLY: float x, y, z in metres (vehicle frame), uchar red, green, blue.
fn ply(cloud: &ColouredCloud) -> Vec<u8> {
    let count = cloud.positions.len().min(cloud.colours.len());
    let properties = "property float x\nproperty float y\nproperty float z\nproperty uchar red\nproperty uchar green\nproperty uchar blue";
    let head = format!("ply\nformat binary_little_endian 1.0\nelement vertex {count}\n{properties}\nend_header\n");
    let mut bytes = head.into_bytes();
    bytes.reserve(count * 15);
    for (position, colour) in cloud.positions.iter().zip(&cloud.colours) {
        position.iter().for_each(|v| bytes.extend_from_slice(&v.to_le_bytes()));
        bytes.extend_from_slice(colour);
    }
    bytes
}

/// Where one packet's files of one stage go.
struct Place<'a> {
    dir: &'a Path,
    stage: &'a str,
    name: String,
}

impl Place<'_> {
    fn rgb(&self, kind: &str, width: usize, height: usize, data: &[u8]) -> Result<String> {
        self.png(kind, width, height, data, Colour::Rgb8)
    }
    fn png(&self, kind: &str, width: usize, height: usize, data: &[u8], colour: Colour) -> Result<String> {
        let (w, h) = (num::u32(width), num::u32(height));
        let mut bytes = Vec::new();
        let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
        image::ImageEncoder::write_image(encoder, data, w, h, colour).map_err(|e| Error::mismatch("a picture", e.to_string(), kind))?;
        self.write(kind, "png", &bytes)
    }
    /// For pictures that are only looked at.
    fn jpeg(&self, kind: &str, width: usize, height: usize, data: &[u8]) -> Result<String> {
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 88);
        let encoded = image::ImageEncoder::write_image(encoder, data, num::u32(width), num::u32(height), Colour::Rgb8);
        encoded.map_err(|e| Error::mismatch("a picture", e.to_string(), kind))?;
        self.write(kind, "jpg", &bytes)
    }
    /// Writes under a temporary name, then renames; the path relative to the sink's folder comes back.
    fn write(&self, kind: &str, extension: &str, bytes: &[u8]) -> Result<String> {
        let relative = format!("{}/{}/{}.{extension}", plain(self.stage), plain(kind), self.name);
        let path = self.dir.join(&relative);
        let part = path.with_extension("part");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        }
        let written = std::fs::write(&part, bytes).map_err(|e| Error::io("write", &part, e));
        let kept = written.and_then(|()| std::fs::rename(&part, &path).map_err(|e| Error::io("rename to", &path, e)));
        if kept.is_err() {
            // The half-written file is of no use; that it cannot be removed either is not the news.
            let _ = std::fs::remove_file(&part);
        }
        kept.map(|()| relative)
    }
}

/// A name that is safe as one folder's name.
fn plain(name: &str) -> String {
    let kept: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' }).collect();
    if kept.chars().all(|c| c == '.') { "_".into() } else { kept }
}

/// Everything in a packet's head, and what is missing.
fn head_line(packet: &Packet, now: HostTime) -> Value {
    let head = &packet.head;
    let ms = |nanos: u64| nanos as f64 * 1e-6;
    let frames: Vec<Value> = (head.lineage.origins.iter())
        .map(|o| {
            let age = now.since(o.arrived).as_secs_f64() * 1e3;
            json!({ "sensor": o.sensor, "seq": o.seq, "captured_ns": o.captured.nanos(), "age_ms": age })
        })
        .collect();
    let stages: Vec<Value> = (head.lineage.stages.iter())
        .map(|s| json!({ "stage": s.stage, "waited_ms": ms(s.waited), "worked_ms": ms(s.worked), "weights": s.weights }))
        .collect();
    let presence: serde_json::Map<String, Value> =
        packet.bundle.presence.iter().map(|(sensor, presence)| (sensor.name().to_owned(), json!(presence))).collect();
    json!({
        "seq": head.seq,
        "time_s": head.at.seconds(),
        "time_ns": head.at.nanos(),
        "age_ms": head.lineage.age(now).as_secs_f64() * 1e3,
        "skew_ms": packet.bundle.skew.as_secs_f64() * 1e3,
        "presence": presence,
        "frames": frames,
        "stages": stages,
    })
}

impl Sink for ResultsSink {
    fn start(&mut self, layout: &Layout, _cx: &Cx) -> Result<()> {
        let homes = layout.stages.iter().flat_map(|(stage, info)| info.outcomes.iter().map(move |(kind, home)| (stage, *kind, *home)));
        self.homes = homes.filter_map(|(stage, kind, home)| home.map(|h| ((Arc::clone(stage), kind), h))).collect();
        std::fs::create_dir_all(&self.dir).map_err(|e| Error::io("create", &self.dir, e))?;
        let path = self.lines_path();
        let file = File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        self.lines = Some(BufWriter::new(file));
        Ok(())
    }

    fn accept(&mut self, packet: &Packet, _cx: &Cx) -> Result<()> {
        let mut value = head_line(packet, HostTime::now());
        let mut outcomes = Vec::with_capacity(packet.outcomes.len());
        for (stage, outcome) in &packet.outcomes {
            let mut kept = self.keep(packet, stage, outcome)?;
            if let Some(map) = kept.as_object_mut() {
                map.insert("stage".into(), json!(stage));
            }
            outcomes.push(kept);
        }
        if let Some(map) = value.as_object_mut() {
            map.insert("outcomes".into(), Value::Array(outcomes));
        }
        self.line(&value)
    }

    fn finish(&mut self, _cx: &Cx) -> Result<()> {
        let path = self.lines_path();
        let Some(mut out) = self.lines.take() else { return Ok(()) };
        out.flush().and_then(|()| out.get_ref().sync_all()).map_err(|e| Error::io("write", &path, e))
    }
}
