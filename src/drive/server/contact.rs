//! Who touches whom.
//!
//! *In*: guests after they moved, the world's movers, the town's obstacles. *Out*: hits, on the wire's axes. *Invariant*: a guest is
//! tested against everything near it, once a step, in the order of ids.

use super::guests::{Blocker, Guest};
use super::{Loaded, catalogue};
use crate::carla::axes;
use crate::carla::server::{Hit, Other};
use crate::world::model::{Instance, Snapshot};
use crate::world::motion::Model;
use crate::world::scene::Footprint;
use nalgebra::Vector3;

const NEAR: f64 = 14.0;

fn footprint(m: &Instance) -> Footprint {
    let ahead = m.pose.rotation * Vector3::x();
    Footprint {
        centre: [m.pose.translation.x, m.pose.translation.y],
        heading: ahead.y.atan2(ahead.x),
        half: [m.body.size[0] / 2.0, m.body.size[1] / 2.0],
    }
}

fn close(a: &Footprint, b: &Footprint) -> bool {
    (a.centre[0] - b.centre[0]).hypot(a.centre[1] - b.centre[1]) < NEAR
}

/// Whether something stands where a guest should.
pub(super) fn blocked(here: &Loaded, guest: &Guest) -> bool {
    let f = guest.footprint();
    let movers = here.now.movers.iter().map(footprint).any(|o| close(&f, &o) && f.overlap(&o).is_some());
    movers || here.town.obstacles_near(f.centre, NEAR).any(|o| f.overlap(&o.footprint).is_some())
}

/// Pushes guests out of what they ran into.
pub(super) fn resolve(here: &mut Loaded, now: &Snapshot) -> Vec<Hit> {
    let ids: Vec<u32> = here.guests.keys().copied().collect();
    let mut hits = Vec::new();
    for id in ids {
        let Some(mut guest) = here.guests.get(&id).cloned().filter(|g| g.collides && !g.autopilot && (g.drives() || g.walks())) else {
            continue;
        };
        let mine = guest.footprint();
        let mut against: Vec<(Other, Blocker)> = Vec::new();
        for o in here.town.obstacles_near(mine.centre, NEAR) {
            let (name, tag) = catalogue::fixed_name(o.class);
            against.push((Other::Fixed(name, tag), Blocker { footprint: o.footprint, velocity: [0.0; 2], mass: f64::INFINITY }));
        }
        for m in &now.movers {
            let footprint = footprint(m);
            if close(&mine, &footprint) {
                let mass =
                    if m.body.class == Some("pedestrian") { 75.0 } else { Model::of(m.body.class.unwrap_or("car"), m.body.size[0]).mass };
                against.push((Other::Actor(m.id), Blocker { footprint, velocity: [m.velocity[0], m.velocity[1]], mass }));
            }
        }
        for g in here.own_guests().filter(|g| g.id != id && g.collides) {
            let mass = if g.walks() {
                75.0
            } else if g.drives() {
                g.model.mass
            } else {
                20.0
            };
            against.push((Other::Actor(g.id), Blocker { footprint: g.footprint(), velocity: g.velocity(), mass }));
        }
        for (other, blocker) in against {
            let Some(impulse) = guest.run_into(&blocker) else { continue };
            if let Other::Actor(struck) = other
                && let Some(g) = here.guests.get_mut(&struck)
                && g.drives()
            {
                let v = g.velocity();
                g.push([v[0] - impulse[0] / g.model.mass, v[1] - impulse[1] / g.model.mass]);
            }
            hits.push(Hit { actor: id, other, impulse: axes::to_vector(&Vector3::new(impulse[0], impulse[1], 0.0)) });
        }
        here.guests.insert(id, guest);
    }
    hits
}
