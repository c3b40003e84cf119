//! `sensorium bench kernels`: parts of heads that are ours alone, beside the plain or published way to do the same, in one run.

use super::super::machine::Machine;
use super::super::{Ending, Format, Result, output};
use serde::Serialize;
use std::fmt;
use std::time::{Duration, Instant};

/// Arguments of `bench kernels`.
#[derive(clap::Args)]
pub struct Args {
    /// Only this part; without, all
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// How the table is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Rows that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Pooling, voxels, sparse convolutions
    Surround,
    /// The semantic depth cloud
    Cloud,
    /// Registration, contours and patches
    Fragments,
    /// Memory in steady state
    Memory,
}

/// Milliseconds of some passes.
#[derive(Serialize, Clone, Copy)]
pub(super) struct Spread {
    median: f64,
    fastest: f64,
    slowest: f64,
    passes: usize,
}

/// One part.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) bar: &'static str,
    pub(super) kept: bool,
    pub(super) ours_ms: Spread,
    /// The plain or published way, timed in turn with ours.
    pub(super) plain_ms: Option<Spread>,
    pub(super) plain_is: &'static str,
    pub(super) detail: String,
}

#[derive(Serialize)]
struct Table {
    version: u32,
    machine: Machine,
    rows: Vec<Row>,
}

/// Measures one part.
type Rows = fn() -> Result<Vec<Row>>;

/// Times every part; a broken bar is exit 1.
pub(super) fn kernels(args: &Args) -> Result {
    let parts: [(Part, Rows); 4] = [
        (Part::Surround, super::surround::rows),
        (Part::Cloud, super::semantic_cloud::rows),
        (Part::Fragments, super::fragments::rows),
        (Part::Memory, super::steady::rows),
    ];
    let mut rows = Vec::new();
    for (part, make) in parts {
        if args.part.is_none_or(|only| only == part) {
            rows.extend(make()?);
        }
    }
    let kept = rows.iter().all(|r| r.kept);
    output::formatted(args.format, &Table { version: 1, machine: Machine::this(), rows })?;
    Ok(if kept { Ending::Done } else { Ending::No })
}

/// Times two ways in turn, so that whatever else the machine does falls on both; the first pass of each warms up.
pub(super) fn in_turn(passes: usize, mut ours: impl FnMut(), mut plain: impl FnMut()) -> (Spread, Spread) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for pass in 0..=passes {
        let times = (timed(&mut ours), timed(&mut plain));
        if pass > 0 {
            first.push(times.0);
            second.push(times.1);
        }
    }
    (spread(first), spread(second))
}

/// Times one way; the first pass warms up.
pub(super) fn alone(passes: usize, mut ours: impl FnMut()) -> Spread {
    timed(&mut ours);
    spread((0..passes).map(|_| timed(&mut ours)).collect())
}

fn timed(work: &mut impl FnMut()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}

fn spread(mut times: Vec<Duration>) -> Spread {
    times.sort();
    let at = |i: usize| times.get(i).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    let last = times.len().saturating_sub(1);
    Spread { median: at(last / 2), fastest: at(0), slowest: at(last), passes: times.len() }
}

impl Spread {
    /// The median, milliseconds.
    pub(super) const fn median(&self) -> f64 {
        self.median
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "median {:.3} ms, {:.3} to {:.3} ms over {} passes", self.median, self.fastest, self.slowest, self.passes)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.line())?;
        for r in &self.rows {
            writeln!(f, "\n{}\n  bar: {} ({})\n  ours:  {}", r.what, r.bar, if r.kept { "kept" } else { "BROKEN" }, r.ours_ms)?;
            if let Some(plain) = &r.plain_ms {
                writeln!(f, "  plain: {plain} ({})\n  ours is {:.1} times as fast", r.plain_is, plain.median / r.ours_ms.median)?;
            }
            writeln!(f, "  {}", r.detail)?;
        }
        Ok(())
    }
}
