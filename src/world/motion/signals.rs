//! Traffic lights over time: a pure function of the programme and the second, unless somebody has set a light by hand.
//!
//! *In / Out*: lights, seconds; colours. *Invariant*: two phases of one junction are never green or yellow at once.

use crate::world::model::Signal;
use crate::world::scene::{Cycle, Network};

/// The colour of a phase, and the seconds until it changes.
pub fn phase_at(cycle: &Cycle, phase: usize, time: f64) -> (Signal, f64) {
    let whole: f64 = cycle.green.iter().map(|g| g + cycle.yellow + cycle.clear).sum();
    let now = (time + cycle.offset).rem_euclid(whole.max(1.0));
    let start: f64 = cycle.green.iter().take(phase).map(|g| g + cycle.yellow + cycle.clear).sum();
    let green = cycle.green.get(phase).copied().unwrap_or(0.0);
    let since = now - start;
    if since < 0.0 {
        (Signal::Red, -since)
    } else if since < green {
        (Signal::Green, green - since)
    } else if since < green + cycle.yellow {
        (Signal::Yellow, green + cycle.yellow - since)
    } else {
        (Signal::Red, whole - since)
    }
}

/// All lights now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signals {
    now: Vec<(Signal, f64)>,
    forced: Vec<Option<Signal>>,
}

impl Signals {
    pub(crate) fn update(&mut self, net: &Network, time: f64) {
        self.forced.resize(net.lights.len(), None);
        self.now.clear();
        for (light, forced) in net.lights.iter().zip(&self.forced) {
            let cycle = net.junctions.get(light.junction).and_then(|j| j.cycle.as_ref());
            let natural = cycle.map_or((Signal::Red, 0.0), |c| phase_at(c, light.phase, time));
            self.now.push(forced.map_or(natural, |f| (f, f64::INFINITY)));
        }
    }
    /// Colour and seconds until it changes.
    pub(crate) fn of(&self, light: usize) -> (Signal, f64) {
        self.now.get(light).copied().unwrap_or((Signal::Red, 0.0))
    }
    /// Holds a light at a colour, or lets it follow its programme again.
    pub(crate) fn force(&mut self, light: usize, colour: Option<Signal>) {
        if let Some(slot) = self.forced.get_mut(light) {
            *slot = colour;
        }
    }
    /// Instance ids and colours, by id.
    pub(crate) fn shown(&self, net: &Network) -> Vec<(u32, Signal)> {
        let mut shown: Vec<(u32, Signal)> =
            net.lights.iter().zip(&self.now).flat_map(|(l, (c, _))| l.instances.iter().map(|i| (*i, *c))).collect();
        shown.sort_unstable_by_key(|(id, _)| *id);
        shown
    }
}
