//! `sensorium fragments match`: a pair of fragments aligned, or every likely pair of a folder.
//!
//! *In*: two pieces, or a folder of them. *Out*: motions, and for a folder a file that `eval fragments` reads. *Invariant*: weights that no file brought
//! are called untrained wherever their results are.

use super::super::eval::files::{Progress, encode_png, write_whole};
use super::super::{Ending, Format, Result, output};
use super::set::write_json;
use crate::formats::fragments::{PairRow, SetFile, matrix, parse};
use crate::heads::fragments::{Compare, Describer, Fit, Known, Rules, Shape, fit, placed};
use crate::nets::pairingnet::PairingNet;
use crate::nets::{self, DeviceChoice, Origin};
use crate::sources::picture::{PictureReader, list_pictures};
use crate::types::{Error, num};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How fragments are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Method {
    /// PairingNet; without --weights its parameters are random
    #[default]
    Network,
    /// Course of the border and colours along it; needs no weights
    Borders,
}

/// Arguments of `fragments match`.
#[derive(clap::Args)]
pub struct Args {
    /// Two fragments (the first is laid beside the second), or a folder of fragments
    #[arg(required = true, num_args = 1..=2, value_name = "FRAGMENT|DIR")]
    what: Vec<PathBuf>,
    /// Of a pair: a picture of both put together (PNG); of a folder: what was found (JSON, for eval fragments)
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// How they are compared
    #[arg(long, value_enum, default_value_t)]
    method: Method,
    /// `base` for weights trained with the published code
    #[arg(long, default_value = "tiny")]
    preset: String,
    /// A weight file, or matching=A.pth,searching=B.pth
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// Seed of the registration, and of the parameters where no file is named
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Of a folder: likeliest neighbours that each fragment is matched with (borders: all)
    #[arg(long, value_name = "N", default_value_t = 10)]
    candidates: usize,
    /// Least confidence of a pair, 0 to 1
    #[arg(long, value_name = "SCORE", default_value_t = 0.5)]
    least_score: f32,
    /// auto takes CUDA where it is there, else the CPU
    #[arg(long, value_name = "auto|cpu|cuda|wgpu", default_value = "auto")]
    device: DeviceChoice,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Aligns.
pub(super) fn run(args: &Args) -> Result {
    if !(0.0..=1.0).contains(&args.least_score) || args.candidates == 0 {
        let found = format!("{} and {}", args.least_score, args.candidates);
        return Err(Error::mismatch("a score in 0 to 1 and 1 candidate or more", found, "--least-score, --candidates"));
    }
    let (compare, trained) = compare(args)?;
    let mut rules = Rules::default();
    rules.search.seed = args.seed;
    match args.what.as_slice() {
        [a, b] => pair(args, &compare, &rules, trained, [a, b]),
        [folder] => every(args, &compare, &rules, trained, folder),
        _ => Err(Error::mismatch("two fragments or a folder", args.what.len().to_string(), "arguments")),
    }
}

fn compare(args: &Args) -> Result<(Compare, Option<bool>)> {
    if args.method == Method::Borders {
        return Ok((Compare::Borders, None));
    }
    let (device, place) = nets::pick(args.device)?;
    output::note(&format!("device: {place}"));
    let origin = match &args.weights {
        Some(spec) => Origin::File { spec: spec.clone(), partial: false },
        None => Origin::Seed(args.seed),
    };
    let (network, report) = PairingNet::load(&args.preset, origin, &device)?;
    if !report.is_trained() {
        output::note(&format!("untrained weights ({}): the results show that it runs, not what it can see", report.origin));
    }
    Ok((Compare::Network(Box::new(Describer::new(network, device))), Some(report.is_trained())))
}

fn pair(args: &Args, compare: &Compare, rules: &Rules, trained: Option<bool>, [a, b]: [&PathBuf; 2]) -> Result {
    let mut reader = PictureReader::new();
    let mut shape = |path: &Path| Shape::of(Arc::new(reader.fragment(path)?));
    let (source, target) = (shape(a)?, shape(b)?);
    let similarity = compare.similarity(&compare.know(&source)?, &compare.know(&target)?)?;
    let found = fit(&similarity, &source, &target, rules)?.filter(|f| f.score >= args.least_score);
    let Some(found) = found else {
        match args.format {
            Format::Text => output::result("they do not fit")?,
            Format::Json => output::json(&json!({ "version": 1, "trained": trained, "fit": null }))?,
        }
        return Ok(Ending::No);
    };
    let picture = placed(&source.fragment, &target.fragment, &found.motion)?;
    let (width, height) = (num::u32(picture.width()), num::u32(picture.height()));
    let image = image::RgbImage::from_raw(width, height, picture.data().to_vec());
    let image = image.ok_or_else(|| Error::mismatch("a picture", format!("{width}x{height}"), "a pair of fragments"))?;
    write_whole(&args.output, &encode_png(&image)?)?;
    match args.format {
        Format::Text => {
            let [[a, b, x], [c, d, y]] = found.motion.rows();
            output::result(&format!(
                "{} onto {}: turned by {:.2} degrees, score {:.2}\n  {a:>9.5} {b:>9.5} {x:>10.3}\n  {c:>9.5} {d:>9.5} {y:>10.3}\n  \
                 {} border points touch, {:.2} px apart; colours differ by {:.0} levels; overlap {:.1} %; picture in {}",
                source.fragment.name,
                target.fragment.name,
                found.motion.angle().to_degrees(),
                found.score,
                found.touching,
                found.residual,
                found.colour,
                100.0 * found.overlap,
                args.output.display()
            ))?;
        }
        Format::Json => output::json(&json!({ "version": 1, "trained": trained, "fit": row(0, 1, &found), "touching": found.touching,
            "residual_px": found.residual, "colour_levels": found.colour, "overlap": found.overlap }))?,
    }
    Ok(Ending::Done)
}

fn row(a: usize, b: usize, fit: &Fit) -> PairRow {
    PairRow { a, b, count: None, a_to_b: matrix(&fit.motion), correspondences: Vec::new(), score: Some(f64::from(fit.score)) }
}

fn every(args: &Args, compare: &Compare, rules: &Rules, trained: Option<bool>, folder: &Path) -> Result {
    let files = files(folder)?;
    let mut reader = PictureReader::new();
    let shapes = files.iter().map(|f| Shape::of(Arc::new(reader.fragment(f)?))).collect::<Result<Vec<Shape>>>()?;
    let progress = Progress::new("describing", shapes.len());
    let step = |known| {
        progress.step();
        known
    };
    let known = shapes.iter().map(|s| compare.know(s).map(step)).collect::<Result<Vec<Known>>>()?;
    drop(progress);
    let pairs = likely(&known, if args.method == Method::Borders { known.len() } else { args.candidates });
    let progress = Progress::new("matching", pairs.len());
    let mut found: Vec<PairRow> = Vec::new();
    let mut scores = vec![vec![0.0_f64; shapes.len()]; shapes.len()];
    for (a, b) in &pairs {
        let (Some(source), Some(target), Some(ka), Some(kb)) = (shapes.get(*a), shapes.get(*b), known.get(*a), known.get(*b)) else {
            continue;
        };
        if let Some(fit) = fit(&compare.similarity(ka, kb)?, source, target, rules)? {
            for (x, y) in [(*a, *b), (*b, *a)] {
                if let Some(cell) = scores.get_mut(x).and_then(|r| r.get_mut(y)) {
                    *cell = f64::from(fit.score);
                }
            }
            found.extend((fit.score >= args.least_score).then(|| row(*a, *b, &fit)));
        }
        progress.step();
    }
    drop(progress);
    found.sort_by(|x, y| y.score.unwrap_or(0.0).total_cmp(&x.score.unwrap_or(0.0)));
    let names: Vec<String> = shapes.iter().map(|s| s.fragment.name.clone()).collect();
    let mut report = json!({ "version": 1, "kind": "fragment_matches", "trained": trained, "fragments_seen": names, "pairs": found });
    let search = match args.method {
        Method::Network => ("embeddings", json!(known.iter().filter_map(embedding).collect::<Vec<_>>())),
        Method::Borders => ("similarity", json!(scores)),
    };
    if let Value::Object(map) = &mut report {
        map.insert(search.0.to_owned(), search.1);
    }
    write_json(&args.output, &report, false)?;
    match args.format {
        Format::Text => output::result(&format!(
            "{} pairs of {} fragments, {} compared; in {}",
            found.len(),
            shapes.len(),
            pairs.len(),
            args.output.display()
        ))?,
        Format::Json => output::json(&json!({ "version": 1, "trained": trained, "fragments": shapes.len(), "compared": pairs.len(),
            "pairs": found, "output": args.output }))?,
    }
    Ok(Ending::Done)
}

fn embedding(known: &Known) -> Option<&Vec<f32>> {
    match known {
        Known::Network(described) => Some(&described.embedding),
        Known::Border { .. } => None,
    }
}

/// Each two that are among each other's likeliest, the smaller index first.
fn likely(known: &[Known], candidates: usize) -> Vec<(usize, usize)> {
    let mut pairs = std::collections::BTreeSet::new();
    for (a, own) in known.iter().enumerate() {
        let mut others: Vec<(f32, usize)> = known.iter().enumerate().filter(|(b, _)| *b != a).map(|(b, k)| (own.likely(k), b)).collect();
        others.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        pairs.extend(others.into_iter().take(candidates).map(|(_, b)| (a.min(b), a.max(b))));
    }
    pairs.into_iter().collect()
}

/// The pieces of a folder: in the order of `set.json` where there is one, else by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let path = folder.join("set.json");
    if path.exists() {
        let set: SetFile = parse(&super::super::eval::files::read(&path)?, &path)?;
        set.check(&path)?;
        return Ok(set.fragments.iter().map(|row| folder.join(&row.file)).collect());
    }
    let mut files = list_pictures(folder)?;
    let named = |f: &Path| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with("fragment_"));
    if files.iter().any(|f| named(f)) {
        files.retain(|f| named(f));
    }
    if files.is_empty() {
        return Err(Error::mismatch("pictures of fragments", "none", folder.display().to_string()));
    }
    Ok(files)
}
