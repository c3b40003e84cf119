//! Road paint: middle lines, lane lines, edges of parking strips, stop lines, zebras, arrows.
//!
//! *In / Out*: the network; triangles at road level on the paint's layer. *Invariant*: paint never covers the inside of a junction.

use super::ground::{Ground, STEP_BACK, WHITE, YELLOW};
use super::network::{Lane, Network, Road, Rule, Turn};

const LINE: f64 = 0.13;

/// Lines along a road.
pub(crate) fn road(ground: &mut Ground, net: &Network, road: &Road) {
    let length = road.centre.length();
    let stop = |arrive: &[usize]| arrive.first().and_then(|l| net.lanes.get(*l)).map_or(STEP_BACK, |l| l.centre.length() - l.stop);
    // Lines start behind the crossings of both ends.
    let span = [stop(&road.backward), length - stop(&road.forward)];
    let drive = road.half - road.parking;
    if road.major {
        for left in [-0.11, 0.11] {
            ground.ribbon(&road.centre, span, [left - LINE / 2.0, left + LINE / 2.0], 0.0, YELLOW);
        }
    } else {
        // Solid near junctions, broken between.
        let solid = 15.0f64.min((span[1] - span[0]) / 4.0);
        for part in [[span[0], span[0] + solid], [span[1] - solid, span[1]]] {
            ground.ribbon(&road.centre, part, [-LINE / 2.0, LINE / 2.0], 0.0, WHITE);
        }
        ground.dashes(&road.centre, [span[0] + solid + 3.0, span[1] - solid], 0.0, LINE, [3.0, 4.5], WHITE);
    }
    for sign in [-1.0, 1.0] {
        for k in 1..road.forward.len() {
            ground.dashes(&road.centre, span, sign * k as f64 * road.lane_width, LINE, [3.0, 6.0], WHITE);
        }
        if road.parking > 0.0 {
            ground.dashes(&road.centre, span, sign * drive, LINE, [0.6, 0.6], WHITE);
        } else {
            let edge = sign * (drive - 0.22);
            ground.ribbon(&road.centre, span, [edge - LINE / 2.0, edge + LINE / 2.0], 0.0, WHITE);
        }
    }
    for lane in road.forward.iter().chain(&road.backward).filter_map(|l| net.lanes.get(*l)) {
        stop_line(ground, lane);
        if road.major {
            arrow(ground, net, lane);
        }
    }
}

fn stop_line(ground: &mut Ground, lane: &Lane) {
    let half = lane.width / 2.0 - 0.08;
    match lane.rule {
        Rule::Light(_) | Rule::Stop => ground.ribbon(&lane.centre, [lane.stop, lane.stop + 0.45], [-half, half], 0.0, WHITE),
        Rule::Yield => {
            // Teeth that point at who arrives.
            let count = (2.0 * half / 0.75).floor();
            let mut i = 0.0;
            while i < count {
                let left = -half + (i + 0.5) * 2.0 * half / count;
                let base = lane.centre.at(lane.stop + 0.6);
                let tip = lane.centre.at(lane.stop).beside(left);
                ground.flat(&[tip, base.beside(left - 0.28), base.beside(left + 0.28)], 0.0, WHITE);
                i += 1.0;
            }
        }
        Rule::Free => {}
    }
}

/// Arrows for the turns that a lane may take.
fn arrow(ground: &mut Ground, net: &Network, lane: &Lane) {
    let turns: Vec<Turn> = lane.next.iter().filter_map(|n| net.lanes.get(*n)).map(|l| l.turn).collect();
    for back in [9.0, 30.0] {
        let tail = lane.stop - back;
        if tail < 12.0 {
            continue;
        }
        let at = |along: f64, left: f64| lane.centre.at(tail + along).beside(left);
        let straight = turns.contains(&Turn::Straight);
        let shaft = if straight { 3.0 } else { 2.4 };
        ground.ribbon(&lane.centre, [tail, tail + shaft], [-0.09, 0.09], 0.0, WHITE);
        if straight {
            ground.flat(&[at(3.0, -0.35), at(4.6, 0.0), at(3.0, 0.35)], 0.0, WHITE);
        }
        for (turn, sign) in [(Turn::Left, 1.0), (Turn::Right, -1.0)] {
            if turns.contains(&turn) {
                let mut bar = [at(1.6, 0.0), at(2.2, sign * 0.62), at(2.6, sign * 0.62), at(2.0, 0.0)];
                let mut head = [at(1.85, sign * 0.6), at(2.4, sign * 1.25), at(2.95, sign * 0.6)];
                if super::polygon::area(&bar) < 0.0 {
                    bar.reverse();
                }
                if super::polygon::area(&head) < 0.0 {
                    head.reverse();
                }
                ground.flat(&bar, 0.0, WHITE);
                ground.flat(&head, 0.0, WHITE);
            }
        }
    }
}

/// Zebras: bars along the road across its whole width.
pub(crate) fn crossings(ground: &mut Ground, net: &Network) {
    for crossing in &net.crossings {
        let Some(road) = net.roads.get(crossing.road) else { continue };
        let bars = (2.0 * road.half / 1.0).floor();
        let mut i = 0.0;
        while i < bars {
            let left = -road.half + (i + 0.5) * 2.0 * road.half / bars;
            ground.ribbon(&road.centre, crossing.span, [left - 0.25, left + 0.25], 0.0, WHITE);
            i += 1.0;
        }
    }
}
