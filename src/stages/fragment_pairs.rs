//! What the stages that pair fragments share: the pieces seen so far, the best fits of a new one among them, and how both are sent on.
//!
//! *In*: pieces, one after the other. *Out*: `Outcome::Matches` (each piece as the source of its fits, best first) and, where there is a fit, the
//! best pair put together as `Outcome::Fused`. *Invariant*: memory is bounded: of more than [`Limits::remember`] pieces the oldest is forgotten.

use super::pick;
use crate::heads::fragments::{Compare, Fit, Known, Rules, Shape, fit, placed};
use crate::runtime::Outlet;
use crate::types::{Error, FragmentMatch, Outcome, Packet, Result, SensorId};
use std::collections::VecDeque;
use std::sync::Arc;

/// How far is searched and what is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Pieces kept for comparison.
    pub(super) remember: usize,
    /// Likeliest neighbours that a new piece is matched with.
    pub(super) candidates: usize,
    /// Least score of a fit that is sent on.
    pub(super) least_score: f32,
}

impl Limits {
    /// The same, if they make sense.
    pub(super) fn checked(self, place: &str) -> Result<Self> {
        if self.remember == 0 || self.candidates == 0 || !(0.0..=1.0).contains(&self.least_score) {
            let found = format!("remember {}, candidates {}, least_score {}", self.remember, self.candidates, self.least_score);
            return Err(Error::mismatch("remember and candidates of 1 or more, a least_score in 0..=1", found, place));
        }
        Ok(self)
    }
}

/// The pieces so far.
#[derive(Debug)]
pub(super) struct Table {
    compare: Compare,
    pieces: VecDeque<(Shape, Known)>,
    limits: Limits,
    rules: Rules,
}

impl Table {
    pub(super) const fn new(compare: Compare, limits: Limits, rules: Rules) -> Self {
        Self { compare, pieces: VecDeque::new(), limits, rules }
    }

    /// Compares the packet's piece with those before it and sends the packet on.
    pub(super) fn process(&mut self, sensor: SensorId, mut packet: Packet, out: &mut Outlet<'_>) -> Result<()> {
        let bundle = Arc::clone(&packet.bundle);
        if let Some(frame) = bundle.frame(sensor) {
            let piece = pick::fragment(frame)?;
            let shape = Shape::of(Arc::clone(piece)).map_err(|e| e.at(format!("sensor `{sensor}`")))?;
            let known = self.compare.know(&shape)?;
            let fits = self.fits(&shape, &known)?;
            let matches = fits.iter().map(|(other, fit)| FragmentMatch {
                target: other.fragment.name.clone(),
                source: piece.name.clone(),
                transform: fit.motion.rows(),
                score: fit.score,
            });
            packet.outcomes.push((out.stage(), Outcome::Matches(Arc::new(matches.collect()))));
            if let Some((other, best)) = fits.first() {
                let picture = placed(&shape.fragment, &other.fragment, &best.motion)?;
                packet.outcomes.push((out.stage(), Outcome::Fused(Arc::new(picture))));
            }
            self.remember(shape, known);
        }
        out.send(packet);
        Ok(())
    }

    fn fits(&self, shape: &Shape, known: &Known) -> Result<Vec<(Shape, Fit)>> {
        // Of equally likely ones the latest comes first.
        let mut likely: Vec<(f32, &(Shape, Known))> = self.pieces.iter().rev().map(|piece| (known.likely(&piece.1), piece)).collect();
        likely.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut fits = Vec::new();
        for (_, (other, other_known)) in likely.into_iter().take(self.limits.candidates) {
            let similarity = self.compare.similarity(known, other_known)?;
            let found = fit(&similarity, shape, other, &self.rules)?;
            fits.extend(found.filter(|f| f.score >= self.limits.least_score).map(|f| (other.clone(), f)));
        }
        fits.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
        Ok(fits)
    }

    /// Keeps a piece; one that is seen again (a folder played in a loop) takes the place of its former self.
    fn remember(&mut self, shape: Shape, known: Known) {
        self.pieces.retain(|(old, _)| old.fragment.name != shape.fragment.name);
        self.pieces.push_back((shape, known));
        while self.pieces.len() > self.limits.remember {
            self.pieces.pop_front();
        }
    }
}
