//! Collisions: oriented boxes of vehicles against each other, against walkers and against what stands around.
//!
//! *In / Out*: vehicles after a step; the same, pushed apart, with speeds after an inelastic impulse along the contact's normal, and what
//! touched what. *Invariant*: after it no driven vehicle is in another one or in an obstacle by more than a step's motion.

use super::events::EventKind;
use super::vehicle::{Driver, Vehicle};
use super::world::World;
use crate::world::scene::Footprint;

/// How much of the closing speed comes back.
const BOUNCE: f64 = 0.1;

/// A contact: who, with what, and the closing speed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contact {
    pub(crate) actor: u32,
    pub(crate) other: u32,
    pub(crate) kind: EventKind,
    /// Closing speed times effective mass, N s.
    pub(crate) impulse: f64,
}

/// Changes a vehicle's forward speed by an impulse and moves it along the normal.
fn push(v: &mut Vehicle, [nx, ny]: [f64; 2], impulse: f64, depth: f64) {
    let (sin, cos) = v.state.heading.sin_cos();
    v.state.speed += impulse / v.model.mass * (nx * cos + ny * sin);
    v.state.x += nx * depth;
    v.state.y += ny * depth;
}

impl World {
    /// Finds and answers contacts.
    pub(crate) fn collide(&mut self) -> Vec<Contact> {
        let mut found = Vec::new();
        for i in 0..self.vehicles.len() {
            let Some(a) = self.vehicles.get(i) else { continue };
            let (p, fa, reach) = ([a.state.x, a.state.y], a.footprint(), a.half()[0] + 8.0);
            let driven = a.driver != Driver::Traffic;
            let others: Vec<usize> = self.near.around(p, reach).into_iter().filter(|j| *j > i || *j >= self.vehicles.len()).collect();
            for j in others {
                if j < self.vehicles.len() {
                    self.meet(i, j, &fa, &mut found);
                } else {
                    self.touch(i, j - self.vehicles.len(), &fa, &mut found);
                }
            }
            if driven {
                self.bump(i, &mut found);
            }
        }
        found
    }
    fn meet(&mut self, i: usize, j: usize, fa: &Footprint, found: &mut Vec<Contact>) {
        let (Some(a), Some(b)) = (self.vehicles.get(i), self.vehicles.get(j)) else { return };
        let Some((depth, n)) = fa.overlap(&b.footprint()) else { return };
        let (va, vb) = (a.state.velocity(), b.state.velocity());
        let closing = ((vb[0] - va[0]) * n[0] + (vb[1] - va[1]) * n[1]).max(0.0);
        let (ma, mb) = (a.model.mass, b.model.mass);
        let impulse = (1.0 + BOUNCE) * closing * ma * mb / (ma + mb);
        found.push(Contact { actor: a.id, other: b.id, kind: EventKind::CollisionVehicle, impulse });
        let share = mb / (ma + mb);
        for (k, sign, part) in [(i, 1.0, share), (j, -1.0, 1.0 - share)] {
            if let Some(v) = self.vehicles.get_mut(k) {
                if v.driver == Driver::Traffic {
                    // Traffic that was hit leaves its rails: it stops, and the expert takes it on.
                    v.driver = Driver::Expert;
                    v.cruises = true;
                }
                if v.driver == Driver::Expert {
                    v.shaken = 3.0;
                }
                push(v, [n[0] * sign, n[1] * sign], impulse, depth * part);
            }
        }
    }
    fn touch(&mut self, i: usize, k: usize, fa: &Footprint, found: &mut Vec<Contact>) {
        let (Some(a), Some(w)) = (self.vehicles.get_mut(i), self.walkers.get_mut(k)) else { return };
        if fa.distance([w.x, w.y]) > 0.22 {
            return;
        }
        let closing = a.state.speed.abs();
        // A walker who bumps into a standing car is no accident.
        if closing > 0.3 {
            found.push(Contact { actor: a.id, other: w.id, kind: EventKind::CollisionPedestrian, impulse: 75.0 * closing });
            a.state.speed *= 1.0 - 75.0 / a.model.mass;
            if a.driver == Driver::Traffic {
                a.driver = Driver::Expert;
                a.cruises = true;
            }
            a.shaken = if a.driver == Driver::External { 0.0 } else { 4.0 };
            w.fall(6.0);
        }
    }
    fn bump(&mut self, i: usize, found: &mut Vec<Contact>) {
        let town = self.town.clone();
        let Some(a) = self.vehicles.get_mut(i) else { return };
        for o in town.obstacles_near([a.state.x, a.state.y], a.half()[0] + 1.0) {
            let Some((depth, n)) = a.footprint().overlap(&o.footprint) else { continue };
            let v = a.state.velocity();
            let closing = -(v[0] * n[0] + v[1] * n[1]).min(0.0);
            let light = matches!(o.class, Some("traffic_cone"));
            let share = if light { 0.02 } else { 1.0 };
            let impulse = (1.0 + BOUNCE) * closing * a.model.mass * share;
            found.push(Contact { actor: a.id, other: o.id, kind: EventKind::CollisionStatic, impulse });
            push(a, n, impulse, if light { 0.0 } else { depth });
            if !light && closing > 0.5 {
                // What the wall takes along its normal no wheel brings back at once.
                a.state.speed *= 0.6;
            }
            if a.driver == Driver::Expert {
                a.shaken = 1.5;
            }
        }
    }
}
