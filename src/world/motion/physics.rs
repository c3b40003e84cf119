//! How a car answers throttle, brake and steering: a bicycle model with tyre limits.
//!
//! Longitudinal: engine force limited by power and tyres, drag, rolling resistance, brakes limited by tyres. Lateral: the yaw rate that the
//! steered bicycle would have (Rajamani 2012, section 2.2), limited so that the tyres' total force stays in the friction circle, with a short lag.
//! *In / Out*: controls; a state in the world, metres, m/s, radians. *Invariant*: tyres never give more than their grip.

use crate::types::Control;

/// Gravity, m/s^2.
pub const GRAVITY: f64 = 9.81;
const AIR: f64 = 1.2;

/// What a vehicle can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// Kilogrammes.
    pub mass: f64,
    /// Metres between the axles.
    pub wheelbase: f64,
    /// Largest angle of the front wheels, radians.
    pub steer: f64,
    /// Largest driving force, newtons.
    pub force: f64,
    /// Largest power at the wheels, watts.
    pub power: f64,
    /// Drag coefficient times frontal area, square metres.
    pub drag: f64,
    /// Rolling resistance coefficient.
    pub rolling: f64,
    /// Friction of the tyres on dry asphalt.
    pub grip: f64,
}

impl Model {
    /// A model for a class and length.
    pub fn of(class: &str, length: f64) -> Self {
        let car = Self {
            mass: 300.0 * length,
            wheelbase: 0.6 * length,
            steer: 0.62,
            force: 6_500.0,
            power: 85_000.0,
            drag: 0.66,
            rolling: 0.012,
            grip: 0.95,
        };
        match class {
            "truck" | "construction_vehicle" => Self { mass: 11_000.0, force: 38_000.0, power: 210_000.0, drag: 5.2, grip: 0.75, ..car },
            "bus" => Self { mass: 13_000.0, force: 36_000.0, power: 200_000.0, drag: 5.0, grip: 0.75, steer: 0.75, ..car },
            "motorcycle" => Self { mass: 270.0, wheelbase: 1.42, force: 2_200.0, power: 45_000.0, drag: 0.5, ..car },
            "bicycle" => Self { mass: 90.0, wheelbase: 1.06, force: 140.0, power: 260.0, drag: 0.5, rolling: 0.006, grip: 0.7, ..car },
            _ => car,
        }
    }
    /// Drag and rolling resistance at a speed, newtons.
    pub fn resistance(&self, speed: f64) -> f64 {
        0.5 * AIR * self.drag * speed * speed + self.rolling * self.mass * GRAVITY
    }
    /// Driving force with full throttle at a speed.
    pub fn traction(&self, speed: f64) -> f64 {
        self.force.min(self.power / speed.abs().max(0.1)).min(self.grip * self.mass * GRAVITY)
    }
    /// Control that gives an acceleration at a speed; steering is left at 0.
    pub fn pedals(&self, speed: f64, acceleration: f64) -> Control {
        let needed = self.mass * acceleration + self.resistance(speed);
        let mut control = Control::default();
        if needed >= 0.0 {
            control.throttle = crate::types::num::f32((needed / self.traction(speed)).clamp(0.0, 1.0));
        } else {
            control.brake = crate::types::num::f32((-needed / (self.grip * self.mass * GRAVITY)).clamp(0.0, 1.0));
        }
        control
    }
}

/// How a vehicle moves now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct State {
    /// Middle of the vehicle, metres.
    pub x: f64,
    /// Middle of the vehicle, metres.
    pub y: f64,
    /// Radians.
    pub heading: f64,
    /// Along the heading, m/s; negative backwards.
    pub speed: f64,
    /// Radians a second.
    pub yaw_rate: f64,
    /// Along the heading, m/s^2.
    pub acceleration: f64,
    /// Angle of the front wheels, radians, positive to the left.
    pub steer: f64,
    /// Share of the pedals that has arrived: positive driving, negative braking.
    pub pedal: f64,
}

