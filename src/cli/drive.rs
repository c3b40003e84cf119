//! `sensorium drive`: routes in a closed loop against a CARLA server, scored as the leaderboard scores.
//!
//! *In*: a server, routes, a driver. *Out*: `results.json` in the leaderboard's form, one picture a route, a summary. *Invariant*: the
//! results file is complete after every route, so that `--resume` goes on after a crash of either side.

use super::agent::NetworkArgs;
use super::{Ending, Format, Result, output};
use crate::drive::pilot::Pilot;
use crate::drive::routes::{self, Route, SETS};
use crate::drive::{Cockpit, Config, Expert, Letfuser, STEP, calls, drive as drive_route, picture};
use crate::eval::driving::{Comparison, Record, Rules, Summary, compare, results, summary};
use crate::types::{Error, nearest};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Arguments of `drive`.
#[derive(clap::Args)]
pub struct Args {
    /// Host of the CARLA server: a real one, or `sensorium world serve`
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Its RPC port
    #[arg(long, default_value_t = 2000)]
    port: u16,
    /// Routes in the leaderboard's XML, or a generated set: town-short, town-long, night-rain
    #[arg(long, value_name = "FILE|SET", default_value = "town-short")]
    routes: String,
    /// Drive only the routes of these ids
    #[arg(long, value_delimiter = ',', value_name = "ID,ID")]
    only: Vec<String>,
    /// How often each route is driven; each time it starts later in the traffic
    #[arg(long, default_value_t = 1)]
    repetitions: usize,
    /// Who drives: expert (sees the truth through the protocol) or letfuser (sees its cameras, IMU, GNSS and speed)
    #[arg(long, default_value = "expert")]
    driver: String,
    #[command(flatten)]
    network: NetworkArgs,
    /// Blueprint of the ego vehicle
    #[arg(long, default_value = "vehicle.tesla.model3")]
    vehicle: String,
    /// Whose rules score: 1.0 (as in the papers on Town05 and Longest6), 2.0 or 2.1 (both with a minimum speed)
    #[arg(long, default_value = "1.0")]
    rules: String,
    /// Milliseconds a step that the driver may take; later it brakes, and that is counted
    #[arg(long, value_name = "MS")]
    deadline: Option<u64>,
    /// Record each drive in this folder as a driving data set: 2 Hz, RGB-D, classes, LiDAR, boxes, measurements
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
    /// Folder for results.json and the pictures
    #[arg(long, default_value = "drive")]
    output: PathBuf,
    /// Keep what the folder has, and drive the rest
    #[arg(long)]
    resume: bool,
    /// Compare with another drive's results.json, route by route
    #[arg(long, value_name = "RESULTS.json")]
    compare: Option<PathBuf>,
    /// Write the routes as XML to this file and drive nothing
    #[arg(long, value_name = "FILE.xml")]
    write_routes: Option<PathBuf>,
    /// Make every call of our client once, print a table, and drive nothing
    #[arg(long)]
    check_server: bool,
    /// Seconds that a call to the server may take
    #[arg(long, default_value_t = 20.0)]
    timeout: f64,
    /// How the summary is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn chosen(args: &Args) -> Result<Vec<Route>> {
    let path = Path::new(&args.routes);
    let routes = if SETS.contains(&args.routes.as_str()) || !path.exists() {
        routes::generated(&args.routes).map_err(|e| e.at("--routes is no file"))?
    } else {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        routes::parse(&text).map_err(|e| e.at(args.routes.clone()))?
    };
    if let Some(id) = args.only.iter().find(|id| !routes.iter().any(|r| r.id == **id)) {
        let near = nearest(id, routes.iter().map(|r| r.id.as_str())).map_or_else(String::new, |n| format!(", did you mean {n}?"));
        return Err(Error::mismatch("ids of the routes", format!("`{id}`{near}"), "--only"));
    }
    Ok(routes.into_iter().filter(|r| args.only.is_empty() || args.only.contains(&r.id)).collect())
}

fn driver(args: &Args) -> Result<Cockpit> {
    match args.driver.as_str() {
        "expert" => Cockpit::new(Expert::default()),
        "letfuser" => {
            let pilot = Pilot::new(args.network.config()?)?;
            if !pilot.trained() {
                output::note(&format!("{}: nothing that it does means anything", pilot.name()));
            }
            Cockpit::new(Letfuser::new(pilot))
        }
        other => {
            let near = nearest(other, ["expert", "letfuser"]).map_or_else(String::new, |n| format!(", did you mean `{n}`?"));
            Err(Error::mismatch("a driver: expert or letfuser", format!("`{other}`{near}"), "--driver"))
        }
    }
}

