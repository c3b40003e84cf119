//! `sensorium convert`: 3D detections from one convention into another.
//!
//! *In*: a submission, MMDetection3D's boxes by sample, KITTI's label files by camera, or a run's `results.jsonl`, and the nuScenes root that they
//! belong to. *Out*: a submission, KITTI's label files, or 2D boxes as COCO has them. *Invariant*: nothing is guessed: the order of a box's numbers and
//! the names of its classes are options, and a sample or class that is not known is an error.

use super::eval::nuscenes::read_results;
use super::eval::run_results::{RunResults, class};
use super::eval::{Progress, write_whole};
use super::{Ending, Format, Result, output};
use crate::eval::nuscenes::submit::{self, BoxOrder, LocalBox};
use crate::eval::nuscenes::view::{Camera, Solid};
use crate::formats::kitti;
use crate::formats::nuscenes::splits::Split;
use crate::formats::nuscenes::{
    Choice, DETECTION_CLASSES, Faults, Meta, ResultBox, ResultKind, Scene, Tables, Token, check_links, global_from_sensor,
};
use crate::sources::nuscenes::Root;
use crate::types::{Error, FrameId, Pose};
use nalgebra::Isometry3;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// A submission
    Nuscenes,
    /// `{"TOKEN": {"boxes_3d": [[..]], "scores_3d": [..], "labels_3d": [..]}}` in the LiDAR's frame
    Mmdet3d,
    /// A folder `CHANNEL/TOKEN.txt` of label files, in KITTI's columns, in the frame of that camera's key frame
    Kitti,
    /// `results.jsonl` of a run whose boxes are in the vehicle frame
    Run,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum To {
    /// A submission
    Nuscenes,
    /// One text file a sample and camera, in KITTI's columns
    Kitti,
    /// Boxes in the pictures, as COCO's JSON
    Coco,
}

/// Names of [`BoxOrder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Order {
    /// x, y, z, length, width, height, yaw: MMDetection3D 1.0 and later
    Lwh,
    /// x, y, z, width, length, height, -yaw - 90 degrees: before (BEVFusion, BEVDet)
    Wlh,
}

/// Arguments of `convert`.
#[derive(clap::Args)]
pub struct Args {
    /// The detections
    input: PathBuf,
    /// What they are
    #[arg(long, value_enum)]
    from: From,
    /// What they become
    #[arg(long, value_enum)]
    to: To,
    /// File, or for KITTI the folder, that is written
    #[arg(long, value_name = "PATH")]
    output: PathBuf,
    /// Root that the samples belong to
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Folder of the tables; left out: the only one there is
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// Split whose samples a submission must cover
    #[arg(long, value_name = "S")]
    split: String,
    /// Order of the numbers of MMDetection3D's boxes; the file does not say
    #[arg(long, value_enum, required_if_eq("from", "mmdet3d"))]
    box_order: Option<Order>,
    /// Stage of the run whose boxes are meant; left out: the only one that gave boxes
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Names of MMDetection3D's labels, in order; the default is that of its nuScenes configurations
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "car,truck,trailer,bus,construction_vehicle,bicycle,motorcycle,pedestrian,traffic_cone,barrier"
    )]
    classes: Vec<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Boxes by sample.
type Boxes = BTreeMap<Token, Vec<ResultBox>>;

/// Converts detections.
pub(super) fn convert(args: &Args) -> Result {
    let root = Root::open(&args.root, args.version.as_deref())?;
    let split = root.split(&args.split)?;
    let tables = tables(&root, &split)?;
    let (meta, boxes) = match args.from {
        From::Nuscenes => submission(&args.input)?,
        From::Mmdet3d => mmdet3d(args, &tables)?,
        From::Kitti => from_kitti(&args.input, &tables)?,
        From::Run => run(args, &tables)?,
    };
    let samples = samples(&tables, &split);
    let count: usize = samples.iter().filter_map(|(_, token)| boxes.get(token)).map(Vec::len).sum();
    match args.to {
        To::Nuscenes => {
            let of_sample = |token: &Token| submit::surest(boxes.get(token).cloned().unwrap_or_default(), |b| b.score);
            let results: Map<String, Value> = samples.iter().map(|(_, t)| (t.to_string(), submit::sample(t, &of_sample(t)))).collect();
            write_whole(&args.output, json!({ "meta": meta, "results": results }).to_string().as_bytes())?;
        }
        To::Kitti => to_kitti(&args.output, &tables, &samples, &boxes)?,
        To::Coco => write_whole(&args.output, coco(&tables, &samples, &boxes).to_string().as_bytes())?,
    }
    let answer =
        json!({ "version": 1, "kind": "convert", "samples": samples.len(), "boxes": count, "output": args.output.display().to_string() });
    match args.format {
        Format::Json => output::json(&answer)?,
        Format::Text => output::result(&format!("{}: {count} boxes in {} samples", args.output.display(), samples.len()))?,
    }
    Ok(Ending::Done)
}

