//! `sensorium eval fusion` and `sensorium eval segmentation`: folders of pictures in, one JSON file of scores out.
//!
//! *In*: folders whose pictures belong together by file stem (the name without its ending). *Out*: the report, also written to
//! `--output`. *Invariant*: files are replaced whole or not at all; the report does not depend on the number of threads.

pub(in crate::cli) mod files;
mod fragments;
mod labels;
pub mod nuscenes;
pub mod nuscenes_labels;
mod nuscenes_report;
pub(in crate::cli) mod run_results;
pub(in crate::cli) mod run_scores;

pub use fragments::FragmentsArgs;

use crate::eval::fusion::{Family, Grey, Scorer, Scores};
use crate::eval::segmentation::{Confusion, matrix_picture};
use crate::eval::sheet::{self, SheetRow};
use crate::types::{Error, Result};
pub(in crate::cli) use files::{Progress, write_whole};
use files::{decode, encode_png, list, partner, read, thumbnail};
use rayon::prelude::*;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Where a measure divides by zero; the fields of [`Scores`] say more.
const FUSION_HELP: &str =
    "Every score is a number. Where its formula divides by zero: a correlation with a constant picture is 0 (CC, SCD); PSNR is 200 dB
where the fused picture equals both sources, -200 where it alone is black; VIF counts 1 for a source that holds no information
(constant, or smaller than every window); Qabf is 0 where both sources are black. SSIM's window shrinks to a smaller picture.
16-bit pictures are scaled to 8 bits; pictures of other sizes than the fused one are an error.";
/// What a class, or a picture, without pixels scores.
const SEGMENTATION_HELP: &str = "A class that is neither true nor predicted anywhere has no IoU (null) and is left out of mean_iou; mean_iou_absent_as_zero counts it as 0.
Where every pixel is ignored, all scores are null. A label outside the class list, or another size, is an error that names the picture.
16-bit grey pictures hold class numbers as they are; colours have 8 bits.";

/// `sensorium eval fusion`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = FUSION_HELP)]
pub struct FusionArgs {
    /// Folder of visible pictures (colour ones are scored by their rounded luma)
    #[arg(long, value_name = "DIR")]
    pub visible: PathBuf,
    /// Folder of infrared pictures, same file stems and sizes
    #[arg(long, value_name = "DIR")]
    pub infrared: PathBuf,
    /// Folder of fused pictures to score; each needs its visible and its infrared picture
    #[arg(long, value_name = "DIR")]
    pub fused: PathBuf,
    /// Where to write the scores, per picture and on average
    #[arg(long, value_name = "METRICS.json")]
    pub output: PathBuf,
    /// Also write a page with inputs, output and scores side by side
    #[arg(long, value_name = "FILE.html")]
    pub sheet: Option<PathBuf>,
    /// Pictures on the page, the first ones by name
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub sheet_rows: usize,
    /// Definitions of SF, AG and SSIM; numbers of different families cannot be compared
    #[arg(long, value_enum, default_value_t = FamilyName::Evaluator)]
    pub family: FamilyName,
}

/// `sensorium eval segmentation`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = SEGMENTATION_HELP)]
pub struct SegmentationArgs {
    /// Folder of true label pictures: grey or palette PNGs of class numbers, or colours of the class list
    #[arg(long, value_name = "DIR")]
    pub truth: PathBuf,
    /// Folder of predicted label pictures; each needs its true one, same stem and size
    #[arg(long, value_name = "DIR")]
    pub predicted: PathBuf,
    /// Class names: text with one name per line, label 0 first, optionally followed by #RRGGBB; or a JSON list of names
    #[arg(long, value_name = "FILE")]
    pub classes: PathBuf,
    /// Where to write mIoU, accuracy, scores per class and the confusion matrix
    #[arg(long, value_name = "METRICS.json")]
    pub output: PathBuf,
    /// True label that is not counted, for example 255
    #[arg(long, value_name = "LABEL")]
    pub ignore: Option<u16>,
    /// Also draw the confusion matrix
    #[arg(long, value_name = "FILE.png")]
    pub picture: Option<PathBuf>,
}

/// Names of [`Family`] on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum FamilyName {
    /// The Python Evaluator of most fusion papers: SSIM 7x7 uniform with data range 2
    #[default]
    Evaluator,
    /// The VIFB benchmark: SSIM 11x11 Gaussian with data range 255
    Vifb,
}

impl From<FamilyName> for Family {
    fn from(name: FamilyName) -> Self {
        match name {
            FamilyName::Evaluator => Self::Evaluator,
            FamilyName::Vifb => Self::Vifb,
        }
    }
}

impl FusionArgs {
    /// Runs the command; the report is also in the output file.
    ///
    /// # Errors
    /// As [`fusion`].
    pub fn run(&self) -> Result<Value> {
        let sheet = self.sheet.as_deref().map(|path| (path, self.sheet_rows));
        fusion(&self.visible, &self.infrared, &self.fused, &self.output, sheet, self.family.into())
    }
}

