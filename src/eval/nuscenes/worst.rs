//! The errors that are worth a look: objects that were missed, boxes where nothing is, boxes that sit badly.
//!
//! *In*: tables, truth, matches. *Out*: [`Flaw`]s, the worst of each kind first. *Invariant*: a missed object is worse the
//! more points it has, a false box the surer it is, a hit the farther off it lies.

use super::matching::{ClassMatches, ERROR_DISTANCE};
use super::truth::GroundTruth;
use crate::formats::nuscenes::Tables;
use crate::types::num;
use std::collections::BTreeSet;

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlawKind {
    /// An object without a hit.
    Missed,
    /// A box without an object.
    False,
    /// A hit that lies badly.
    Misplaced,
}

impl FlawKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Missed, Self::False, Self::Misplaced];
    /// For people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missed => "Missed objects",
            Self::False => "False boxes",
            Self::Misplaced => "Badly placed boxes",
        }
    }
}

/// One error.
#[derive(Debug, Clone, PartialEq)]
pub struct Flaw {
    /// What is wrong.
    pub kind: FlawKind,
    /// Place of the sample.
    pub frame: u32,
    /// Class.
    pub class: &'static str,
    /// Place of the object, where there is one.
    pub object: Option<u32>,
    /// Place of the box in the file, where there is one.
    pub found: Option<u32>,
    /// How bad: points, score or metres.
    pub weight: f64,
    /// Errors of a hit: centre (m), size, turn (rad), speed (m/s), attribute.
    pub errors: Option<[f64; 5]>,
}

/// The `most` worst of each kind.
pub fn worst(tables: &Tables, truth: &GroundTruth, matches: &[ClassMatches], most: usize) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let mut hit = BTreeSet::new();
    for class in matches {
        let name = super::classes::name(class.class);
        let mut errors = class.errors.iter();
        for candidate in &class.candidates {
            let (frame, found) = (candidate.predicted.frame, Some(candidate.predicted.box_at));
            let at = |distance: usize| candidate.hits.get(distance).copied().flatten();
            match at(ERROR_DISTANCE) {
                Some(object) => {
                    hit.insert(object);
                    let errors = errors.next().map(|(_, e)| *e);
                    let weight = errors.map_or(0.0, |[centre, ..]| centre);
                    flaws.push(Flaw { kind: FlawKind::Misplaced, frame, class: name, object: Some(object), found, weight, errors });
                }
                // One that lies within 4 m of its object is not out of thin air.
                None if at(ERROR_DISTANCE + 1).is_none() => {
                    let weight = candidate.score;
                    flaws.push(Flaw { kind: FlawKind::False, frame, class: name, object: None, found, weight, errors: None });
                }
                None => {}
            }
        }
    }
    for (frame, place) in truth.frames.iter().zip(0_u32..) {
        for (at, object) in (num::u32(frame.objects.start)..).zip(truth.objects.get(frame.objects.clone()).unwrap_or_default()) {
            if !hit.contains(&at) {
                let annotation = tables.annotations.rows().get(num::usize(object.annotation));
                let weight = annotation.map_or(0.0, |a| (a.num_lidar_pts + a.num_radar_pts) as f64);
                let class = super::classes::name(object.class);
                flaws.push(Flaw { kind: FlawKind::Missed, frame: place, class, object: Some(at), found: None, weight, errors: None });
            }
        }
    }
    // The files' orders break ties, so that the list is the same every time.
    flaws.sort_by(|a, b| a.kind.cmp(&b.kind).then(b.weight.total_cmp(&a.weight)));
    let mut kept = Vec::new();
    for kind in FlawKind::ALL {
        kept.extend(flaws.iter().filter(|f| f.kind == kind).take(most).cloned());
    }
    kept
}