fn tables(root: &Root, split: &Split) -> Result<Tables> {
    let (scene, mut faults) = (|s: &Scene| split.scenes.contains(&*s.name), Faults::default());
    let choice = Choice { scene: &scene, channels: None, sweeps: false, annotations: false, rest: false };
    let tables = root.tables(&choice, &mut faults)?;
    check_links(&tables, &choice, &mut faults);
    faults.settle(&root.folder().display().to_string())?;
    Ok(tables)
}

/// Rows and tokens of the split's samples, in the table's order.
fn samples(tables: &Tables, split: &Split) -> Vec<(usize, Token)> {
    let chosen = |scene: &Token| tables.scenes.get(scene).is_some_and(|s| split.scenes.contains(&*s.name));
    let rows = tables.samples.rows().iter().enumerate();
    rows.filter(|(_, s)| chosen(&s.scene_token)).map(|(row, s)| (row, s.token.clone())).collect()
}

fn submission(path: &Path) -> Result<(Meta, Boxes)> {
    let (file, faults) = read_results(path, ResultKind::Detection, false)?;
    faults.settle("results")?;
    let boxes = file.samples.iter().map(|(t, range)| (t.clone(), file.boxes.get(range.clone()).unwrap_or_default().to_vec()));
    let boxes = boxes.collect();
    Ok((file.meta, boxes))
}

fn json_file(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| Error::mismatch("JSON", e.to_string(), path.display().to_string()))
}

fn mmdet3d(args: &Args, tables: &Tables) -> Result<(Meta, Boxes)> {
    let order = if args.box_order == Some(Order::Wlh) { BoxOrder::Wlh } else { BoxOrder::Lwh };
    let classes = args.classes.iter().map(|name| class(name, "--classes")).collect::<Result<Vec<u8>>>()?;
    let file = json_file(&args.input)?;
    let samples = file.get("results").unwrap_or(&file).as_object();
    let samples = samples.ok_or_else(|| Error::mismatch("an object of samples", "another kind", args.input.display().to_string()))?;
    let mut boxes = Boxes::new();
    for (name, entry) in samples {
        let place = || format!("sample {name}, {}", args.input.display());
        let token = Token::new(name);
        let data = tables.samples.row(&token).and_then(|row| tables.key_frame(row, "LIDAR_TOP"));
        let data = data.ok_or_else(|| Error::mismatch("a sample of the split with a LIDAR_TOP key frame", "none", place()))?;
        let pose = global_from_sensor(tables, data)?;
        let list =
            |key: &str| entry.get(key).and_then(Value::as_array).ok_or_else(|| Error::mismatch(format!("a list `{key}`"), "none", place()));
        let (rows, scores, labels) = (list("boxes_3d")?, list("scores_3d")?, list("labels_3d")?);
        if rows.len() != scores.len() || rows.len() != labels.len() {
            let found = format!("{} boxes, {} scores, {} labels", rows.len(), scores.len(), labels.len());
            return Err(Error::mismatch("as many scores and labels as boxes", found, place()));
        }
        let mut of_sample = Vec::with_capacity(rows.len());
        for ((row, score), label) in rows.iter().zip(scores).zip(labels) {
            let numbers: Vec<f64> = row.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
            let of_label = label.as_u64().and_then(|l| usize::try_from(l).ok()).and_then(|l| classes.get(l)).copied();
            let of_label =
                of_label.ok_or_else(|| Error::mismatch(format!("labels below {}", classes.len()), label.to_string(), place()))?;
            let score = score.as_f64().ok_or_else(|| Error::mismatch("a number", score.to_string(), place()))?;
            of_sample.push(LocalBox::from_row(&numbers, order, of_label, score).map_err(|e| e.at(place()))?.in_world(&pose));
        }
        boxes.insert(token, of_sample);
    }
    Ok((submit::meta(false, true, false), boxes))
}

