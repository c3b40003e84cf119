//! `sensorium bench models`: what whole networks cost here, and our kernels against plain tensor operations, in one run.

use super::super::machine::{Machine, memory_mib};
use super::super::{Ending, Format, Result, output};
use crate::nets::bench::{Comparison, comparisons, difference};
use crate::nets::card::{CARDS, Card, find};
use crate::nets::profile::{Line, record};
use crate::nets::{self, DeviceChoice, Model, Named, Origin, TapChoice};
use crate::types::Error;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Instant;

/// Arguments of `bench models`.
#[derive(clap::Args)]
pub struct Args {
    /// Only this network; without, every network and the kernels
    #[arg(long, value_name = "NETWORK")]
    model: Option<String>,
    /// Only this preset
    #[arg(long, requires = "model")]
    preset: Option<String>,
    /// Only this size; without, those of the network's card
    #[arg(long, value_name = "WxH", value_parser = size)]
    size: Option<[usize; 2]>,
    /// Numbers of threads on the CPU
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2], value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: Vec<u64>,
    /// Passes of each case after one that warms up
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    passes: u64,
    /// No further pass of a case begins after this time
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    seconds: f64,
    /// auto takes CUDA where it is there, else the CPU
    #[arg(long, value_name = "auto|cpu|cuda|wgpu", default_value = "auto")]
    device: DeviceChoice,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

fn size(text: &str) -> std::result::Result<[usize; 2], String> {
    let wrong = || format!("wanted WIDTHxHEIGHT, for example 640x480, found `{text}`");
    let (width, height) = text.split_once('x').ok_or_else(wrong)?;
    let side = |text: &str| text.parse::<usize>().ok().filter(|side| (1..=16_384).contains(side)).ok_or_else(wrong);
    Ok([side(width)?, side(height)?])
}

#[derive(Serialize)]
struct Table {
    version: u32,
    machine: Machine,
    device: String,
    networks: Vec<Network>,
    kernels: Vec<Kernel>,
}

#[derive(Serialize, Deserialize)]
struct Network {
    network: String,
    preset: String,
    width: usize,
    height: usize,
    parameters: usize,
    /// Multiply-adds of one pass, counted while it ran.
    macs: u64,
    times: Vec<Times>,
    /// Resident memory that network and inputs brought, and the most above the state before during a pass; MiB.
    loaded_mib: f64,
    peak_mib: f64,
    /// Of one pass with the last number of threads.
    operators: Vec<Line>,
    /// Time of that pass outside counted operators: elementwise work, copies, layout.
    other_seconds: f64,
}

#[derive(Serialize, Deserialize, Clone, Copy, Default)]
struct Times {
    threads: u64,
    median_ms: f64,
    fastest_ms: f64,
    slowest_ms: f64,
    passes: usize,
}

#[derive(Serialize)]
struct Kernel {
    name: String,
    plain_is: &'static str,
    ours: Times,
    plain: Times,
    /// Time of ours by time of plain.
    ratio: f64,
    /// Largest difference of the results, relative to the largest value.
    difference: f32,
    same: bool,
}

