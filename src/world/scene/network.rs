//! The road network: roads with lanes, junctions with turning connections, crossings, lights and walks.
//!
//! *In / Out*: plain data in the plane of the world, metres, radians, m/s; traffic keeps right. Roads have a reference line in
//! their middle; lane -1, -2 ... run with it on its right, 1, 2 ... against it on its left (OpenDRIVE's numbering).
//! *Invariant*: an id is an index into its list; a lane ends where each of its successors starts.

use super::curve::{Curve, Station};
use super::grid::Grid;

/// Index of a lane.
pub type LaneId = usize;

/// What a connection through a junction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Turn {
    /// Turns left.
    Left,
    /// Turns right.
    Right,
    /// Goes on.
    Straight,
}

/// What holds a lane at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Nothing: it has priority, or all are equal and the right comes first.
    Free,
    /// The traffic light of this index.
    Light(usize),
    /// A stop sign.
    Stop,
    /// A give-way sign.
    Yield,
}

/// One lane, in its direction of travel.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// Its index.
    pub id: LaneId,
    /// Road id: index of the road, or beyond all roads for a connection through a junction.
    pub road: usize,
    /// Lane number in its road.
    pub number: i32,
    /// Centre line, in the direction of travel.
    pub centre: Curve,
    /// Metres.
    pub width: f64,
    /// Speed limit, m/s.
    pub limit: f64,
    /// The junction it crosses, for connections.
    pub junction: Option<usize>,
    /// What it does there.
    pub turn: Turn,
    /// Lanes that go on from its end.
    pub next: Vec<LaneId>,
    /// Lanes that end at its start.
    pub previous: Vec<LaneId>,
    /// Neighbour on the left in the same direction, for lane changes.
    pub left: Option<LaneId>,
    /// Neighbour on the right in the same direction.
    pub right: Option<LaneId>,
    /// The junction at its end, for lanes of roads; its own junction for connections.
    pub to: usize,
    /// What holds it at its end.
    pub rule: Rule,
    /// Where its stop line begins, metres along it.
    pub stop: f64,
    /// Crossings over it: index, start and end along the lane.
    pub crossings: Vec<(usize, [f64; 2])>,
    /// For connections: others whose paths touch.
    pub conflicts: Vec<Conflict>,
}

/// Two connections that cannot be driven at once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conflict {
    /// The other connection.
    pub other: LaneId,
    /// Where it touches, along this lane.
    pub mine: [f64; 2],
    /// Where it touches, along the other.
    pub theirs: [f64; 2],
    /// Whether the other goes first where no light and no sign decides: it comes from the right, or goes on while this turns left.
    pub other_first: bool,
}

/// A road between two junctions.
#[derive(Debug, Clone, PartialEq)]
pub struct Road {
    /// Its index.
    pub id: usize,
    /// Reference line.
    pub centre: Curve,
    /// Lanes with the reference line, from the middle outwards.
    pub forward: Vec<LaneId>,
    /// Lanes against it, from the middle outwards.
    pub backward: Vec<LaneId>,
    /// Width of a lane.
    pub lane_width: f64,
    /// Width of the parking strip on both sides, 0 without.
    pub parking: f64,
    /// Middle to kerb.
    pub half: f64,
    /// Width of the side walks.
    pub walk: f64,
    /// Junction at the start, and the arm there.
    pub from: [usize; 2],
    /// Junction at the end, and the arm there.
    pub to: [usize; 2],
    /// Whether it is a main street.
    pub major: bool,
}

/// One mouth of a junction.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm {
    /// The road.
    pub road: usize,
    /// Whether the junction is at the road's start.
    pub at_start: bool,
    /// Middle of the mouth, heading outwards.
    pub mouth: Station,
    /// Middle to kerb.
    pub half: f64,
    /// Width of the side walks.
    pub walk: f64,
    /// Lanes that arrive, from the middle outwards.
    pub incoming: Vec<LaneId>,
    /// Lanes that leave.
    pub outgoing: Vec<LaneId>,
    /// What holds the arriving lanes.
    pub rule: Rule,
    /// The crossing over this arm.
    pub crossing: Option<usize>,
}

