//! Numbers over time and words: ages, waits, work, queues, and what is missing.

use super::pen::{Pen, path};
use crate::runtime::{Gauge, Layout};
use crate::sinks::paint;
use crate::types::{HostTime, Packet, Presence, Result, SensorId};
use ::rerun::{EntityPath, archetypes as draw};
use std::collections::{HashMap, HashSet};

/// What was said so far.
#[derive(Default)]
pub struct Figures {
    named: HashSet<EntityPath>,
    presence: HashMap<SensorId, Presence>,
    last: Option<u64>,
    /// To be said with the first bundle.
    notices: Vec<String>,
}

impl Figures {
    /// Nothing said yet; stages with untrained parameters are named in the log as soon as there is a time to write at.
    pub fn new(layout: &Layout) -> Self {
        let notices = layout.stages.iter().filter_map(|(stage, info)| Some(format!("{stage}: {}", info.weights.as_ref()?.notice()?)));
        Self { notices: notices.collect(), ..Self::default() }
    }

    /// Writes the head's numbers, the gauges, and changes of presence; once a bundle.
    pub fn show(&mut self, pen: &Pen, packet: &Packet, gauges: &[Gauge]) -> Result<()> {
        for notice in self.notices.drain(..) {
            pen.draw(path(&["log"]), &draw::TextLog::new(notice).with_level("WARN"))?;
        }
        let head = &packet.head;
        for stage in &head.lineage.stages {
            let nanos = |n: u64| n as f64 * 1e-6;
            self.number(pen, path(&["metrics", "work", &stage.stage]), &stage.stage, nanos(stage.worked))?;
            self.number(pen, path(&["metrics", "wait", &stage.stage]), &stage.stage, nanos(stage.waited))?;
        }
        let age = head.lineage.age(HostTime::now()).as_secs_f64() * 1e3;
        self.number(pen, path(&["metrics", "age", "age"]), "age", age)?;
        if self.last == Some(head.seq) {
            return Ok(());
        }
        self.last = Some(head.seq);
        self.number(pen, path(&["metrics", "age", "skew"]), "skew", packet.bundle.skew.as_secs_f64() * 1e3)?;
        for gauge in gauges {
            self.gauge(pen, gauge)?;
        }
        self.presence(pen, packet)
    }

    /// Queue depths go into a plot of their own; the rest is kept by its name.
    fn gauge(&mut self, pen: &Pen, gauge: &Gauge) -> Result<()> {
        let parts: Vec<&str> = gauge.name.split('/').filter(|p| !p.is_empty()).collect();
        match parts.as_slice() {
            ["edges", edge @ .., "depth"] => {
                let name = edge.join("/");
                self.number(pen, path(&["metrics", "queue", &name]), &name, gauge.value)
            }
            _ => {
                let at: Vec<&str> = ["metrics", "gauges"].into_iter().chain(parts.iter().copied()).collect();
                self.number(pen, path(&at), &gauge.name, gauge.value)
            }
        }
    }

    fn number(&mut self, pen: &Pen, at: EntityPath, name: &str, value: f64) -> Result<()> {
        if self.named.insert(at.clone()) {
            let beside = self.named.iter().filter(|n| n.parent() == at.parent()).count();
            let line = draw::SeriesLines::new().with_names([name]).with_widths([1.5]);
            pen.fix(at.clone(), &line.with_colors([paint::palette(beside)]))?;
        }
        pen.draw(at, &draw::Scalars::single(value))
    }

    fn presence(&mut self, pen: &Pen, packet: &Packet) -> Result<()> {
        for (sensor, presence) in &packet.bundle.presence {
            let before = self.presence.insert(*sensor, *presence);
            if before == Some(*presence) || (before.is_none() && *presence == Presence::Ok) {
                continue;
            }
            let (level, words) = match presence {
                Presence::Ok => ("INFO", "is back"),
                Presence::Missing => ("WARN", "is missing"),
                Presence::Rejected => ("WARN", "was rejected"),
                Presence::Ended => ("INFO", "has ended"),
            };
            let line = draw::TextLog::new(format!("{sensor} {words} (bundle {})", packet.head.seq)).with_level(level);
            pen.draw(path(&["log"]), &line)?;
        }
        Ok(())
    }
}