fn written(path: &Path, text: &str) -> Result<()> {
    // Whole or not at all: a crash in the middle leaves the last complete results.
    let part = path.with_extension("part");
    std::fs::write(&part, text).map_err(|e| Error::io("write", &part, e))?;
    std::fs::rename(&part, path).map_err(|e| Error::io("write", path, e))
}

fn earlier(path: &Path) -> Result<Vec<Record>> {
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
    let wrong = |e: serde_json::Error| Error::mismatch("results of `sensorium drive`", e.to_string(), path.display().to_string());
    let mut value: serde_json::Value = serde_json::from_str(&text).map_err(wrong)?;
    let records = value.pointer_mut("/sensorium/records").map(serde_json::Value::take).unwrap_or_default();
    serde_json::from_value(records).map_err(wrong)
}

/// Drives, scores, writes.
pub(super) fn drive(args: &Args) -> Result {
    if args.check_server {
        return check_server(args);
    }
    let rules = Rules::of(&args.rules)?;
    let routes = chosen(args)?;
    if let Some(path) = &args.write_routes {
        written(path, &routes::write(&routes))?;
        output::result(&format!("{} routes in {}", routes.len(), path.display()))?;
        return Ok(Ending::Done);
    }
    let mut driver = driver(args)?;
    let patience = patience(args)?;
    let config = Config {
        host: args.host.clone(),
        port: args.port,
        patience,
        vehicle: args.vehicle.clone(),
        deadline: args.deadline.map(Duration::from_millis),
        record: args.record.clone(),
        reload: true,
    };
    std::fs::create_dir_all(&args.output).map_err(|e| Error::io("create", &args.output, e))?;
    let file = args.output.join("results.json");
    if file.exists() && !args.resume {
        let found = format!("{} is there", file.display());
        return Err(Error::mismatch("an output folder without results, or --resume", found, "--output"));
    }
    let mut records = if args.resume && file.exists() { earlier(&file)? } else { Vec::new() };
    let other = args.compare.as_deref().map(earlier).transpose()?;
    let stopped = super::serve::interrupted();
    let total = routes.len() * args.repetitions;
    let sensors: Vec<String> = driver.sensors().iter().map(|s| s.blueprint.clone()).collect();
    for repetition in 0..args.repetitions {
        for route in &routes {
            if records.iter().any(|r| r.route_id == route.id && r.repetition == repetition) {
                continue;
            }
            let driven = match drive_route(&config, route, repetition, &mut driver, &|| !stopped.load(Ordering::SeqCst)) {
                Ok(driven) => driven,
                Err(_) if stopped.load(Ordering::SeqCst) => {
                    output::note(&format!("interrupted after {} of {total} routes; --resume goes on", records.len()));
                    return Ok(Ending::Interrupted);
                }
                Err(e) => return Err(e.at(format!("route {} of {}; --resume goes on from here", route.id, args.routes))),
            };
            let picture = picture(&driven.way, &driven.trace, &driven.record, rules);
            let name = format!("route-{}-{repetition}.svg", route.id.replace(|c: char| !c.is_ascii_alphanumeric(), "_"));
            written(&args.output.join(name), &picture)?;
            records.push(driven.record);
            let text = json_text(&results(&records, total, rules, driver.name(), &sensors))?;
            written(&file, &text)?;
            if let Some(r) = records.last() {
                output::note(&line(r, rules, records.len(), total));
            }
        }
    }
    let text = json_text(&results(&records, total, rules, driver.name(), &sensors))?;
    written(&file, &text)?;
    let compared = other.map(|other| compare(&keyed(&other, rules), &keyed(&records, rules))).transpose()?;
    let s = summary(&records, rules);
    match args.format {
        Format::Text => output::result(&told(&records, &s, compared.as_ref(), rules, &file))?,
        Format::Json => output::json(&json!({
            "version": 1, "rules": rules.name(), "driver": driver.name(), "routes": records.len(), "summary": s, "comparison": compared,
            "results": file.display().to_string(),
        }))?,
    }
    Ok(Ending::Done)
}

