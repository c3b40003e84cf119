//! A guest's physics as clients are told of it.
//!
//! *Out*: CARLA's struct; wheel radius and position in centimetres, as the simulator has them. *Invariant*: mass, steering and grip are
//! those that the world drives with; what the world has no part for (gears, torque curve, clutch) is a usual car's.

use super::guests::Guest;
use crate::carla::{GearPhysicsControl, Vector2D, Vector3D, VehiclePhysicsControl, WheelPhysicsControl, axes};
use crate::types::num;
use crate::world::scene::pose;
use nalgebra::Point3;

/// Physics of a vehicle.
pub(crate) fn setup(g: &Guest) -> VehiclePhysicsControl {
    let (axle, side) = (g.model.wheelbase / 2.0, g.body.size[1] / 2.0 - 0.1);
    let wheel = |x: f64, y: f64| WheelPhysicsControl {
        tire_friction: num::f32(g.model.grip * 3.5),
        damping_rate: 0.25,
        max_steer_angle: if x > 0.0 { num::f32(g.model.steer.to_degrees()) } else { 0.0 },
        radius: 35.0,
        max_brake_torque: num::f32(g.model.grip * g.model.mass * 9.81 * 0.35 / 4.0),
        max_handbrake_torque: if x > 0.0 { 0.0 } else { 1400.0 },
        lat_stiff_max_load: 2.0,
        lat_stiff_value: 17.0,
        long_stiff_value: 1000.0,
        // Centimetres in the world, as the simulator has them.
        position: axes::to_vector(&((pose([g.state.x, g.state.y], g.height, g.state.heading) * Point3::new(x, y, 0.35)).coords * 100.0)),
    };
    let point = |x: f32, y: f32| Vector2D { x, y };
    let gear = |ratio: f32| GearPhysicsControl { ratio, down_ratio: 0.5, up_ratio: 0.65 };
    VehiclePhysicsControl {
        torque_curve: vec![point(0.0, 400.0), point(1890.0, 500.0), point(5729.0, 400.0)],
        max_rpm: 5800.0,
        moi: 1.0,
        damping_rate_full_throttle: 0.15,
        damping_rate_zero_throttle_clutch_engaged: 2.0,
        damping_rate_zero_throttle_clutch_disengaged: 0.35,
        use_gear_autobox: true,
        gear_switch_time: 0.5,
        clutch_strength: 10.0,
        final_ratio: 4.0,
        forward_gears: vec![gear(4.0), gear(2.5), gear(1.6), gear(1.1), gear(0.85)],
        mass: num::f32(g.model.mass),
        drag_coefficient: 0.3,
        center_of_mass: Vector3D::default(),
        steering_curve: vec![point(0.0, 1.0), point(120.0, 1.0)],
        wheels: vec![wheel(axle, side), wheel(axle, -side), wheel(-axle, side), wheel(-axle, -side)],
        use_sweep_wheel_collision: false,
    }
}
