//! `sensorium eval fragments`: searching, matching and assembly against the truth of a torn set.
//!
//! *In*: a set's folder and a file of what somebody found: JSON with `ranking`, `similarity` or `embeddings`, `pairs`, `fragments` (each optional), or the
//! `results.jsonl` of a run with a `pairingnet` stage. *Out*: one JSON file. *Invariant*: what the file does not bring is `null`.

use super::super::fragments::set::{self, Set};
use super::files::{read, write_whole};
use crate::eval::fragments::{assembly, matching, search};
use crate::formats::fragments::{Found, parse, rigid};
use crate::types::{Error, FragmentMatch, Result, Rigid, nearest};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// `sensorium eval fragments`.
#[derive(Debug, Clone, clap::Args)]
pub struct FragmentsArgs {
    /// Folder of the torn set: set.json, the pieces; contours.json and pairs.json are made where they are missing
    #[arg(long, value_name = "SET")]
    pub truth: PathBuf,
    /// What was found: JSON (ranking, pairs, fragments) or the results.jsonl of a run
    #[arg(long, value_name = "FILE")]
    pub predicted: PathBuf,
    /// Stage whose pairs are scored, where the results of a run hold those of several
    #[arg(long, value_name = "NAME")]
    pub stage: Option<String>,
    /// Where to write recall@k, registration recall and assembly scores
    #[arg(long, value_name = "METRICS.json")]
    pub output: PathBuf,
}

impl FragmentsArgs {
    /// Runs the command; the report is also in the output file.
    ///
    /// # Errors
    /// Where a file cannot be read or written, or what was found does not belong to the set.
    pub fn run(&self) -> Result<Value> {
        let set = set::open(&self.truth)?;
        let found = found(&self.predicted, &set, self.stage.as_deref())?;
        let lists = lists(&found, &set, &self.predicted)?;
        let motions = motions(&found, &set, &self.predicted)?;
        let places = places(&found, &set, &self.predicted)?;
        if lists.is_none() && motions.is_none() && places.is_none() {
            let wanted = "ranking, similarity, embeddings, pairs or fragments";
            return Err(Error::mismatch(wanted, "none of them", self.predicted.display().to_string()));
        }
        let report = json!({
            "version": 1,
            "kind": "fragments",
            "set": set.file.name,
            "fragments": set.truth.len(),
            "pairs": set.truth.pairs.len(),
            "searching": lists.and_then(|l| search::score(&l, &set.truth.pairs)),
            "matching": motions.and_then(|m| matching::score(&set.truth, &m)),
            "assembly": places.and_then(|p| assembly::score(&set.truth, &p)),
        });
        write_whole(&self.output, format!("{report:#}\n").as_bytes())?;
        Ok(report)
    }
}

fn found(path: &Path, set: &Set, stage: Option<&str>) -> Result<Found> {
    let text = read(path)?;
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("jsonl")) {
        return from_results(&text, path, set, stage);
    }
    parse(&text, path)
}

/// Lists of neighbours, best first.
fn lists(found: &Found, set: &Set, path: &Path) -> Result<Option<Vec<Vec<usize>>>> {
    let count = set.truth.len();
    let sized = |rows: usize, wide: bool, what: &str| {
        let wanted = format!("{count} rows{} in `{what}`", if wide { " of that many" } else { "" });
        if rows == count { Ok(()) } else { Err(Error::mismatch(wanted, rows.to_string(), path.display().to_string())) }
    };
    let finite = |rows: &[Vec<f64>], what: &str| {
        let width = rows.first().map_or(0, Vec::len);
        let fine = rows.iter().all(|r| r.len() == width && r.iter().all(|v| v.is_finite()));
        let wanted = format!("rows of equal length of finite numbers in `{what}`");
        if fine { Ok(width) } else { Err(Error::mismatch(wanted, "others", path.display().to_string())) }
    };
    if let Some(ranking) = &found.ranking {
        sized(ranking.len(), false, "ranking")?;
        if let Some(bad) = ranking.iter().flatten().find(|i| **i >= count) {
            return Err(Error::mismatch(format!("numbers below {count} in `ranking`"), bad.to_string(), path.display().to_string()));
        }
        let others = ranking.iter().enumerate().map(|(own, list)| list.iter().copied().filter(|i| *i != own).collect());
        return Ok(Some(others.collect()));
    }
    if let Some(rows) = &found.similarity {
        sized(rows.len(), true, "similarity")?;
        sized(finite(rows, "similarity")?, true, "similarity")?;
        return Ok(Some(search::ranking(rows)));
    }
    if let Some(rows) = &found.embeddings {
        sized(rows.len(), false, "embeddings")?;
        finite(rows, "embeddings")?;
        return Ok(Some(search::ranking(&search::cosines(rows))));
    }
    Ok(None)
}

