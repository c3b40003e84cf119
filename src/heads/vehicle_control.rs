//! Way points and direct control merged into one command, tick by tick, as LeTFuser drives.
//!
//! *In*: the network's way points (right, backward, metres, half a second apart), its controls, and the speed. *Out*: [`Tick`].
//! *Invariant*: both PIDs step once a tick whatever the option; every output is finite and within its range. A proposal that is
//! not finite moves nothing: the answer is to brake, and neither PID remembers it.

use crate::types::{Control, num};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How the PIDs on the way points and the direct controls (MLP) become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Merge {
    /// Weighted where both want to drive, the one that does where one does, else brake.
    #[default]
    OneOf,
    /// Drives only where both want to.
    BothMust,
    /// The PIDs alone.
    PidOnly,
    /// The direct controls alone.
    MlpOnly,
}

/// Least throttle of a controller that wants to drive.
const ACTIVE: f64 = 0.2;
const MOST_THROTTLE: f64 = 0.75;

/// Final loss weights of a training: they decide how much the PIDs and the direct controls count in a merge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossWeights {
    /// Of the way points.
    pub waypoints: f64,
    /// Of steer, throttle and brake.
    pub controls: [f64; 3],
}

impl Default for LossWeights {
    /// Those of the published training.
    fn default() -> Self {
        Self { waypoints: 0.999_884_128_570_556, controls: [1.000_057_697_296_14, 0.999_974_191_188_812, 1.000_023_841_857_91] }
    }
}

impl LossWeights {
    /// The PIDs' shares of steer, throttle and brake.
    fn shares(&self) -> [f64; 3] {
        self.controls.map(|own| self.waypoints / (self.waypoints + own))
    }
}

/// What the network proposes and the vehicle does.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Proposal {
    /// Right, backward, metres, half a second apart.
    pub waypoints: [[f32; 2]; 3],
    /// Forward speed, m/s.
    pub speed: f32,
    /// The network's steer, throttle, brake, not clipped.
    pub controls: [f32; 3],
}

/// One tick's command, and how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Tick {
    /// What to do.
    pub control: Control,
    /// What the PIDs say.
    pub pid: Control,
    /// What the direct controls say, clipped.
    pub mlp: Control,
    /// Speed that the first two way points stand for, m/s.
    pub desired_speed: f64,
    /// Direction of the aim, 90 degrees to the right is 1.
    pub angle: f64,
    /// Right and forward of the point that is steered for, metres.
    pub aim: [f64; 2],
    /// Part of the missing speed that the PID is given, m/s.
    pub delta: f64,
}

/// A PID controller whose integral is the mean of its last errors.
#[derive(Debug, Clone)]
struct Pid {
    gains: [f64; 3],
    window: VecDeque<f64>,
}

impl Pid {
    const WINDOW: usize = 40;

    fn new(gains: [f64; 3]) -> Self {
        Self { gains, window: std::iter::repeat_n(0.0, Self::WINDOW).collect() }
    }

    fn step(&mut self, error: f64) -> f64 {
        let before = self.window.back().copied().unwrap_or(0.0);
        self.window.pop_front();
        self.window.push_back(error);
        let mean = self.window.iter().sum::<f64>() / Self::WINDOW as f64;
        let [p, i, d] = self.gains;
        p * error + i * mean + d * (error - before)
    }
}

/// The merging controller.
#[derive(Debug, Clone)]
pub struct VehicleControl {
    merge: Merge,
    shares: [f64; 3],
    turn: Pid,
    speed: Pid,
}

impl VehicleControl {
    /// With fresh PIDs.
    pub fn new(merge: Merge, weights: &LossWeights) -> Self {
        Self { merge, shares: weights.shares(), turn: Pid::new([1.25, 0.75, 0.3]), speed: Pid::new([5.0, 0.5, 1.0]) }
    }

    /// Forgets every error: another drive begins.
    pub fn restart(&mut self) {
        for pid in [&mut self.turn, &mut self.speed] {
            pid.window.iter_mut().for_each(|e| *e = 0.0);
        }
    }

