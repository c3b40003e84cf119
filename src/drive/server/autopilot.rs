//! Guests that the world drives for their clients.
//!
//! *In / Out*: a guest and the world's vehicle of the same id. *Invariant*: a body moves in one place only: while the autopilot is on, the
//! world moves it, as careful as its expert, and the guest follows; when it goes off, the guest goes on from there, and nobody drives it.

use super::guests::Guest;
use super::{Loaded, catalogue};
use crate::carla::axes;
use crate::carla::server::{Hit, Other, Said};
use crate::types::Control;
use crate::world::motion::{Event, EventKind, Newcomer};
use nalgebra::Vector3;

impl Loaded {
    /// Lets the world drive a guest.
    pub(super) fn take_over(&mut self, id: u32) -> Said<()> {
        let Some(guest) = self.guests.get_mut(&id).filter(|g| !g.autopilot) else { return Ok(()) };
        let Guest { body, paint, model, state, .. } = guest.clone();
        let taken = self.world.adopt(Newcomer { id, body, paint, model, state });
        taken.map_err(|e| format!("actor {id} cannot be put on autopilot: {e}"))?;
        guest.autopilot = true;
        self.refresh();
        Ok(())
    }
    /// Takes a guest out of the world's hands.
    pub(super) fn give_back(&mut self, id: u32) {
        let Some(guest) = self.guests.get_mut(&id).filter(|g| g.autopilot) else { return };
        (guest.autopilot, guest.control) = (false, Control::default());
        let _there = self.world.destroy(id);
        self.refresh();
    }
    /// After a step: guests on autopilot are where the world has them; what they ran into.
    pub(super) fn follow(&mut self) -> Vec<Hit> {
        for guest in self.guests.values_mut().filter(|g| g.autopilot) {
            if let (Ok(state), Ok(control)) = (self.world.state(guest.id), self.world.current_control(guest.id)) {
                (guest.state, guest.control) = (state, control);
            }
        }
        self.world.take_events().into_iter().filter_map(|e| self.hit(&e)).collect()
    }
    fn hit(&self, event: &Event) -> Option<Hit> {
        let guest = self.guests.get(&event.actor)?;
        let other = match event.kind {
            EventKind::CollisionVehicle | EventKind::CollisionPedestrian => Other::Actor(event.other?),
            EventKind::CollisionStatic => {
                let found = self.town.obstacles_near(event.place, 14.0).find(|o| Some(o.id) == event.other);
                let (name, tag) = catalogue::fixed_name(found.and_then(|o| o.class));
                Other::Fixed(name, tag)
            }
            _ => return None,
        };
        // Which side was struck is not told: against its heading, as from the front.
        let (sin, cos) = guest.state.heading.sin_cos();
        Some(Hit { actor: event.actor, other, impulse: axes::to_vector(&(Vector3::new(-cos, -sin, 0.0) * event.impulse)) })
    }
}
