//! Where a stage or sink takes its packets from, one edge or several.
//!
//! Where nothing may be lost, packets of several edges are joined by bundle: one packet per bundle that holds the results
//! of all branches, in the order of the bundles, so that two runs give the same sequence. Live, each is taken as it comes.

use super::edge::{Inlet, LOOK, Received};
use crate::types::Packet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Lives as long as any packet of one bundle; the aligner waits for its end in `lockstep`.
pub(super) struct Token {
    _alive: crossbeam_channel::Sender<()>,
}

impl Token {
    /// A token, and a receiver that disconnects when the last holder lets go.
    pub(super) fn new() -> (Arc<Self>, crossbeam_channel::Receiver<()>) {
        let (alive, gone) = crossbeam_channel::bounded(1);
        (Arc::new(Self { _alive: alive }), gone)
    }
}

/// What travels between threads.
pub(super) enum Parcel {
    /// A packet.
    Packet(Box<Packet>, Option<Arc<Token>>),
    /// This branch has nothing for this bundle, so nobody needs to wait for it.
    Skip(u64),
}

impl Parcel {
    fn seq(&self) -> u64 {
        match self {
            Self::Packet(p, _) => p.head.seq,
            Self::Skip(seq) => *seq,
        }
    }
}

/// A packet, how long it waited, and the token of its bundle.
pub(super) type Taken = (Box<Packet>, Duration, Option<Arc<Token>>);

pub(super) struct Intake {
    lanes: Vec<Lane>,
    joined: bool,
    ready: VecDeque<Taken>,
}

struct Lane {
    inlet: Inlet<Parcel>,
    head: Option<(Parcel, Duration)>,
    open: bool,
}

impl Intake {
    /// `joined`: by bundle, in order.
    pub(super) fn new(inlets: Vec<Inlet<Parcel>>, joined: bool) -> Self {
        let lanes = inlets.into_iter().map(|inlet| Lane { inlet, head: None, open: true }).collect();
        Self { lanes, joined, ready: VecDeque::new() }
    }
    /// The next packet; `None` when nothing will come.
    pub(super) fn next(&mut self) -> Option<Taken> {
        loop {
            if let Some(taken) = self.ready.pop_front() {
                return Some(taken);
            }
            if self.lanes.iter().all(|l| !l.open && l.head.is_none()) {
                return None;
            }
            if self.joined { self.join() } else { self.poll() }
        }
    }
    fn poll(&mut self) {
        if let [lane] = self.lanes.as_mut_slice() {
            lane.fill(LOOK);
        } else {
            Inlet::wait_any(self.lanes.iter().filter(|l| l.open).map(|l| &l.inlet), LOOK);
            self.lanes.iter_mut().for_each(|l| l.fill(Duration::ZERO));
        }
        for lane in &mut self.lanes {
            if let Some((Parcel::Packet(packet, token), waited)) = lane.head.take() {
                self.ready.push_back((packet, waited, token));
            }
        }
    }
    fn join(&mut self) {
        for lane in &mut self.lanes {
            while lane.open && lane.head.is_none() {
                lane.fill(LOOK);
            }
        }
        let Some(seq) = self.lanes.iter().filter_map(|l| l.head.as_ref().map(|(p, _)| p.seq())).min() else { return };
        let mut joined: Option<Taken> = None;
        for lane in &mut self.lanes {
            if lane.head.as_ref().is_none_or(|(p, _)| p.seq() != seq) {
                continue;
            }
            if let Some((Parcel::Packet(packet, token), waited)) = lane.head.take() {
                match &mut joined {
                    None => joined = Some((packet, waited, token)),
                    Some((into, longest, _)) => {
                        merge(into, *packet);
                        *longest = waited.max(*longest);
                    }
                }
            }
        }
        self.ready.extend(joined);
    }
}

impl Lane {
    fn fill(&mut self, limit: Duration) {
        if !self.open || self.head.is_some() {
            return;
        }
        match if limit.is_zero() { self.inlet.poll() } else { self.inlet.receive(limit) } {
            Received::Item(parcel, waited) => self.head = Some((parcel, waited)),
            Received::Nothing => {}
            Received::Closed => self.open = false,
        }
    }
}

/// Adds what another branch found about the same bundle; frames are those of the first branch.
fn merge(into: &mut Packet, other: Packet) {
    // A stage may have several outcomes; only those of stages that both branches passed come twice.
    let known = into.outcomes.len();
    for (name, outcome) in other.outcomes {
        if !into.outcomes.iter().take(known).any(|(n, _)| *n == name) {
            into.outcomes.push((name, outcome));
        }
    }
    for time in other.head.lineage.stages {
        if !into.head.lineage.stages.iter().any(|t| t.stage == time.stage) {
            into.head.lineage.stages.push(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Bundle, Control, Head, Outcome, SensorTime};

    #[test]
    fn every_outcome_of_every_branch_is_there_once() {
        let packet = |stages: &[&str]| {
            let bundle = Bundle { at: SensorTime::default(), frames: Vec::new(), presence: Vec::new(), skew: Duration::ZERO };
            let outcomes = stages.iter().map(|s| (Arc::from(*s), Outcome::Control(Control::default()))).collect();
            Packet { head: Head::default(), bundle: Arc::new(bundle), outcomes }
        };
        // Both branches passed `common`; the second one's own stage found out two things.
        let mut first = packet(&["common", "a"]);
        merge(&mut first, packet(&["common", "b", "b"]));
        let names: Vec<&str> = first.outcomes.iter().map(|(n, _)| &**n).collect();
        assert_eq!(names, ["common", "a", "b", "b"]);
    }
}
