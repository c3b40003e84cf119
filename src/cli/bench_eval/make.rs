//! A made-up nuScenes root of any size: tables, a result file, sweeps, a map. Nothing in it was recorded.
//!
//! *In*: a folder and sizes. *Out*: files in the forms of the data set. *Invariant*: one seed gives the same bytes.

use crate::formats::nuscenes::DETECTION_CLASSES;
use crate::types::{Error, Result};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A raw category for each detection class, width, length, height in metres, and an attribute.
const KINDS: [(&str, [f64; 3], &str); 10] = [
    ("vehicle.car", [1.95, 4.6, 1.7], "vehicle.moving"),
    ("vehicle.truck", [2.5, 6.9, 2.8], "vehicle.parked"),
    ("vehicle.bus.rigid", [2.9, 11.2, 3.5], "vehicle.stopped"),
    ("vehicle.trailer", [2.9, 12.3, 3.9], "vehicle.parked"),
    ("vehicle.construction", [2.7, 6.4, 3.2], "vehicle.parked"),
    ("human.pedestrian.adult", [0.67, 0.73, 1.77], "pedestrian.moving"),
    ("vehicle.motorcycle", [0.77, 2.1, 1.5], "cycle.without_rider"),
    ("vehicle.bicycle", [0.6, 1.7, 1.3], "cycle.without_rider"),
    ("movable_object.trafficcone", [0.4, 0.4, 1.07], ""),
    ("movable_object.barrier", [2.5, 0.5, 1.0], ""),
];
/// Samples of a scene, and microseconds between them.
pub(super) const SCENE: usize = 40;
pub(super) const PERIOD: usize = 500_000;
/// Sweeps of the first sample, and points of each.
pub(super) const SWEEPS: usize = 10;
const POINTS: usize = 35_000;
/// Channels of a car; the first is the one that detections are scored by.
pub(super) const CHANNELS: [&str; 12] = [
    "LIDAR_TOP",
    "CAM_FRONT",
    "CAM_FRONT_RIGHT",
    "CAM_BACK_RIGHT",
    "CAM_BACK",
    "CAM_BACK_LEFT",
    "CAM_FRONT_LEFT",
    "RADAR_FRONT",
    "RADAR_FRONT_LEFT",
    "RADAR_FRONT_RIGHT",
    "RADAR_BACK_LEFT",
    "RADAR_BACK_RIGHT",
];

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn around(&mut self, width: f64) -> f64 {
        (self.next() + self.next() + self.next() - 1.5) * width
    }
    fn class(&mut self) -> usize {
        let share = self.next();
        [0.42, 0.5, 0.52, 0.54, 0.56, 0.76, 0.78, 0.8, 0.88].iter().filter(|bound| share >= **bound).count()
    }
}

/// One table, written record by record.
pub(super) struct Sheet {
    file: BufWriter<File>,
    first: bool,
    path: std::path::PathBuf,
}

impl Sheet {
    pub(super) fn new(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(format!("{name}.json"));
        let file = File::create(&path).map_err(|e| Error::io("create", &path, e))?;
        Ok(Self { file: BufWriter::new(file), first: true, path })
    }
    pub(super) fn add(&mut self, record: &str) -> Result<()> {
        let comma = if std::mem::take(&mut self.first) { "[" } else { "," };
        write!(self.file, "{comma}{record}").map_err(|e| Error::io("write", &self.path, e))
    }
    pub(super) fn end(mut self) -> Result<()> {
        write!(self.file, "{}", if self.first { "[]" } else { "]" })
            .and_then(|()| self.file.flush())
            .map_err(|e| Error::io("write", &self.path, e))
    }
}

pub(super) fn token(kind: u32, scene: usize, a: usize, b: usize) -> String {
    format!("{kind:08x}{scene:08x}{a:08x}{b:08x}")
}