impl SegmentationArgs {
    /// Runs the command; the report is also in the output file.
    ///
    /// # Errors
    /// As [`segmentation`].
    pub fn run(&self) -> Result<Value> {
        segmentation(&self.truth, &self.predicted, &self.classes, &self.output, self.ignore, self.picture.as_deref())
    }
}

/// Scores every fused picture against the visible and infrared pictures of the same stem; writes the report to `output` and, with
/// `sheet`, a page of the first so many pictures. Runs on rayon's current pool.
///
/// # Errors
/// Where a folder or file cannot be read, a picture lacks its partner, sizes differ (both are named), or nothing can be written.
pub fn fusion(
    visible: &Path,
    infrared: &Path,
    fused: &Path,
    output: &Path,
    sheet: Option<(&Path, usize)>,
    family: Family,
) -> Result<Value> {
    let (visibles, infrareds, fuseds) = (list(visible)?, list(infrared)?, list(fused)?);
    let triples = fuseds
        .iter()
        .map(|(stem, path)| Ok((stem, [partner(&visibles, stem, visible)?, partner(&infrareds, stem, infrared)?, path])))
        .collect::<Result<Vec<_>>>()?;
    let shown = sheet.map_or(0, |(_, rows)| rows);
    let progress = Progress::new("scoring", triples.len());
    let scored: Vec<Result<(Scores, Option<SheetRow>)>> = triples
        .par_iter()
        .enumerate()
        .map_init(Scorer::default, |scorer, (index, (stem, paths))| {
            let scored = score_triple(scorer, stem, *paths, family, index < shown);
            progress.step();
            scored
        })
        .collect();
    let scored = scored.into_iter().collect::<Result<Vec<_>>>()?;
    let (scores, rows): (Vec<Scores>, Vec<_>) = scored.into_iter().unzip();
    let average = Scores::average(&scores).unwrap_or_default();
    let images: Vec<Value> = triples.iter().zip(&scores).map(|((stem, _), s)| named(stem, s)).collect();
    let report = json!({
        "version": 1,
        "kind": "fusion",
        "family": family,
        "pairs": images.len(),
        "visible_without_fused": visibles.keys().filter(|stem| !fuseds.contains_key(*stem)).count(),
        "average": average,
        "images": images,
    });
    write_whole(output, pretty(&report).as_bytes())?;
    if let Some((path, _)) = sheet {
        let rows: Vec<SheetRow> = rows.into_iter().flatten().collect();
        let note = format!("{} pairs scored, {} shown; family {family:?}.", scores.len(), rows.len());
        let columns = ["visible", "infrared", "fused"];
        write_whole(path, sheet::html("Fusion", &note, &columns, &average.named(), &rows).as_bytes())?;
    }
    Ok(report)
}

fn named(stem: &str, scores: &Scores) -> Value {
    let scores = scores.named().into_iter().map(|(name, value)| (name.to_owned(), json!(value)));
    Value::Object(std::iter::once(("name".to_owned(), json!(stem))).chain(scores).collect::<Map<_, _>>())
}

fn score_triple(scorer: &mut Scorer, stem: &str, paths: [&PathBuf; 3], family: Family, shown: bool) -> Result<(Scores, Option<SheetRow>)> {
    let [visible, infrared, fused] = paths.map(|path| decode(&read(path)?, path));
    let (visible, infrared, fused) = (visible?, infrared?, fused?);
    let [visible_grey, infrared_grey, fused_grey] = [&visible, &infrared, &fused].map(files::grey);
    let [visible_grey, infrared_grey, fused_grey] = [visible_grey?, infrared_grey?, fused_grey?];
    let [visible_path, infrared_path, fused_path] = paths;
    fits(&visible_grey, visible_path, &fused_grey, fused_path)?;
    fits(&infrared_grey, infrared_path, &fused_grey, fused_path)?;
    let scores = scorer.score(&infrared_grey, &visible_grey, &fused_grey, family)?;
    let row = if shown {
        let pictures = [&visible, &infrared, &fused].into_iter().map(thumbnail).collect::<Result<Vec<_>>>()?;
        Some(SheetRow { name: stem.to_owned(), pictures, scores: scores.named().to_vec() })
    } else {
        None
    };
    Ok((scores, row))
}

fn fits(source: &Grey, source_path: &Path, fused: &Grey, fused_path: &Path) -> Result<()> {
    if (source.width(), source.height()) == (fused.width(), fused.height()) {
        return Ok(());
    }
    let wanted = format!("{}x{} as {}", fused.width(), fused.height(), fused_path.display());
    Err(Error::mismatch(wanted, format!("{}x{}", source.width(), source.height()), source_path.display().to_string()))
}

