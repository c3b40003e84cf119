//! Traffic lights as clients may handle them: set, frozen, timed, reset.
//!
//! *In*: orders, seconds. *Out*: what each light shows, and for how long. *Invariant*: a light that was set holds its colour for the
//! time that this colour has, then follows its programme again; frozen, all hold until released.

use super::Town;
use crate::carla::LightColour;
use crate::carla::server::{LightNow, LightOrder};
use crate::types::num;
use crate::world::model::Signal;
use crate::world::motion::World;

/// What clients did to the lights.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lamps {
    lights: Vec<Told>,
    frozen: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Told {
    /// Colour, and seconds that it still holds.
    held: Option<(LightColour, f64)>,
    times: [Option<f32>; 3],
}

fn signal(colour: LightColour) -> Signal {
    match colour {
        LightColour::Green => Signal::Green,
        LightColour::Yellow => Signal::Yellow,
        LightColour::Red | LightColour::Off | LightColour::Unknown => Signal::Red,
    }
}

fn colour(signal: Signal) -> LightColour {
    match signal {
        Signal::Green => LightColour::Green,
        Signal::Yellow => LightColour::Yellow,
        Signal::Red => LightColour::Red,
    }
}

/// Seconds of green, yellow and red of a light's programme.
fn programme(town: &Town, light: usize) -> [f64; 3] {
    let net = &town.network;
    let of = || {
        let l = net.lights.get(light)?;
        let c = net.junctions.get(l.junction)?.cycle.as_ref()?;
        let whole: f64 = c.green.iter().map(|g| g + c.yellow + c.clear).sum();
        let green = c.green.get(l.phase).copied()?;
        Some([green, c.yellow, whole - green - c.yellow])
    };
    of().unwrap_or([10.0, 3.0, 10.0])
}

impl Lamps {
    pub fn new(count: usize) -> Self {
        Self { lights: vec![Told::default(); count], frozen: false }
    }
    pub fn told(&mut self, order: LightOrder, world: &mut World, town: &Town) {
        match order {
            LightOrder::Colour(light, colour) => {
                let [green, yellow, red] = self.times(town, light);
                if let Some(told) = self.lights.get_mut(light) {
                    let seconds = match colour {
                        LightColour::Green => green,
                        LightColour::Yellow => yellow,
                        _ => red,
                    };
                    told.held = Some((colour, f64::from(seconds)));
                    world.set_light(light, Some(signal(colour)));
                }
            }
            LightOrder::Times(light, times) => {
                if let Some(told) = self.lights.get_mut(light) {
                    let set = told.times.iter_mut().zip(times);
                    set.for_each(|(mine, new)| *mine = new.filter(|t| t.is_finite() && *t >= 0.0).or(*mine));
                }
            }
            LightOrder::Freeze(true) => {
                self.frozen = true;
                let shown: Vec<Signal> = (0..self.lights.len()).map(|l| world.light(l).0).collect();
                for (light, (told, shown)) in self.lights.iter_mut().zip(shown).enumerate() {
                    told.held = told.held.or(Some((colour(shown), 0.0)));
                    world.set_light(light, Some(shown));
                }
            }
            LightOrder::Freeze(false) => {
                self.frozen = false;
                self.release(world, |_| true);
            }
            LightOrder::Reset(None) => self.release(world, |_| true),
            LightOrder::Reset(Some(light)) => {
                let of = |l: usize| town.network.lights.get(l).map(|l| l.junction);
                self.release(world, |l| of(l) == of(light));
            }
        }
    }
    fn release(&mut self, world: &mut World, which: impl Fn(usize) -> bool) {
        for (light, told) in self.lights.iter_mut().enumerate().filter(|(l, _)| which(*l)) {
            told.held = None;
            world.set_light(light, None);
        }
    }
    /// Time passes.
    pub fn pass(&mut self, seconds: f64, world: &mut World, _town: &Town) {
        if self.frozen {
            return;
        }
        for (light, told) in self.lights.iter_mut().enumerate() {
            let Some((_, left)) = &mut told.held else { continue };
            *left -= seconds;
            if *left <= 0.0 {
                told.held = None;
                world.set_light(light, None);
            }
        }
    }
    fn times(&self, town: &Town, light: usize) -> [f32; 3] {
        let told = self.lights.get(light).copied().unwrap_or_default();
        let mut times = programme(town, light).map(num::f32);
        times.iter_mut().zip(told.times).for_each(|(own, set)| *own = set.unwrap_or(*own));
        times
    }
    pub fn states(&self, world: &World, town: &Town) -> Vec<LightNow> {
        let one = |(light, told): (usize, &Told)| {
            let times = self.times(town, light);
            let (shown, left) = world.light(light);
            let colour = told.held.map_or(colour(shown), |(c, _)| c);
            let [green, yellow, red] = times;
            let whole = match shown {
                Signal::Green => green,
                Signal::Yellow => yellow,
                Signal::Red => red,
            };
            let left = told.held.map_or(left, |(_, left)| left);
            let elapsed = if left.is_finite() { (whole - num::f32(left)).max(0.0) } else { 0.0 };
            LightNow { colour, times, elapsed, frozen: self.frozen }
        };
        self.lights.iter().enumerate().map(one).collect()
    }
}