/// Writes `samples` samples with `objects` objects and `boxes` predicted boxes each.
pub(super) fn root(folder: &Path, samples: usize, objects: usize, boxes: usize) -> Result<()> {
    let tables = folder.join("v1.0-bench");
    for place in [&tables, &folder.join("samples"), &folder.join("sweeps"), &folder.join("maps/expansion")] {
        std::fs::create_dir_all(place).map_err(|e| Error::io("create", place, e))?;
    }
    small(&tables)?;
    let sheet = |name: &str| Sheet::new(&tables, name);
    let (mut scenes, mut rows, mut data, mut poses) = (sheet("scene")?, sheet("sample")?, sheet("sample_data")?, sheet("ego_pose")?);
    let (mut instances, mut annotations) = (sheet("instance")?, sheet("sample_annotation")?);
    let path = folder.join("results.json");
    let mut results = BufWriter::with_capacity(1 << 20, File::create(&path).map_err(|e| Error::io("create", &path, e))?);
    let fault = |e: std::io::Error| Error::io("write", &path, e);
    write!(
        results,
        r#"{{"meta":{{"use_camera":true,"use_lidar":true,"use_radar":false,"use_map":false,"use_external":false}},"results":{{"#
    )
    .map_err(fault)?;
    let mut chance = Chance(7);
    let mut names = Vec::new();
    for scene in 0..samples.div_ceil(SCENE) {
        let count = SCENE.min(samples - scene * SCENE);
        names.push(format!("\"bench-{scene:04}\""));
        scenes.add(&format!(
            r#"{{"token":"{}","log_token":"log","nbr_samples":{count},"name":"bench-{scene:04}","description":"made up","first_sample_token":"{}","last_sample_token":"{}"}}"#,
            token(1, scene, 0, 0), token(2, scene, 0, 0), token(2, scene, count - 1, 0)
        ))?;
        let placed: Vec<(usize, [f64; 2], f64, f64)> = (0..objects)
            .map(|_| {
                (chance.class(), [1000.0 + chance.around(70.0), 1000.0 + chance.around(70.0)], chance.next() * 6.2, chance.next() * 6.0)
            })
            .collect();
        for (at, (class, ..)) in placed.iter().enumerate() {
            instances.add(&format!(
                r#"{{"token":"{}","category_token":"c{class}","nbr_annotations":{count},"first_annotation_token":"{}","last_annotation_token":"{}"}}"#,
                token(3, scene, at, 0), token(4, scene, at, 0), token(4, scene, at, count - 1)
            ))?;
        }
        for sample in 0..count {
            let time = 1_700_000_000_000_000 + (scene * 100 + sample) * PERIOD;
            let link = |kind: u32, at: usize, there: bool| if there { token(kind, scene, at, 0) } else { String::new() };
            let (before, after) = (sample > 0, sample + 1 < count);
            let (prev, next) = (sample.saturating_sub(1), sample + 1);
            rows.add(&format!(
                r#"{{"token":"{}","timestamp":{time},"prev":"{}","next":"{}","scene_token":"{}"}}"#,
                token(2, scene, sample, 0),
                link(2, prev, before),
                link(2, next, after),
                token(1, scene, 0, 0)
            ))?;
            let key = token(5, scene, sample, 0);
            poses.add(&format!(
                r#"{{"token":"{key}","timestamp":{time},"rotation":[1.0,0.0,0.0,0.0],"translation":[1000.0,1000.0,0.0]}}"#
            ))?;
            let chain = if scene + sample == 0 { token(6, 0, 1, 0) } else { link(5, prev, before) };
            data.add(&datum(&key, &token(2, scene, sample, 0), time, true, "samples/0.bin", &chain, &link(5, next, after)))?;
            if scene + sample == 0 {
                for sweep in 1..SWEEPS {
                    let own = token(6, 0, sweep, 0);
                    let then = time - sweep * 50_000;
                    let chain = if sweep + 1 < SWEEPS { token(6, 0, sweep + 1, 0) } else { String::new() };
                    let back = if sweep == 1 { key.clone() } else { token(6, 0, sweep - 1, 0) };
                    data.add(&datum(&own, &token(2, 0, 0, 0), then, false, &format!("sweeps/{sweep}.bin"), &chain, &back))?;
                    poses.add(&format!(
                        r#"{{"token":"{own}","timestamp":{then},"rotation":[0.9999,0.0,0.0,0.01],"translation":[{}.25,1000.0,0.0]}}"#,
                        1000 - sweep
                    ))?;
                }
            }
            let mut line = String::new();
            let comma = if scene + sample == 0 { "" } else { "," };
            let _ = write!(line, "{comma}\"{}\":[", token(2, scene, sample, 0));
            for (at, (class, [x, y], yaw, speed)) in placed.iter().enumerate() {
                let shift = speed * 0.5 * sample as f64;
                let centre = [x + shift * yaw.cos(), y + shift * yaw.sin()];
                let link = |at_sample: usize, there: bool| if there { token(4, scene, at, at_sample) } else { String::new() };
                annotations.add(&annotation(
                    &token(4, scene, at, sample),
                    &token(2, scene, sample, 0),
                    &token(3, scene, at, 0),
                    *class,
                    centre,
                    *yaw,
                    &link(prev, before),
                    &link(next, after),
                    chance.next() * 60.0,
                ))?;
                if at < boxes && chance.next() < 0.85 {
                    let off = [centre[0] + chance.around(1.2), centre[1] + chance.around(1.2)];
                    let score = 0.3 + 0.7 * chance.next();
                    predicted(&mut line, &token(2, scene, sample, 0), *class, off, yaw + chance.around(0.4), score);
                }
            }
            for _ in objects..boxes {
                let (class, off) = (chance.class(), [1000.0 + chance.around(80.0), 1000.0 + chance.around(80.0)]);
                let (yaw, score) = (chance.next() * 6.2, 0.5 * chance.next() * chance.next());
                predicted(&mut line, &token(2, scene, sample, 0), class, off, yaw, score);
            }
            if line.ends_with(',') {
                line.pop();
            }
            line.push(']');
            results.write_all(line.as_bytes()).map_err(fault)?;
        }
    }
    results.write_all(b"}}").and_then(|()| results.flush()).map_err(fault)?;
    for sheet in [scenes, rows, data, poses, instances, annotations] {
        sheet.end()?;
    }
    let splits = tables.join("splits.json");
    std::fs::write(&splits, format!("{{\"all\":[{}]}}", names.join(","))).map_err(|e| Error::io("write", &splits, e))?;
    let mask = folder.join("maps/none.png");
    image::save_buffer(&mask, &[0; 64], 8, 8, image::ExtendedColorType::L8)
        .map_err(|e| Error::mismatch("a picture", e.to_string(), mask.display().to_string()))?;
    sweeps(folder, &mut chance)
}

