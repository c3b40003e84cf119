//! How fast to go: the intelligent driver model behind whoever is ahead, and stops where rules demand them.
//!
//! Acceleration after Treiber, Hennecke and Helbing 2000. *In / Out*: a vehicle's way ahead, what is near it; an acceleration, m/s^2.
//! *Invariant*: decisions of all vehicles are taken from the same instant, so their order does not matter.

use super::track::Ahead;
use super::vehicle::Vehicle;
use crate::world::scene::{Footprint, Network, wrap};

/// Something that moves, as others see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Thing {
    pub(crate) id: u32,
    pub(crate) footprint: Footprint,
    pub(crate) velocity: [f64; 2],
    pub(crate) walker: bool,
    /// Whether somebody outside moves it.
    pub(crate) visitor: bool,
}

/// Comfortable braking, m/s^2.
pub(crate) const COMFORT: f64 = 2.0;

/// Acceleration of the intelligent driver model; `gap` from bumper to bumper.
pub(crate) fn follow(v: &Vehicle, desired: f64, gap: Option<(f64, f64)>) -> f64 {
    let m = &v.manner;
    let speed = v.state.speed.max(0.0);
    let free = if speed <= desired {
        m.acceleration * (1.0 - (speed / desired.max(0.1)).powi(4))
    } else {
        -COMFORT * (1.0 - (desired / speed).powi(2)).min(1.0) * 1.5
    };
    let Some((gap, other)) = gap else { return free };
    let closing = speed - other;
    let wanted = m.distance + (speed * m.headway + speed * closing / (2.0 * (m.acceleration * COMFORT).sqrt())).max(0.0);
    let near = -m.acceleration * (wanted / gap.max(0.05)).powi(2);
    (free.min(m.acceleration) + near).max(-9.0)
}

/// Acceleration that stops the front at a line `gap` ahead.
pub(crate) fn stop_at(v: &Vehicle, gap: f64) -> f64 {
    let speed = v.state.speed.max(0.0);
    let needed = speed * speed / (2.0 * gap.max(0.05));
    // Brake late and evenly rather than creep: the driver model towards a standing car at the line.
    if gap < 0.3 {
        -4.0_f64.max(needed)
    } else {
        follow(v, f64::INFINITY, Some((gap + v.manner.distance - 0.4, 0.0))).min(if needed > 1.2 { -needed } else { f64::INFINITY })
    }
}

/// Nearest thing on the way: bumper-to-bumper gap and its speed along the way.
pub(crate) fn leader(v: &Vehicle, ahead: &[Ahead], things: &[Thing]) -> Option<(f64, f64)> {
    let mut best: Option<(f64, f64)> = None;
    for t in things.iter().filter(|t| t.id != v.id) {
        // A stranger who waits for somebody must not be waited for where there is room to pass.
        if t.visitor && t.velocity[0].hypot(t.velocity[1]) < 0.1 && !in_the_way(v, ahead, t) {
            continue;
        }
        // Long ones in parts: their ends may be on the way where their middle is not.
        let parts: &[f64] = if t.footprint.half[0] > 3.2 { &[-0.667, 0.0, 0.667] } else { &[0.0] };
        for part in parts {
            let Some(found) = on_way(v, ahead, t, *part, if parts.len() > 1 { 1.0 / 3.0 } else { 1.0 }) else { continue };
            if best.is_none_or(|(g, _)| found.0 < g) {
                best = Some(found);
            }
        }
    }
    best
}

/// Whether a vehicle on its way would touch a thing that stays where it is.
fn in_the_way(v: &Vehicle, ahead: &[Ahead], t: &Thing) -> bool {
    let [_, half_width] = v.half();
    let slab = |a: &Ahead| Footprint { centre: a.at.point(), heading: a.at.heading, half: [0.9, half_width + 0.3] };
    ahead.iter().any(|a| slab(a).overlap(&t.footprint).is_some())
}

/// A part of a thing, if it is on the way: gap and speed along it.
fn on_way(v: &Vehicle, ahead: &[Ahead], t: &Thing, part: f64, share: f64) -> Option<(f64, f64)> {
    let [half_length, half_width] = v.half();
    let [hl, hw] = [t.footprint.half[0] * share, t.footprint.half[1]];
    let mut p = t.footprint.centre;
    if part != 0.0 {
        let (sin, cos) = t.footprint.heading.sin_cos();
        let shift = part * t.footprint.half[0];
        p = [p[0] + cos * shift, p[1] + sin * shift];
    }
    let nearest = ahead.iter().map(|a| ((a.at.x - p[0]).powi(2) + (a.at.y - p[1]).powi(2), a));
    let (far, a) = nearest.min_by(|a, b| a.0.total_cmp(&b.0))?;
    if far > (hl + hw + half_width + 2.5).powi(2) {
        return None;
    }
    let (sin, cos) = a.at.heading.sin_cos();
    let [dx, dy] = [p[0] - a.at.x, p[1] - a.at.y];
    let (along, left) = (dx * cos + dy * sin, dy * cos - dx * sin);
    let turn = wrap(t.footprint.heading - a.at.heading);
    let (reach, side) = (hl * turn.cos().abs() + hw * turn.sin().abs(), hl * turn.sin().abs() + hw * turn.cos().abs());
    // Oncoming traffic keeps to its own side; a hand's breadth is enough to pass.
    let room = if t.walker {
        0.55
    } else if turn.cos() < -0.7 {
        0.05
    } else {
        0.3
    };
    let distance = a.distance + along;
    // What is beside or behind the middle is nobody to follow.
    if left.abs() > half_width + side + room || distance < 0.3 * half_length {
        return None;
    }
    let speed = t.velocity[0] * cos + t.velocity[1] * sin;
    Some((distance - half_length - reach, speed.max(0.0)))
}

/// The speed that limits and bends ahead allow now.
pub(crate) fn allowed(v: &Vehicle, net: &Network) -> f64 {
    let pace = v.manner.pace;
    let mut most = f64::INFINITY;
    for (start, lane) in v.track.lanes_ahead(net) {
        let before = start.max(0.0);
        if before > 60.0 {
            break;
        }
        let slow = if v.class() == "bicycle" { lane.limit.min(5.5) } else { lane.limit };
        let mut limit = slow * pace;
        for piece in lane.centre.pieces() {
            // Side acceleration of 2.2 m/s^2 in bends.
            limit = limit.min((2.2 / piece.start.curvature.abs().max(1e-4)).sqrt());
        }
        most = most.min((limit * limit + 2.0 * 1.4 * before).sqrt());
    }
    most
}
