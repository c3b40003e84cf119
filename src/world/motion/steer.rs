//! Keeping to the way: pedals for a wished acceleration, and pure pursuit of a point ahead.
//!
//! Coulter 1992. *In / Out*: a vehicle with its track; a control. *Invariant*: a standing vehicle that does not want to move holds its brake.

use super::vehicle::Vehicle;
use crate::types::{Control, num};
use crate::world::scene::{Network, wrap};

/// The control that follows the track with a wished acceleration.
pub(crate) fn control(v: &Vehicle, net: &Network, wish: f64) -> Control {
    let s = &v.state;
    let mut control = v.model.pedals(s.speed, wish);
    if s.speed < 0.3 && wish <= 0.05 {
        control = Control { brake: 1.0, ..Control::default() };
    }
    let look = (1.2 + 0.42 * s.speed.max(0.0)).max(2.4);
    if let Some(target) = v.track.at(net, look) {
        let half = 0.5 * v.model.wheelbase;
        let (sin, cos) = s.heading.sin_cos();
        let rear = [s.x - half * cos, s.y - half * sin];
        let (dx, dy) = (target.x - rear[0], target.y - rear[1]);
        let angle = wrap(dy.atan2(dx) - s.heading);
        let wheels = (2.0 * v.model.wheelbase * angle.sin() / dx.hypot(dy).max(1.0)).atan();
        control.steer = num::f32((-wheels / v.model.steer).clamp(-1.0, 1.0));
    }
    control
}