    /// The command for this tick.
    pub fn tick(&mut self, proposal: &Proposal) -> Tick {
        let numbers = proposal.waypoints.iter().flatten().chain(&proposal.controls);
        if !numbers.chain([&proposal.speed]).all(|v| v.is_finite()) {
            let stop = Control { brake: 1.0, ..Control::default() };
            return Tick { control: stop, pid: stop, mlp: stop, ..Tick::default() };
        }
        // Right and forward.
        let [first, second, _] = proposal.waypoints.map(|[x, y]| [f64::from(x), -f64::from(y)]);
        let [aim_x, aim_y] = [0, 1].map(|axis| {
            let of = |p: [f64; 2]| p.get(axis).copied().unwrap_or(0.0);
            (of(first) + of(second)) / 2.0
        });
        let angle = (90.0 - aim_y.atan2(aim_x).to_degrees()) / 90.0;
        let [dx, dy] = [first[0] - second[0], first[1] - second[1]];
        let desired_speed = 2.0 * dx.hypot(dy);
        let delta = (desired_speed - f64::from(proposal.speed)).clamp(0.0, 0.25);
        let pid = Pedals {
            steer: self.turn.step(angle).clamp(-1.0, 1.0),
            throttle: self.speed.step(delta).clamp(0.0, MOST_THROTTLE),
            brake: 0.0,
        };
        let [steer, throttle, brake] = proposal.controls.map(f64::from);
        let mlp = Pedals {
            steer: steer.clamp(-1.0, 1.0),
            throttle: throttle.clamp(0.0, MOST_THROTTLE),
            brake: brake.round_ties_even().clamp(0.0, 1.0),
        };
        let (control, pid) = self.merged(pid, mlp);
        Tick { control: control.into(), pid: pid.into(), mlp: mlp.into(), desired_speed, angle, aim: [aim_x, aim_y], delta }
    }

    /// The command, and the PIDs' part with its brake.
    fn merged(&self, mut pid: Pedals, mlp: Pedals) -> (Pedals, Pedals) {
        let active = [pid, mlp].map(|p| p.throttle >= ACTIVE);
        let [by_steer, by_throttle, by_brake] = self.shares;
        let weighted = |share: f64, a: f64, b: f64| share * a + (1.0 - share) * b;
        let steer = weighted(by_steer, pid.steer, mlp.steer).clamp(-1.0, 1.0);
        let together = Pedals { steer, throttle: weighted(by_throttle, pid.throttle, mlp.throttle).clamp(0.0, MOST_THROTTLE), brake: 0.0 };
        let stopping = match self.merge {
            Merge::BothMust => active != [true, true],
            _ => !active[0],
        };
        pid.brake = f64::from(u8::from(stopping));
        let standing = Pedals { steer, throttle: 0.0, brake: weighted(by_brake, pid.brake, mlp.brake).clamp(0.0, 1.0) };
        let alone = |p: Pedals| if p.throttle >= ACTIVE { Pedals { brake: 0.0, ..p } } else { Pedals { throttle: 0.0, ..p } };
        let control = match (self.merge, active) {
            (Merge::OneOf | Merge::BothMust, [true, true]) => together,
            (Merge::OneOf, [true, false]) => alone(pid),
            (Merge::OneOf, [false, true]) => alone(mlp),
            (Merge::OneOf | Merge::BothMust, _) => standing,
            (Merge::PidOnly, _) => alone(pid),
            (Merge::MlpOnly, _) => alone(mlp),
        };
        (control, if self.merge == Merge::MlpOnly { Pedals::default() } else { pid })
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Pedals {
    steer: f64,
    throttle: f64,
    brake: f64,
}

impl From<Pedals> for Control {
    fn from(p: Pedals) -> Self {
        Self { throttle: num::f32(p.throttle), steer: num::f32(p.steer), brake: num::f32(p.brake), reverse: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_remembers_forty_errors() {
        let mut pid = Pid::new([0.0, 40.0, 0.0]);
        assert!((pid.step(1.0) - 1.0).abs() < 1e-12);
        for _ in 0..39 {
            pid.step(0.0);
        }
        assert!(pid.step(0.0).abs() < 1e-12);
        let mut pid = Pid::new([2.0, 0.0, 3.0]);
        assert!((pid.step(1.0) - 5.0).abs() < 1e-12);
        assert!((pid.step(1.0) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_broken_proposal_brakes_and_is_forgotten() {
        let fresh = || VehicleControl::new(Merge::OneOf, &LossWeights::default());
        let good = Proposal { waypoints: [[0.0, -1.0], [0.1, -2.0], [0.2, -3.0]], speed: 1.0, controls: [0.1, 0.5, 0.0] };
        let mut control = fresh();
        let broken = control.tick(&Proposal { speed: f32::NAN, ..good });
        assert_eq!((broken.control.throttle, broken.control.steer, broken.control.brake), (0.0, 0.0, 1.0));
        assert_eq!(control.tick(&good), fresh().tick(&good));
    }
}
