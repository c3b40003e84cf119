//! What drives actors: controls of vehicles and walkers, lamps, physics and telemetry.
//!
//! *Units*: as on the wire; steer in -1..=1 positive to the right, throttle and brake in 0..=1, gear -1 is reverse; wheel
//! radius and position in centimetres. *Invariant*: a control read from a peer is finite and inside its range after [`VehicleControl::clamped`].

use super::pack::wire_struct;
use super::structs::{Vector2D, Vector3D};

wire_struct! {
    /// Pedals, wheel, gear.
    VehicleControl 3 {
        throttle: f32, steer: f32, brake: f32, hand_brake: bool, reverse: bool, manual_gear_shift: bool, gear: i32,
    }
    /// Target steer, speed and acceleration.
    VehicleAckermannControl 5 { steer: f32, steer_speed: f32, speed: f32, acceleration: f32, jerk: f32 }
    /// Gains that follow an Ackermann control.
    AckermannControllerSettings 6 { speed_kp: f32, speed_ki: f32, speed_kd: f32, accel_kp: f32, accel_ki: f32, accel_kd: f32 }
    /// Direction and speed of a walker.
    WalkerControl 3 { direction: Vector3D, speed: f32, jump: bool }
    /// Lamps as bits: position, low, high, brake, right, left, reverse, fog, interior, special 1 and 2.
    VehicleLightState 1 { flags: u32 }
    /// Engine, gears, body and wheels.
    VehiclePhysicsControl 17 {
        torque_curve: Vec<Vector2D>, max_rpm: f32, moi: f32, damping_rate_full_throttle: f32,
        damping_rate_zero_throttle_clutch_engaged: f32, damping_rate_zero_throttle_clutch_disengaged: f32, use_gear_autobox: bool,
        gear_switch_time: f32, clutch_strength: f32, final_ratio: f32, forward_gears: Vec<GearPhysicsControl>, mass: f32,
        drag_coefficient: f32, center_of_mass: Vector3D, steering_curve: Vec<Vector2D>, wheels: Vec<WheelPhysicsControl>,
        use_sweep_wheel_collision: bool,
    }
    /// One forward gear.
    GearPhysicsControl 3 { ratio: f32, down_ratio: f32, up_ratio: f32 }
    /// One wheel; radius and position in centimetres.
    WheelPhysicsControl 10 {
        tire_friction: f32, damping_rate: f32, max_steer_angle: f32, radius: f32, max_brake_torque: f32, max_handbrake_torque: f32,
        lat_stiff_max_load: f32, lat_stiff_value: f32, long_stiff_value: f32, position: Vector3D,
    }
    /// What instruments would show.
    TelemetryData 8 {
        speed: f32, steer: f32, throttle: f32, brake: f32, engine_rpm: f32, gear: i32, drag: f32, wheels: Vec<WheelTelemetry>,
    }
    /// One wheel's state.
    WheelTelemetry 11 {
        tire_friction: f32, lat_slip: f32, long_slip: f32, omega: f32, tire_load: f32, normalized_tire_load: f32, torque: f32,
        long_force: f32, lat_force: f32, normalized_long_force: f32, normalized_lat_force: f32,
    }
    /// How a road network is made from OpenDRIVE.
    OpendriveGenerationParameters 7 {
        vertex_distance: f64, max_road_length: f64, wall_height: f64, additional_width: f64, smooth_junctions: bool,
        enable_mesh_visibility: bool, enable_pedestrian_navigation: bool,
    }
}

impl VehicleControl {
    /// Full brake, hand brake off.
    pub fn braking() -> Self {
        Self { brake: 1.0, ..Self::default() }
    }
    /// With every pedal and the wheel inside its range; what is no number lets go.
    #[must_use]
    pub fn clamped(&self) -> Self {
        let inside = |v: f32, low: f32| if v.is_nan() { 0.0 } else { v.clamp(low, 1.0) };
        Self { throttle: inside(self.throttle, 0.0), steer: inside(self.steer, -1.0), brake: inside(self.brake, 0.0), ..self.clone() }
    }
}