/// Token of the mounting of a channel.
pub(super) fn mounting(channel: usize) -> String {
    format!("m{channel}")
}

/// The tables that do not grow.
pub(super) fn small(tables: &Path) -> Result<()> {
    let categories: Vec<String> =
        KINDS.iter().enumerate().map(|(at, (name, ..))| format!(r#"{{"token":"c{at}","name":"{name}","description":""}}"#)).collect();
    let attributes: Vec<String> = (KINDS.iter().enumerate().filter(|(_, (_, _, a))| !a.is_empty()))
        .map(|(at, (_, _, name))| format!(r#"{{"token":"a{at}","name":"{name}","description":""}}"#))
        .collect();
    let modality = |name: &str| match name {
        n if n.starts_with("CAM") => "camera",
        n if n.starts_with("LIDAR") => "lidar",
        _ => "radar",
    };
    let each = |record: &dyn Fn(usize, &str) -> String| -> String {
        CHANNELS.iter().enumerate().map(|(at, name)| record(at, name)).collect::<Vec<_>>().join(",")
    };
    let sheets = [
        ("category", categories.join(",")),
        ("attribute", attributes.join(",")),
        ("visibility", r#"{"token":"4","level":"v80-100","description":""}"#.to_owned()),
        ("sensor", each(&|at, name| format!(r#"{{"token":"s{at}","channel":"{name}","modality":"{}"}}"#, modality(name)))),
        (
            "calibrated_sensor",
            each(&|at, name| {
                let k = if modality(name) == "camera" { "[[1266.4,0.0,816.3],[0.0,1266.4,491.5],[0.0,0.0,1.0]]" } else { "[]" };
                format!(
                    r#"{{"token":"{}","sensor_token":"s{at}","translation":[0.94,0.0,1.84],"rotation":[0.7071,0.0,0.0,-0.7071],"camera_intrinsic":{k}}}"#,
                    mounting(at)
                )
            }),
        ),
        ("log", r#"{"token":"log","logfile":"bench","vehicle":"none","date_captured":"2026-01-01","location":"bench"}"#.to_owned()),
        ("map", r#"{"token":"map","log_tokens":["log"],"category":"semantic_prior","filename":"maps/none.png"}"#.to_owned()),
    ];
    for (name, records) in sheets {
        let path = tables.join(format!("{name}.json"));
        std::fs::write(&path, format!("[{records}]")).map_err(|e| Error::io("write", &path, e))?;
    }
    Ok(())
}

fn datum(token: &str, sample: &str, time: usize, key: bool, file: &str, prev: &str, next: &str) -> String {
    format!(
        r#"{{"token":"{token}","sample_token":"{sample}","ego_pose_token":"{token}","calibrated_sensor_token":"m0","timestamp":{time},"fileformat":"pcd","is_key_frame":{key},"height":0,"width":0,"filename":"{file}","prev":"{prev}","next":"{next}"}}"#
    )
}

#[allow(clippy::too_many_arguments)] // one for each field of the record
fn annotation(
    token: &str,
    sample: &str,
    instance: &str,
    class: usize,
    [x, y]: [f64; 2],
    yaw: f64,
    prev: &str,
    next: &str,
    points: f64,
) -> String {
    let (_, [w, l, h], attribute) = KINDS.get(class).copied().unwrap_or_default();
    let attributes = if attribute.is_empty() { String::new() } else { format!("\"a{class}\"") };
    let (sin, cos) = (yaw / 2.0).sin_cos();
    format!(
        r#"{{"token":"{token}","sample_token":"{sample}","instance_token":"{instance}","visibility_token":"4","attribute_tokens":[{attributes}],"translation":[{x:.3},{y:.3},{:.3}],"size":[{w},{l},{h}],"rotation":[{cos},0.0,0.0,{sin}],"prev":"{prev}","next":"{next}","num_lidar_pts":{points:.0},"num_radar_pts":0}}"#,
        h / 2.0
    )
}

fn predicted(line: &mut String, sample: &str, class: usize, [x, y]: [f64; 2], yaw: f64, score: f64) {
    let (_, [w, l, h], attribute) = KINDS.get(class).copied().unwrap_or_default();
    let name = DETECTION_CLASSES.get(class).copied().unwrap_or_default();
    let (sin, cos) = (yaw / 2.0).sin_cos();
    let _ = write!(
        line,
        r#"{{"sample_token":"{sample}","translation":[{x:.5},{y:.5},{:.5}],"size":[{:.5},{:.5},{:.5}],"rotation":[{cos:.9},0.0,0.0,{sin:.9}],"velocity":[{:.5},{:.5}],"detection_name":"{name}","detection_score":{score:.7},"attribute_name":"{attribute}"}},"#,
        h / 2.0,
        w * 1.03,
        l * 0.97,
        h * 1.01,
        cos * 1.1,
        sin * 1.1
    );
}

fn sweeps(folder: &Path, chance: &mut Chance) -> Result<()> {
    for sweep in 0..SWEEPS {
        let mut bytes = Vec::with_capacity(POINTS * 20);
        for point in 0..POINTS {
            let position = [chance.around(60.0), chance.around(60.0), chance.around(3.0), 100.0, (point % 32) as f64];
            position.iter().for_each(|v| bytes.extend_from_slice(&crate::types::num::f32(*v).to_le_bytes()));
        }
        let path = folder.join(if sweep == 0 { "samples/0.bin".to_owned() } else { format!("sweeps/{sweep}.bin") });
        std::fs::write(&path, bytes).map_err(|e| Error::io("write", &path, e))?;
    }
    Ok(())
}