/// Times networks and kernels; a kernel that computes something else is exit 1.
pub(super) fn models(args: &Args) -> Result {
    let (device, what) = nets::pick(args.device)?;
    let cards: Vec<&Card> = match &args.model {
        Some(name) => {
            let first = find(name, args.preset.as_deref().unwrap_or("base"))?;
            CARDS.iter().filter(|c| c.name == first.name && args.preset.as_ref().is_none_or(|p| c.preset == p)).collect()
        }
        None => CARDS.iter().collect(),
    };
    let mut cases: Vec<(&'static Card, [usize; 2])> = Vec::new();
    for card in cards {
        let largest = card.gigamacs.iter().map(|(h, w, _)| h * w).max().unwrap_or(0);
        // Much smaller sizes are for tests.
        let own = card.gigamacs.iter().filter(|(h, w, _)| 4 * h * w >= largest).map(|(h, w, _)| [*w, *h]);
        let sizes: Vec<[usize; 2]> = args.size.map_or_else(|| own.collect(), |size| vec![size]);
        if sizes.is_empty() {
            output::note(&format!("{} {}: not timed, it is for comparison with reference numbers only", card.name, card.preset));
        }
        cases.extend(sizes.into_iter().map(|size| (card, size)));
    }
    let mut networks = Vec::new();
    let several = cases.len() > 1;
    for (card, size) in cases {
        // What one network left behind would be counted as the next one's: each of several gets a process.
        networks.push(if several { elsewhere(card, size, args)? } else { network(card, size, args, &device)? });
    }
    let mut kernels = Vec::new();
    if args.model.is_none() {
        for comparison in comparisons(&device) {
            output::note(&comparison.name);
            kernels.push(kernel(&comparison, args)?);
        }
    }
    let same = kernels.iter().all(|k| k.same);
    output::formatted(args.format, &Table { version: 1, machine: Machine::this(), device: what, networks, kernels })?;
    Ok(if same { Ending::Done } else { Ending::No })
}

/// The same in a process of its own.
fn elsewhere(card: &Card, [width, height]: [usize; 2], args: &Args) -> Result<Network> {
    let place = || format!("bench models --model {} --preset {} --size {width}x{height}", card.name, card.preset);
    let fault = |e: std::io::Error| Error::unavailable(place(), e.to_string());
    let threads: Vec<String> = args.threads.iter().map(u64::to_string).collect();
    let done = std::process::Command::new(std::env::current_exe().map_err(fault)?)
        .args(place().split(' '))
        .args(["--threads", &threads.join(","), "--passes", &args.passes.to_string(), "--seconds", &args.seconds.to_string()])
        .args(["--device", args.device.name(), "--format", "json"])
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(fault)?;
    #[derive(Deserialize)]
    struct One {
        networks: Vec<Network>,
    }
    let found = serde_json::from_slice::<One>(&done.stdout).ok().and_then(|one| one.networks.into_iter().next());
    found.ok_or_else(|| Error::unavailable(place(), format!("it ended with {}", done.status)))
}

fn network(card: &'static Card, [width, height]: [usize; 2], args: &Args, device: &nets::Device) -> Result<Network> {
    let before = memory_mib("VmRSS");
    let (mut model, _) = nets::build(card.name, card.preset, Origin::Seed(1), device)?;
    let inputs = model.example(height, width);
    let inputs = inputs.ok_or_else(|| Error::mismatch("a preset that runs alone", card.preset, card.name))?;
    let loaded_mib = memory_mib("VmRSS") - before;
    forget_peak();
    let mut row = Network {
        network: card.name.to_owned(),
        preset: card.preset.to_owned(),
        width,
        height,
        parameters: card.parameters,
        macs: 0,
        times: Vec::new(),
        loaded_mib,
        peak_mib: 0.0,
        operators: Vec::new(),
        other_seconds: 0.0,
    };
    for threads in &args.threads {
        output::note(&format!("{} {}, {width}x{height}, {threads} threads", card.name, card.preset));
        let (passes, seconds, device) = (args.passes, args.seconds, device.clone());
        let (inputs, work) =
            (inputs.clone(), move |m: &dyn Model, inputs: &Named| nets::forward(m, inputs, &TapChoice::None, &device).map(drop));
        let (same, times, operators, other) = pool(*threads)?.install(move || {
            let times = times(passes, seconds, || work(&*model, &inputs));
            let began = Instant::now();
            let (done, operators) = record(|| work(&*model, &inputs));
            let other = began.elapsed().as_secs_f64() - operators.iter().map(|l| l.seconds).sum::<f64>();
            (model, times.and_then(|t| done.map(|()| t)), operators, other)
        });
        model = same;
        row.times.push(Times { threads: *threads, ..times? });
        row.macs = operators.iter().map(|l| l.macs).sum();
        (row.operators, row.other_seconds) = (operators, other);
    }
    row.peak_mib = memory_mib("VmHWM") - before;
    Ok(row)
}

fn pool(threads: u64) -> Result<rayon::ThreadPool> {
    let count = usize::try_from(threads).unwrap_or(1);
    rayon::ThreadPoolBuilder::new().num_threads(count).build().map_err(|e| Error::unavailable(format!("{threads} threads"), e.to_string()))
}

/// Alternates the two sides, so that whatever else the machine does falls on both.
fn kernel(comparison: &Comparison, args: &Args) -> Result<Kernel> {
    let Comparison { name, plain_is, ours, plain, tolerance } = comparison;
    let difference = difference(&ours()?, &plain()?);
    let (mut our_times, mut plain_times) = (Vec::new(), Vec::new());
    let began = Instant::now();
    for pass in 0..args.passes {
        if pass > 0 && began.elapsed().as_secs_f64() > args.seconds {
            break;
        }
        our_times.push(timed(ours)?);
        plain_times.push(timed(plain)?);
    }
    let threads = rayon::current_num_threads() as u64;
    let (ours, plain) = (Times { threads, ..summary(our_times) }, Times { threads, ..summary(plain_times) });
    let ratio = ours.median_ms / plain.median_ms;
    Ok(Kernel { name: name.clone(), plain_is, ours, plain, ratio, difference, same: difference <= *tolerance })
}

fn timed<T>(work: impl Fn() -> Result<T>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

fn times(passes: u64, seconds: f64, work: impl Fn() -> Result<()>) -> Result<Times> {
    work()?;
    let began = Instant::now();
    let mut milliseconds = Vec::new();
    while milliseconds.is_empty() || ((milliseconds.len() as u64) < passes && began.elapsed().as_secs_f64() < seconds) {
        milliseconds.push(timed(&work)?);
    }
    Ok(summary(milliseconds))
}

fn summary(mut milliseconds: Vec<f64>) -> Times {
    milliseconds.sort_by(f64::total_cmp);
    let at = |i: usize| milliseconds.get(i).copied().unwrap_or_default();
    let last = milliseconds.len().saturating_sub(1);
    Times { threads: 0, median_ms: at(last / 2), fastest_ms: at(0), slowest_ms: at(last), passes: milliseconds.len() }
}

/// Makes the peak start anew, where the system can.
fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {:.1} ms, {:.1} to {:.1} ms over {} passes", self.median_ms, self.fastest_ms, self.slowest_ms, self.passes)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.machine.line(), self.device)?;
        for n in &self.networks {
            let (millions, giga) = (n.parameters as f64 / 1e6, n.macs as f64 / 1e9);
            let size = if n.height == 1 { format!("{} points", n.width) } else { format!("{}x{}", n.width, n.height) };
            writeln!(f, "\n{} {} at {size}: {millions:.2} M parameters, {giga:.2} GMAC", n.network, n.preset)?;
            for t in &n.times {
                let s = if t.threads == 1 { "" } else { "s" };
                writeln!(f, "  {} thread{s}: {t}; {:.1} GMAC/s", t.threads, giga / t.median_ms * 1e3)?;
            }
            writeln!(f, "  memory: {:.0} MiB loaded, peak {:.0} MiB", n.loaded_mib, n.peak_mib)?;
            let whole: f64 = n.operators.iter().map(|l| l.seconds).sum::<f64>() + n.other_seconds;
            for line in &n.operators {
                let name = serde_json::to_value(line.class).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
                let (share, gmac) = (100.0 * line.seconds / whole, line.macs as f64 / 1e9);
                writeln!(f, "  {name:<12} {share:>5.1} %  {:>9.1} ms  {gmac:>8.2} GMAC  {:>4} calls", line.seconds * 1e3, line.calls)?;
            }
            writeln!(f, "  {:<12} {:>5.1} %  {:>9.1} ms", "other", 100.0 * n.other_seconds / whole, n.other_seconds * 1e3)?;
        }
        for k in &self.kernels {
            writeln!(f, "\n{}, {} threads\n  ours:  {}\n  plain: {} ({})", k.name, k.ours.threads, k.ours, k.plain, k.plain_is)?;
            let same = if k.same { "the same result" } else { "ANOTHER RESULT" };
            writeln!(f, "  ours takes {:.2} of plain's time; {same} (within {:.1e})", k.ratio, k.difference)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_summaries() {
        assert_eq!(size("640x480"), Ok([640, 480]));
        assert!(size("640").is_err() && size("0x3").is_err() && size("99999x1").is_err());
        let t = summary(vec![3.0, 1.0, 2.0]);
        assert_eq!((t.median_ms, t.fastest_ms, t.slowest_ms, t.passes), (2.0, 1.0, 3.0, 3));
    }
}
