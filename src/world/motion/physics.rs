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

#[cfg(test)]
mod tests {
    use super::*;

    fn car() -> Model {
        Model::of("car", 4.72)
    }

    #[test]
    fn stopping_distance_is_that_of_the_friction_circle() {
        for (grip, wet) in [(0.95, 0.0), (0.95, 1.0)] {
            for speed in [8.0, 14.0, 25.0] {
                let model = Model { grip, ..car() };
                let mut s = State { speed, ..State::default() };
                let mut time = 0.0;
                while s.speed > 0.0 && time < 20.0 {
                    drive(&model, &mut s, Control { brake: 1.0, ..Control::default() }, wet, 0.01);
                    time += 0.01;
                }
                // m v' = -(F + c v^2): x = m / 2c ln(1 + c v^2 / F), and the lag of the brakes, 60 ms at full speed.
                let force = model.grip * (1.0 - 0.3 * wet) * model.mass * GRAVITY + model.rolling * model.mass * GRAVITY;
                let c = 0.5 * AIR * model.drag;
                let exact = model.mass / (2.0 * c) * (1.0 + c * speed * speed / force).ln() + 0.06 * speed;
                assert!((s.x - exact).abs() < 0.02 * exact + 0.1, "{speed} m/s: {} m, wanted {exact}", s.x);
            }
        }
    }

    #[test]
    fn turning_radius_is_the_bicycles_and_tyres_widen_it() {
        let model = car();
        for steer in [0.3f32, 0.6, 1.0] {
            let mut s = State { speed: 2.0, ..State::default() };
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for i in 0..6000 {
                s.speed = 2.0;
                drive(&model, &mut s, Control { steer: -steer, ..Control::default() }, 0.0, 0.01);
                if i > 300 {
                    (low, high) = (low.min(s.y), high.max(s.y));
                }
            }
            // Rear axle on L / tan(angle), the middle half a wheelbase before it.
            let rear = model.wheelbase / (f64::from(steer) * model.steer).tan();
            let exact = rear.hypot(model.wheelbase / 2.0);
            assert!(((high - low) / 2.0 - exact).abs() < 0.01 * exact, "{steer}: {} wanted {exact}", (high - low) / 2.0);
        }
        let mut s = State { speed: 25.0, ..State::default() };
        for _ in 0..100 {
            s.speed = 25.0;
            drive(&model, &mut s, Control { steer: -1.0, ..Control::default() }, 0.0, 0.01);
            assert!(s.yaw_rate * s.speed <= model.grip * GRAVITY * 1.001);
        }
        let exact = model.grip * GRAVITY / 25.0;
        assert!((s.yaw_rate - exact).abs() < 0.02 * exact);
    }

    #[test]
    fn top_speed_is_where_power_meets_resistance() {
        for model in [car(), Model::of("bus", 11.9), Model::of("motorcycle", 2.1)] {
            let mut s = State::default();
            (0..400).for_each(|_| drive(&model, &mut s, Control { throttle: 1.0, ..Control::default() }, 0.0, 0.5));
            // P = 1/2 rho c_d A v^3 + c_r m g v, solved by bisection.
            let (mut low, mut high) = (1.0, 200.0);
            for _ in 0..60 {
                let v = (low + high) / 2.0;
                if model.resistance(v) * v < model.power { low = v } else { high = v }
            }
            assert!((s.speed - low).abs() < 0.01 * low, "{} wanted {low}", s.speed);
        }
    }

    #[test]
    fn a_car_reverses_holds_and_never_moves_by_its_brakes() {
        let model = car();
        let mut s = State::default();
        drive(&model, &mut s, Control { throttle: 0.5, reverse: true, ..Control::default() }, 0.0, 3.0);
        assert!(s.speed < -2.0 && s.x < -2.0);
        drive(&model, &mut s, Control { brake: 1.0, ..Control::default() }, 0.0, 5.0);
        assert!(s.speed == 0.0);
        let x = s.x;
        drive(&model, &mut s, Control { brake: 1.0, throttle: 1.0, ..Control::default() }, 0.0, 2.0);
        assert!(s.x == x);
    }

    #[test]
    fn pedals_give_the_acceleration_asked_for() {
        let model = car();
        for wish in [-4.0, -1.0, 0.5, 1.5] {
            let mut s = State { speed: 10.0, ..State::default() };
            for _ in 0..60 {
                let control = model.pedals(s.speed, wish);
                drive(&model, &mut s, control, 0.0, 0.01);
            }
            assert!((s.acceleration - wish).abs() < 0.15, "{} wanted {wish}", s.acceleration);
        }
    }
}
