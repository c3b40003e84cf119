//! What clients tell their vehicles, walkers and props.
//!
//! *In*: orders on the wire's axes. *Invariant*: an order that a body cannot follow is refused with its id and changes nothing; who drives by
//! autopilot hears pedals and wheel only when the autopilot is off again.

use super::guests::Guest;
use super::{Loaded, flat};
use crate::carla::server::{Order, Said};
use crate::carla::{Vector3D, axes};
use crate::types::{Control, num};

impl Loaded {
    /// Tells an actor what to do.
    pub(super) fn order(&mut self, id: u32, order: Order) -> Said<()> {
        let Some(guest) = self.guests.get(&id) else {
            return match (self.places.contains_key(&id), order) {
                (true, Order::Autopilot(true)) => Ok(()),
                (true, _) => Err(format!("actor {id} is driven by the world")),
                (false, _) => Err(format!("unable to find actor {id}")),
            };
        };
        match order {
            Order::Autopilot(_) if !guest.drives() => Err(format!("actor {id} cannot do that")),
            Order::Autopilot(true) => self.take_over(id),
            Order::Autopilot(false) => {
                self.give_back(id);
                Ok(())
            }
            // The official client's traffic manager goes on sending controls to what a batch has put on autopilot.
            Order::Vehicle(_) | Order::Ackermann(_) if guest.autopilot => Ok(()),
            other => {
                let (rode, moves) = (guest.autopilot, matches!(other, Order::Transform(_)));
                self.give_back(id);
                let Some(guest) = self.guests.get_mut(&id) else { return Ok(()) };
                let told = tell(guest, other);
                if moves {
                    self.refresh();
                }
                if rode { self.take_over(id).and(told) } else { told }
            }
        }
    }
}

fn tell(guest: &mut Guest, order: Order) -> Said<()> {
    let flat_vector = |v: &Vector3D| {
        let v = axes::vector(v);
        [v.x, v.y]
    };
    match order {
        Order::Vehicle(c) if guest.drives() => {
            guest.control = Control { throttle: c.throttle, steer: c.steer, brake: c.brake, reverse: c.reverse };
            guest.hand_brake = c.hand_brake;
        }
        Order::Ackermann(c) if guest.drives() => {
            let wanted = f64::from(c.speed) - guest.state.speed;
            let most = f64::from(c.acceleration).abs().max(0.5);
            let pedals = guest.model.pedals(guest.state.speed, (wanted * 1.5).clamp(-most.max(4.0), most));
            guest.control = Control { steer: num::f32((f64::from(c.steer) / guest.model.steer).clamp(-1.0, 1.0)), ..pedals };
        }
        Order::Walker(c) if guest.walks() => guest.walk = c,
        Order::Transform(at) => {
            let (place, heading) = flat(&at);
            guest.put(place, heading);
        }
        Order::Velocity(v) => guest.push(flat_vector(&v)),
        Order::AngularVelocity(v) => guest.state.yaw_rate = axes::axial(&v).z.to_radians(),
        Order::ConstantVelocity(v) => guest.constant = v.as_ref().map(flat_vector),
        Order::Impulse(v) => {
            let (now, [x, y]) = (guest.velocity(), flat_vector(&v));
            guest.push([now[0] + x / guest.model.mass, now[1] + y / guest.model.mass]);
        }
        Order::Force(v) => guest.force = flat_vector(&v),
        Order::Physics(on) => guest.physics = on,
        Order::Collisions(on) => guest.collides = on,
        Order::Lights(flags) => guest.lamps = flags,
        Order::Setup(setup) => {
            guest.model.mass = f64::from(setup.mass).clamp(50.0, 60_000.0);
            if let Some(most) = setup.wheels.first().map(|w| f64::from(w.max_steer_angle)).filter(|a| (1.0..=80.0).contains(a)) {
                guest.model.steer = most.to_radians();
            }
        }
        _ => return Err(format!("actor {} cannot do that", guest.id)),
    }
    Ok(())
}