/// Where roads meet.
#[derive(Debug, Clone, PartialEq)]
pub struct Junction {
    /// Its index.
    pub id: usize,
    /// Its middle.
    pub centre: [f64; 2],
    /// Its mouths, counter-clockwise.
    pub arms: Vec<Arm>,
    /// Kerb lines from the left kerb of each arm to the right kerb of the next; the side walk is on their right.
    pub corners: Vec<Curve>,
    /// Connections through it.
    pub connections: Vec<LaneId>,
    /// Its lights' cycle, if it has lights.
    pub cycle: Option<Cycle>,
    /// Radius of a circle around all its mouths.
    pub radius: f64,
}

/// The programme of a junction's lights: phases one after the other, each green, then yellow, then all red.
#[derive(Debug, Clone, PartialEq)]
pub struct Cycle {
    /// Seconds of green of each phase.
    pub green: Vec<f64>,
    /// Seconds of yellow.
    pub yellow: f64,
    /// Seconds of red for all.
    pub clear: f64,
    /// Seconds by which the programme is ahead at time 0.
    pub offset: f64,
}

/// The traffic light of one arm: all its lanes see the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Light {
    /// Its index.
    pub id: usize,
    /// Its junction.
    pub junction: usize,
    /// The arm it holds.
    pub arm: usize,
    /// Phase in which it is green.
    pub phase: usize,
    /// Lanes it holds.
    pub lanes: Vec<LaneId>,
    /// The instances that show it (near and far side).
    pub instances: Vec<u32>,
}

/// A painted crossing over one arm of a junction.
#[derive(Debug, Clone, PartialEq)]
pub struct Crossing {
    /// Its index.
    pub id: usize,
    /// The junction beside it.
    pub junction: usize,
    /// The arm it crosses.
    pub arm: usize,
    /// The road it crosses.
    pub road: usize,
    /// Between which distances along the road.
    pub span: [f64; 2],
    /// Middle line from kerb to kerb.
    pub centre: Curve,
    /// The light of the vehicles it crosses.
    pub light: Option<usize>,
}

/// A piece of walk between two places.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// Place at the start.
    pub from: usize,
    /// Place at the end.
    pub to: usize,
    /// Middle line.
    pub centre: Curve,
    /// Free width.
    pub width: f64,
    /// The crossing it is, if it is one.
    pub crossing: Option<usize>,
}

/// Everything that vehicles and walkers follow.
#[derive(Debug, Clone, Default)]
pub struct Network {
    /// Roads.
    pub roads: Vec<Road>,
    /// Lanes of roads first, then connections.
    pub lanes: Vec<Lane>,
    /// Junctions.
    pub junctions: Vec<Junction>,
    /// Lights.
    pub lights: Vec<Light>,
    /// Crossings.
    pub crossings: Vec<Crossing>,
    /// Walks.
    pub walks: Vec<Walk>,
    /// Walks at each place: index, and whether it starts there.
    pub places: Vec<Vec<(usize, bool)>>,
    /// Where the lanes are.
    pub(crate) near: Grid,
}

impl Network {
    /// The nearest lane to a point: lane, distance along it, lateral distance to the left. With a heading, lanes of that direction are preferred.
    pub fn locate(&self, p: [f64; 2], heading: Option<f64>) -> Option<(LaneId, f64, f64)> {
        let mut best: Option<(f64, (LaneId, f64, f64))> = None;
        for id in self.near.around(p, 6.0) {
            let Some(lane) = self.lanes.get(id) else { continue };
            let (s, left) = lane.centre.project(p);
            let at = lane.centre.at(s);
            let mut cost = (at.x - p[0]).hypot(at.y - p[1]);
            if let Some(heading) = heading {
                // Metres per radian: a lane driven the wrong way must be much nearer to be meant.
                cost += 3.0 * super::curve::wrap(at.heading - heading).abs();
            }
            // Of two that overlap, the road's own lane before a connection.
            cost += if lane.junction.is_some() { 0.05 } else { 0.0 };
            if best.is_none_or(|(least, _)| cost < least) {
                best = Some((cost, (id, s, left)));
            }
        }
        best.map(|(_, found)| found)
    }
    /// The lane of an id.
    pub fn lane(&self, id: LaneId) -> Option<&Lane> {
        self.lanes.get(id)
    }
    /// The place at a distance along a lane.
    pub fn at(&self, id: LaneId, s: f64) -> Option<Station> {
        self.lanes.get(id).map(|l| l.centre.at(s))
    }
    /// The arm that a lane arrives at.
    pub fn arm_of(&self, lane: &Lane) -> Option<&Arm> {
        self.junctions.get(lane.to)?.arms.iter().find(|a| a.incoming.contains(&lane.id))
    }
}