impl State {
    /// Velocity in the world.
    pub fn velocity(&self) -> [f64; 2] {
        let (sin, cos) = self.heading.sin_cos();
        [self.speed * cos, self.speed * sin]
    }
}

/// Finite controls within their ranges; what is not a number is nothing.
pub(crate) fn tame(control: Control) -> Control {
    let sane = |v: f32, low: f32, high: f32| if v.is_nan() { 0.0 } else { v.clamp(low, high) };
    Control {
        throttle: sane(control.throttle, 0.0, 1.0),
        steer: sane(control.steer, -1.0, 1.0),
        brake: sane(control.brake, 0.0, 1.0),
        reverse: control.reverse,
    }
}

/// Moves a vehicle by a time; `wet` lowers the grip (0 dry to 1 heavy rain).
pub fn drive(model: &Model, state: &mut State, control: Control, wet: f64, seconds: f64) {
    let control = tame(control);
    let steps = (seconds / 0.01).ceil().max(1.0);
    let dt = seconds / steps;
    let mut i = 0.0;
    while i < steps {
        step(model, state, control, model.grip * (1.0 - 0.3 * wet.clamp(0.0, 1.0)), dt);
        i += 1.0;
    }
}

fn step(model: &Model, state: &mut State, control: Control, grip: f64, dt: f64) {
    // Pedals and steering reach the wheels with a lag.
    let wanted = if control.brake > 0.02 { -f64::from(control.brake) } else { f64::from(control.throttle) };
    let lag = if wanted < state.pedal { 0.06 } else { 0.18 };
    state.pedal += (wanted - state.pedal) * (1.0 - (-dt / lag).exp());
    let target = -f64::from(control.steer) * model.steer;
    let turn = (target - state.steer) * (1.0 - (-dt / 0.07).exp());
    state.steer += turn.clamp(-1.4 * dt, 1.4 * dt);

    let most = grip * model.mass * GRAVITY;
    let gear = if control.reverse { -1.0 } else { 1.0 };
    let backwards = gear < 0.0 && state.speed < -8.0;
    let force = if state.pedal > 0.0 && !backwards { gear * state.pedal * model.traction(state.speed).min(most) } else { 0.0 };
    let hold = model.resistance(state.speed) + (-state.pedal).max(0.0) * most;
    let before = state.speed;
    let pushed = state.speed + force / model.mass * dt;
    // Resistance and brakes act against the motion and never turn it round.
    let slowed = hold / model.mass * dt;
    state.speed = if pushed.abs() <= slowed { 0.0 } else { pushed - slowed * pushed.signum() };
    state.acceleration = (state.speed - before) / dt;

    // What grip the pedals leave is there for the bend.
    let used = (force.abs() + (-state.pedal).max(0.0) * most).min(most);
    let side = (1.0 - (used / most).powi(2)).max(0.04).sqrt() * grip * GRAVITY;
    let slip = (0.5 * state.steer.tan()).atan();
    let wanted = state.speed * slip.cos() * state.steer.tan() / model.wheelbase;
    let limit = side / state.speed.abs().max(0.1);
    let wanted = wanted.clamp(-limit, limit);
    let lag = 0.03 + 0.004 * state.speed.abs();
    state.yaw_rate += (wanted - state.yaw_rate) * (1.0 - (-dt / lag).exp());
    // The middle moves along its slip angle; where the tyres slide it keeps to what they allow.
    let course = state.heading
        + if state.speed.abs() > 0.1 { (0.5 * model.wheelbase * state.yaw_rate / state.speed).clamp(-0.6, 0.6).asin() } else { 0.0 };
    let (sin, cos) = (course + 0.5 * state.yaw_rate * dt).sin_cos();
    state.x += state.speed * cos * dt;
    state.y += state.speed * sin * dt;
    state.heading = crate::world::scene::wrap(state.heading + state.yaw_rate * dt);
}
