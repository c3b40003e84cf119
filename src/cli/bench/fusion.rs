//! `sensorium bench fusion`: what the evaluators cost here, from files to the report.
//!
//! A row is a name, a number of items and work that is timed with one and with all threads; further evaluators add theirs to [`cases`].

use super::super::eval;
use super::super::machine::Machine;
use super::super::{Ending, Format, Result, output};
use crate::eval::fusion::Family;
use crate::types::{Error, num};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Arguments of `bench fusion`.
#[derive(clap::Args)]
pub struct Args {
    /// Pictures or other items of each evaluator
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    items: u32,
    /// Runs of each case
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Table {
    version: u32,
    machine: Machine,
    rows: Vec<Row>,
}

/// One evaluator with one number of threads.
#[derive(Serialize)]
struct Row {
    what: String,
    items: u32,
    threads: usize,
    median_ms_per_item: f64,
    fastest_ms_per_item: f64,
    slowest_ms_per_item: f64,
    runs: usize,
}

/// An evaluator: what it is, and one run of it over all items.
struct Case<'a> {
    what: String,
    run: Box<dyn Fn() -> Result<()> + Send + Sync + 'a>,
}

/// Times every evaluator.
pub(super) fn fusion(args: &Args) -> Result {
    let folder = Scratch::new()?;
    let mut rows = Vec::new();
    for case in cases(&folder.0, args.items)? {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let mut counts = vec![1, all];
        counts.dedup();
        for threads in counts {
            output::note(&format!("{}, {threads} threads", case.what));
            rows.push(row(&case, args, threads)?);
        }
    }
    output::formatted(args.format, &Table { version: 1, machine: Machine::this(), rows })?;
    Ok(Ending::Done)
}

/// Every evaluator of this build, its items written below `folder`.
fn cases(folder: &Path, items: u32) -> Result<Vec<Case<'_>>> {
    for kind in ["visible", "infrared", "fused"] {
        std::fs::create_dir_all(folder.join(kind)).map_err(|e| Error::io("make", &folder.join(kind), e))?;
    }
    for item in 0..items {
        let [visible, infrared] = [picture(item, 0), picture(item, 1)];
        let fused = visible.iter().zip(&infrared).map(|(a, b)| a.midpoint(*b)).collect();
        for (kind, levels) in [("visible", visible), ("infrared", infrared), ("fused", fused)] {
            let path = folder.join(kind).join(format!("{item:05}.png"));
            let image = image::GrayImage::from_raw(WIDTH, HEIGHT, levels);
            let image = image.ok_or_else(|| Error::mismatch("a full picture", "less", "bench fusion"))?;
            image.save(&path).map_err(|e| Error::mismatch("a written picture", e.to_string(), path.display().to_string()))?;
        }
    }
    let fusion = |family: Family| Case {
        what: format!("fusion, twelve scores, {family:?} family, {WIDTH}x{HEIGHT} PNG"),
        run: Box::new(move || {
            let [visible, infrared, fused] = ["visible", "infrared", "fused"].map(|kind| folder.join(kind));
            eval::fusion(&visible, &infrared, &fused, &folder.join("scores.json"), None, family).map(drop)
        }),
    };
    Ok(vec![fusion(Family::Evaluator), fusion(Family::Vifb)])
}

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;

/// Waves, an edge and noise, so that no score is trivial.
fn picture(item: u32, kind: u32) -> Vec<u8> {
    let phase = f64::from(item) * 0.7 + f64::from(kind) * 1.9;
    let mut noise = item * 2 + kind + 1;
    let mut level = |x: u32, y: u32| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (u, v) = (f64::from(x) / 23.0 + phase, f64::from(y) / 31.0 - phase);
        let edge = if x > WIDTH / 2 { 30.0 } else { 0.0 };
        num::level(num::f32(110.0 + 50.0 * u.sin() + 40.0 * (v + u * 0.3).cos() + edge + f64::from(noise >> 28)))
    };
    (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y))).map(|(x, y)| level(x, y)).collect()
}

fn row(case: &Case<'_>, args: &Args, threads: usize) -> Result<Row> {
    let unavailable = |e: rayon::ThreadPoolBuildError| Error::unavailable(format!("{threads} threads"), e.to_string());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(unavailable)?;
    let mut times = Vec::new();
    for _ in 0..args.runs {
        let began = Instant::now();
        pool.install(|| (case.run)())?;
        times.push(began.elapsed().as_secs_f64() * 1e3 / f64::from(args.items));
    }
    times.sort_by(f64::total_cmp);
    let at = |i: usize| times.get(i).copied().unwrap_or_default();
    let last = times.len().saturating_sub(1);
    Ok(Row {
        what: case.what.clone(),
        items: args.items,
        threads,
        median_ms_per_item: at(last / 2),
        fastest_ms_per_item: at(0),
        slowest_ms_per_item: at(last),
        runs: times.len(),
    })
}

/// A folder that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("sensorium-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|e| Error::io("make", &path, e))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.line())?;
        for r in &self.rows {
            let threads = if r.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", r.threads) };
            writeln!(f, "\n{}\n  {threads}, {} items: median {:.2} ms an item", r.what, r.items, r.median_ms_per_item)?;
            writeln!(f, "  {:.2} to {:.2} ms over {} runs", r.fastest_ms_per_item, r.slowest_ms_per_item, r.runs)?;
        }
        Ok(())
    }
}