fn patience(args: &Args) -> Result<Duration> {
    Duration::try_from_secs_f64(args.timeout).map_err(|e| Error::mismatch("seconds", e.to_string(), "--timeout"))
}

/// Every call once: exit 1 where one failed.
fn check_server(args: &Args) -> Result {
    let rows = calls(&args.host, args.port, patience(args)?)?;
    let failed = rows.iter().filter(|r| !r.ok).count();
    match args.format {
        Format::Text => {
            let mut out = String::new();
            for r in &rows {
                let _ = writeln!(out, "{:<4} {:<38} {:>9.2} ms  {}", if r.ok { "ok" } else { "FAIL" }, r.call, r.ms, r.said);
            }
            let _ = write!(out, "{} calls, {failed} failed", rows.len());
            output::result(&out)?;
        }
        Format::Json => output::json(&json!({ "version": 1, "failed": failed, "calls": rows }))?,
    }
    Ok(if failed == 0 { Ending::Done } else { Ending::No })
}

fn json_text(value: &serde_json::Value) -> Result<String> {
    serde_json::to_string_pretty(value).map_err(|e| Error::mismatch("JSON", e.to_string(), "results"))
}

fn keyed(records: &[Record], rules: Rules) -> BTreeMap<String, f64> {
    records.iter().map(|r| (format!("{}/{}", r.route_id, r.repetition), r.score(rules).score_composed)).collect()
}

fn line(r: &Record, rules: Rules, done: usize, total: usize) -> String {
    let s = r.score(rules);
    format!(
        "[{done}/{total}] route {} ({}): {:.1} = {:.1} % x {:.2}, {}; {:.0} m, {:.1} s simulated in {:.1} s",
        r.route_id,
        r.town,
        s.score_composed,
        s.score_route,
        s.score_penalty,
        r.ending(rules),
        r.length,
        r.duration_game,
        r.duration_system
    )
}

fn told(records: &[Record], s: &Summary, compared: Option<&Comparison>, rules: Rules, file: &Path) -> String {
    let mut out = String::new();
    let steps: usize = records.iter().map(|r| r.steps).sum();
    let per = |f: fn(&Record) -> f64| 1e3 * records.iter().map(f).sum::<f64>() / steps.max(1) as f64;
    let _ = writeln!(out, "{:<20} {:>8} {:>10} {:>14}", format!("rules {}", rules.name()), "mean", "deviation", "95 % interval");
    for (name, v) in
        [("driving score", s.driving_score), ("route completion", s.route_completion), ("infraction score", s.infraction_score)]
    {
        let _ = writeln!(out, "{name:<20} {:>8.2} {:>10.2} {:>14}", v.mean, v.deviation, format!("+- {:.2}", v.half_interval));
    }
    if s.repetitions.count > 1 {
        let v = s.repetitions;
        let _ = writeln!(
            out,
            "{:<20} {:>8.2} {:>10.2} {:>14}",
            format!("{} repetitions", v.count),
            v.mean,
            v.deviation,
            format!("+- {:.2}", v.half_interval)
        );
    }
    let others = Rules::ALL.into_iter().filter(|other| *other != rules);
    let others: Vec<String> = others.map(|o| format!("{:.2} by rules {}", summary(records, o).driving_score.mean, o.name())).collect();
    let _ = writeln!(out, "the same drives: driving score {}", others.join(", "));
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    records.iter().flat_map(|r| r.infractions(rules)).for_each(|i| *kinds.entry(i.kind.key()).or_default() += 1);
    for (kind, count) in kinds {
        let _ = writeln!(out, "{kind:<36} {count:>3}");
    }
    let [missed, late] = [|r: &Record| r.missed_deadlines, |r: &Record| r.late_answers].map(|f| records.iter().map(f).sum::<usize>());
    let _ = writeln!(
        out,
        "{} drives, {steps} steps of {STEP} s: simulator {:.2} ms, driver {:.2} ms a step; {missed} missed deadlines, {late} late answers",
        records.len(),
        per(|r| r.simulator_seconds),
        per(|r| r.driver_seconds)
    );
    if let Some(c) = compared {
        let d = &c.difference;
        let [better, worse] = c.wins;
        let _ = writeln!(
            out,
            "against the other: {:+.2} +- {:.2} driving score over {} pairs ({better} better, {worse} worse, {} alone)",
            d.mean, d.half_interval, d.count, c.alone
        );
    }
    let _ = write!(out, "{}", file.display());
    out
}