/// Boxes of label files. One that several cameras have seen counts once, with its best score.
fn from_kitti(folder: &Path, tables: &Tables) -> Result<(Meta, Boxes)> {
    let mut boxes = Boxes::new();
    for channel in entries(folder)?.into_iter().filter(|p| p.is_dir()) {
        let name = channel.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        for path in entries(&channel)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "txt")) {
            let place = || path.display().to_string();
            let token = Token::new(&path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default());
            let data = tables.samples.row(&token).and_then(|row| tables.key_frame(row, &name));
            let data = data.ok_or_else(|| Error::mismatch(format!("a sample of the split with a key frame of {name}"), "none", place()))?;
            let world_from_camera = Pose::new(FrameId::world(), FrameId::new(&name), global_from_sensor(tables, data)?);
            let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, e))?;
            let of_sample: &mut Vec<ResultBox> = boxes.entry(token).or_default();
            for label in kitti::labels(&text).map_err(|e| e.at(place()))? {
                let Some(seen) = label.box3(&world_from_camera) else { continue };
                let [length, width, height] = seen.size;
                let local = LocalBox {
                    centre: seen.centre,
                    size: [width, length, height],
                    yaw: seen.yaw,
                    velocity: [f64::NAN; 2],
                    class: class(&seen.class, &place())?,
                    score: label.score,
                };
                let found = local.in_world(&Isometry3::identity());
                match of_sample.iter_mut().find(|b| same(b, &found)) {
                    Some(known) if known.score >= found.score => {}
                    Some(known) => *known = found,
                    None => of_sample.push(found),
                }
            }
        }
    }
    Ok((submit::meta(true, false, false), boxes))
}

/// Whether two boxes are one, up to the digits that label files have.
fn same(a: &ResultBox, b: &ResultBox) -> bool {
    let near = |a: &[f64; 3], b: &[f64; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.01);
    a.class == b.class && near(&a.translation, &b.translation) && near(&a.size, &b.size)
}

/// What a folder holds, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = std::fs::read_dir(folder).map_err(|e| Error::io("list", folder, e))?;
    let mut paths: Vec<PathBuf> = list.filter_map(|e| e.ok().map(|e| e.path())).collect();
    paths.sort();
    Ok(paths)
}

/// Boxes of a run.
fn run(args: &Args, tables: &Tables) -> Result<(Meta, Boxes)> {
    let found = RunResults::read(&args.input, tables, args.stage.as_deref())?;
    let plain = |boxes: Vec<(ResultBox, Option<u64>)>| boxes.into_iter().map(|(b, _)| b).collect();
    Ok((found.meta, found.boxes.into_iter().map(|(token, boxes)| (token, plain(boxes))).collect()))
}

const fn solid(b: &ResultBox) -> Solid {
    Solid { centre: b.translation, size: b.size, yaw: b.yaw }
}

fn name(b: &ResultBox) -> &'static str {
    DETECTION_CLASSES.get(usize::from(b.class)).copied().unwrap_or_default()
}

/// `FOLDER/CHANNEL/TOKEN.txt`: type, truncation and occlusion (unknown: -1), alpha, rectangle, height width length, bottom, turn, score.
fn to_kitti(folder: &Path, tables: &Tables, samples: &[(usize, Token)], boxes: &Boxes) -> Result<()> {
    let progress = Progress::new("writing", samples.len());
    for (row, token) in samples {
        for camera in Camera::all(tables, *row) {
            let mut text = String::new();
            for b in boxes.get(token).into_iter().flatten() {
                let Some([left, top, right, bottom]) = camera.rectangle(&solid(b)) else { continue };
                let ([x, y, z], turn) = camera.in_camera(&solid(b));
                let [width, length, height] = b.size;
                // Writing to a string cannot fail.
                let _ = writeln!(
                    text,
                    "{} -1 -1 {:.4} {left:.2} {top:.2} {right:.2} {bottom:.2} {height:.4} {width:.4} {length:.4} {x:.4} {:.4} {z:.4} {turn:.4} {:.6}",
                    name(b),
                    turn - x.atan2(z),
                    y + height / 2.0,
                    b.score
                );
            }
            write_whole(&folder.join(camera.channel).join(format!("{token}.txt")), text.as_bytes())?;
        }
        progress.step();
    }
    Ok(())
}

fn coco(tables: &Tables, samples: &[(usize, Token)], boxes: &Boxes) -> Value {
    let (mut images, mut found) = (Vec::new(), Vec::new());
    for (row, token) in samples {
        for camera in Camera::all(tables, *row) {
            let id = images.len() + 1;
            images.push(json!({ "id": id, "file_name": camera.data.filename, "width": camera.data.width, "height": camera.data.height,
                "sample_token": token.to_string(), "channel": camera.channel }));
            for b in boxes.get(token).into_iter().flatten() {
                let Some([left, top, right, bottom]) = camera.rectangle(&solid(b)) else { continue };
                let (width, height) = (right - left, bottom - top);
                found.push(json!({ "id": found.len() + 1, "image_id": id, "category_id": u32::from(b.class) + 1,
                    "bbox": [left, top, width, height], "area": width * height, "iscrowd": 0, "score": b.score }));
            }
        }
    }
    let categories: Vec<Value> = (1..).zip(DETECTION_CLASSES).map(|(id, name): (u32, _)| json!({ "id": id, "name": name })).collect();
    json!({ "images": images, "annotations": found, "categories": categories })
}
