//! Whether a route is driven at the traffic's pace: the minimum speed of the leaderboard's rules 2.x.
//!
//! *In*: each step's place along the way, the ego's speed and the mean speed of all other vehicles. *Out*: for each quarter of the way
//! that was slower than the traffic, the share of its speed, percent. *Invariant*: a quarter is judged by itself, with its waiting.

use super::judge::Step;

/// Parts of a route, judged one by one.
const PARTS: f64 = 4.0;
/// Share of the way after which its last part counts: routes end a little before their end.
const DONE: f64 = 0.95;

/// Sums of speeds since the last part of the way was done.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Where the part began, metres along the way.
    from: f64,
    own: f64,
    traffic: f64,
    /// Whether the way is as good as done.
    done: bool,
}

impl Pace {
    /// A step on a way of `length` metres; the share of the traffic's speed where a part ends that was slower.
    pub(super) fn step(&mut self, step: &Step<'_>, length: f64) -> Option<f64> {
        let ended = step.along - self.from > length / PARTS;
        let slower = if ended { self.slower() } else { None };
        if ended {
            *self = Self { from: step.along, ..Self::default() };
        }
        self.done = step.along > DONE * length;
        if let Some(traffic) = step.traffic {
            self.own += step.ego.speed.abs();
            self.traffic += traffic;
        }
        slower
    }
    /// The same of the last part, where the way was driven to its end.
    pub(super) fn last(&self) -> Option<f64> {
        self.slower().filter(|_| self.done)
    }
    /// Rounded as the leaderboard does; nobody else around, or all of them standing, is never too slow.
    fn slower(&self) -> Option<f64> {
        let percent = (1e4 * self.own / self.traffic).round() / 100.0;
        (percent < 100.0).then_some(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::driver::Ego;
    use crate::world::scene::Footprint;
    use std::collections::HashMap;

    /// Drives 200 m at these speeds, a second each, among others at 5 m/s who are all gone in the end.
    fn paces(speeds: &[f64]) -> Vec<f64> {
        let (mut pace, mut along, mut found, none) = (Pace::default(), 0.0, Vec::new(), HashMap::new());
        for speed in speeds.iter().copied() {
            along += speed;
            let footprint = Footprint { centre: [along, 0.0], heading: 0.0, half: [2.0, 1.0] };
            let ego = Ego { footprint, speed, most_steer: 1.0, wheelbase: 2.7, limit: 13.9, light: None };
            let traffic = (along < 199.0).then_some(5.0);
            found.extend(pace.step(&Step { time: 0.0, seconds: 1.0, ego: &ego, along, aside: 0.0, lights: &none, traffic }, 200.0));
        }
        found.extend(pace.last());
        found
    }

    #[test]
    fn each_quarter_of_the_way_is_driven_at_the_traffics_pace() {
        assert!(paces(&[6.0; 33]).is_empty(), "faster than the others all the way");
        assert_eq!(paces(&[4.0; 50]), [80.0; 4]);
        // A slow quarter does not weigh on the others, and a fast one saves none.
        assert_eq!(paces(&[vec![2.0; 26], vec![6.0; 25]].concat()), [40.0]);
        assert_eq!(paces(&[vec![10.0; 6], vec![0.0; 9], vec![10.0; 14]].concat()), [80.0], "waiting counts");
        // What was not reached is not judged.
        assert!(paces(&[4.0; 12]).is_empty());
        assert_eq!(paces(&[4.0; 45]), [80.0; 3], "180 of 200 m");
    }
}