fn motions(found: &Found, set: &Set, path: &Path) -> Result<Option<Vec<matching::Found>>> {
    let Some(pairs) = &found.pairs else { return Ok(None) };
    let mut pairs = pairs.clone();
    // Of several motions for the same two, the surest counts.
    pairs.sort_by(|x, y| y.score.unwrap_or(0.0).total_cmp(&x.score.unwrap_or(0.0)));
    let count = set.truth.len();
    let motion = |row: &crate::formats::fragments::PairRow| {
        let place = format!("{}, pair {} {}", path.display(), row.a, row.b);
        if row.a == row.b || row.a.max(row.b) >= count {
            return Err(Error::mismatch(format!("two different fragments below {count}"), format!("{} and {}", row.a, row.b), place));
        }
        Ok(matching::Found { a: row.a, b: row.b, a_to_b: rigid(&row.a_to_b, &place)? })
    };
    pairs.iter().map(motion).collect::<Result<_>>().map(Some)
}

fn places(found: &Found, set: &Set, path: &Path) -> Result<Option<Vec<Option<Rigid>>>> {
    let Some(rows) = &found.fragments else { return Ok(None) };
    let mut places = vec![None; set.truth.len()];
    for row in rows {
        let place = format!("{}, fragment {}", path.display(), row.id);
        let motion = row.to_picture.as_ref().map(|m| rigid(m, &place)).transpose()?;
        match places.get_mut(row.id) {
            Some(slot) => *slot = motion,
            None => return Err(Error::mismatch(format!("numbers below {}", set.truth.len()), row.id.to_string(), place)),
        }
    }
    Ok(Some(places))
}

/// Pairs out of the lines that a run's results sink wrote; names of pieces are their files' stems.
fn from_results(text: &[u8], path: &Path, set: &Set, stage: Option<&str>) -> Result<Found> {
    let (mut pairs, mut stages) = (Vec::new(), BTreeSet::new());
    let stem = |file: &str| Path::new(file).file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let names: Vec<String> = set.file.fragments.iter().map(|row| stem(&row.file)).collect();
    for (number, line) in text.split(|b| *b == b'\n').enumerate().filter(|(_, l)| !l.is_empty()) {
        let place = format!("{}, line {}", path.display(), number + 1);
        let value: Value = serde_json::from_slice(line).map_err(|e| Error::mismatch("a line of JSON", e.to_string(), place.clone()))?;
        let outcomes = value.get("outcomes").and_then(Value::as_array).into_iter().flatten();
        for outcome in outcomes.filter(|o| o.get("kind").and_then(Value::as_str) == Some("matches")) {
            let of = outcome.get("stage").and_then(Value::as_str).unwrap_or_default();
            stages.insert(of.to_owned());
            if stage.is_some_and(|wanted| wanted != of) {
                continue;
            }
            let list = outcome.get("pairs").cloned().unwrap_or_default();
            let list: Vec<FragmentMatch> =
                serde_json::from_value(list).map_err(|e| Error::mismatch("pairs", e.to_string(), place.clone()))?;
            for found in list {
                let index = |name: &String| {
                    names
                        .iter()
                        .position(|n| n == name)
                        .ok_or_else(|| Error::mismatch("a fragment of the set", format!("`{name}`"), place.clone()))
                };
                let [upper, lower] = found.transform;
                pairs.push(crate::formats::fragments::PairRow {
                    a: index(&found.source)?,
                    b: index(&found.target)?,
                    count: None,
                    a_to_b: [upper, lower, [0.0, 0.0, 1.0]],
                    correspondences: Vec::new(),
                    score: Some(f64::from(found.score)),
                });
            }
        }
    }
    let names: Vec<&str> = stages.iter().map(String::as_str).collect();
    match stage {
        Some(wanted) if !stages.contains(wanted) => {
            let hint = nearest(wanted, names.iter().copied()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            let wanted = format!("pairs of a stage `{wanted}`");
            Err(Error::mismatch(wanted, format!("those of {}{hint}", names.join(", ")), path.display().to_string()))
        }
        None if stages.len() > 1 => {
            Err(Error::mismatch("pairs of one stage, or --stage", format!("those of {}", names.join(", ")), path.display().to_string()))
        }
        _ => Ok(Found { pairs: Some(pairs), ..Found::default() }),
    }
}

/// A report as a short table for people.
pub(super) fn table(report: &Value) -> String {
    let mut text = format!("{:<56} {:>10}\n", "fragments", report.get("fragments").and_then(Value::as_u64).unwrap_or(0));
    for part in ["searching", "matching", "assembly"] {
        if let Some(scores) = report.get(part).filter(|s| !s.is_null()) {
            rows(part, scores, &mut text);
        }
    }
    text
}

fn rows(name: &str, value: &Value, text: &mut String) {
    use std::fmt::Write as _;
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| rows(&format!("{name} {key}"), value, text)),
        Value::Number(n) if n.is_f64() => {
            let _ = writeln!(text, "{name:<56} {:>10.5}", n.as_f64().unwrap_or(0.0));
        }
        Value::Null => {
            let _ = writeln!(text, "{name:<56} {:>10}", "-");
        }
        other => {
            let _ = writeln!(text, "{name:<56} {:>10}", other.to_string());
        }
    }
}