/// Counts every predicted label picture against the true one of the same stem; writes the report to `output` and, with `picture`,
/// the confusion matrix as PNG. `classes` is a class list file, see [`SegmentationArgs::classes`]. Runs on rayon's current pool.
///
/// # Errors
/// Where a folder or file cannot be read, a picture lacks its partner, sizes differ, a label is outside the list (value and
/// picture are named), or nothing can be written.
pub fn segmentation(
    truth: &Path,
    predicted: &Path,
    classes: &Path,
    output: &Path,
    ignore: Option<u16>,
    picture: Option<&Path>,
) -> Result<Value> {
    let names = labels::class_list(&read(classes)?, classes)?;
    let (truths, predictions) = (list(truth)?, list(predicted)?);
    let pairs = predictions
        .iter()
        .map(|(stem, path)| Ok((stem, partner(&truths, stem, truth)?, path)))
        .collect::<Result<Vec<(&String, &PathBuf, &PathBuf)>>>()?;
    let progress = Progress::new("counting", pairs.len());
    // Counts are whole numbers, so the order in which threads add them does not matter.
    let total = Mutex::new(Confusion::new(names.classes.len())?);
    let counted: Vec<Result<Value>> = pairs
        .par_iter()
        .map(|(stem, truth, predicted)| {
            let counted = count_pair(truth, predicted, &names, ignore)?;
            let scores = counted.scores(&names);
            total.lock().unwrap_or_else(PoisonError::into_inner).merge(&counted)?;
            progress.step();
            Ok(json!({ "name": stem, "mean_iou": scores.mean_iou, "pixel_accuracy": scores.pixel_accuracy }))
        })
        .collect();
    let images = counted.into_iter().collect::<Result<Vec<Value>>>()?;
    let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut report = json!({ "version": 1, "kind": "segmentation", "pairs": images.len(), "ignore": ignore,
        "truth_without_prediction": truths.keys().filter(|stem| !predictions.contains_key(*stem)).count() });
    let scores = serde_json::to_value(total.scores(&names)).map_err(|e| Error::io("write", output, e))?;
    if let (Some(report), Value::Object(scores)) = (report.as_object_mut(), scores) {
        report.extend(scores);
        report.insert("confusion".into(), total.rows().map(<[u64]>::to_vec).collect());
        report.insert("images".into(), images.into());
    }
    write_whole(output, pretty(&report).as_bytes())?;
    if let Some(path) = picture {
        write_whole(path, &encode_png(&matrix_picture(&total, &names))?)?;
    }
    Ok(report)
}

fn count_pair(truth: &Path, predicted: &Path, names: &crate::types::ClassList, ignore: Option<u16>) -> Result<Confusion> {
    let mut confusion = Confusion::new(names.classes.len())?;
    let (wanted, found) = (labels::labels(&read(truth)?, names, truth)?, labels::labels(&read(predicted)?, names, predicted)?);
    if wanted.size != found.size {
        let ([w, h], [fw, fh]) = (wanted.size, found.size);
        return Err(Error::mismatch(format!("{w}x{h} as {}", truth.display()), format!("{fw}x{fh}"), predicted.display().to_string()));
    }
    confusion.add(&wanted.values, &found.values, ignore, &format!("{} against {}", predicted.display(), truth.display()))?;
    Ok(confusion)
}

/// A report of one of the verbs as a short table for people.
pub fn table(report: &Value) -> String {
    match report.get("kind").and_then(Value::as_str) {
        Some("comparison") => return nuscenes::comparison_table(report),
        Some("detection") => return nuscenes::detection_table(report),
        Some("tracking") => return nuscenes::tracking_table(report),
        Some("lidarseg") => return nuscenes_labels::lidarseg_table(report),
        Some("panoptic") => return nuscenes_labels::panoptic_table(report),
        Some("map") => return nuscenes_labels::map_table(report),
        Some("fragments") => return fragments::table(report),
        _ => {}
    }
    let line = |name: &str, value: &Value| match value.as_f64() {
        Some(number) => format!("{name:<28} {number:>12.4}\n"),
        None => format!("{name:<28} {:>12}\n", "-"),
    };
    let number = |key: &str| line(key, report.get(key).unwrap_or(&Value::Null));
    let mut text = format!("pairs {:>35}\n", report.get("pairs").and_then(Value::as_u64).unwrap_or(0));
    if let Some(average) = report.get("average").and_then(Value::as_object) {
        text.extend(average.iter().map(|(name, value)| line(name, value)));
    } else {
        text.extend(["mean_iou", "mean_accuracy", "pixel_accuracy"].map(number));
        let classes = report.get("per_class").and_then(Value::as_array).into_iter().flatten();
        text.extend(classes.map(|class| {
            let name = class.get("name").and_then(Value::as_str).unwrap_or("?");
            line(&format!("iou {name}"), class.get("iou").unwrap_or(&Value::Null))
        }));
    }
    text
}

fn pretty(report: &Value) -> String {
    format!("{report:#}\n")
}
