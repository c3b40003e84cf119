//! Samples to light: sun, sky, lamps and what surfaces make of them.
//!
//! *In*: a [`View`]. *Out*: linear colour per pixel. Each pixel is shaded once where all its samples lie on one surface, and once per surface
//! where it has an edge; samples are weighted by a tent over the pixel. *Invariant*: rows are independent of each other.

use super::geometry::Placed;
use super::lamps::linear;
use super::light::ramp;
use super::material::{Look, Spot, look};
use super::noise::{hash, smooth2};
use super::open::Openness;
use super::shadow::ShadowField;
use super::view::{Drawn, NOBODY, View};
use crate::types::num;
use crate::world::model::{Lamp, Lights, Material, Signal, Surface, Tag};
use nalgebra::Vector3;
use rayon::prelude::*;

type V3 = Vector3<f32>;

/// Weight of a sample at a pixel's corner; a side's is twice, the centre's four times that.
const CORNER: f32 = 0.0625;
/// Metres along a mirrored ray at which the picture is looked up for what lies there.
const STEPS: [f32; 11] = [0.7, 1.4, 2.4, 3.8, 5.6, 8.0, 11.0, 15.0, 21.0, 30.0, 45.0];

/// Lights of colour per pixel, row-major.
pub type Radiance = Vec<V3>;

/// A view with everything that shading needs at hand.
pub struct Shader<'v, 'm> {
    view: &'v View<'m>,
    shadows: Option<&'v ShadowField>,
    eye: V3,
    night: bool,
    open: Openness,
}

impl<'v, 'm> Shader<'v, 'm> {
    /// For a view; `shadows` where the sun shines.
    pub fn new(view: &'v View<'m>, shadows: Option<&'v ShadowField>) -> Self {
        let night = view.moment.light.lamps > 0.0 || view.moment.light.day < 0.4;
        Self { view, shadows, eye: view.eye.map(num::f32), night, open: Openness::new(view) }
    }
    /// The whole picture.
    pub fn picture(&self) -> Radiance {
        let (width, height) = (self.view.shot.intrinsics.width, self.view.shot.intrinsics.height);
        let mut light = vec![V3::zeros(); width * height];
        light.par_chunks_mut(width * 4).enumerate().for_each(|(band, rows)| {
            for (y, row) in (band * 4..).zip(rows.chunks_mut(width)) {
                for (x, pixel) in row.iter_mut().enumerate() {
                    *pixel = self.pixel(x, y);
                }
            }
        });
        light
    }
    fn pixel(&self, x: usize, y: usize) -> V3 {
        let (cx, cy) = self.view.at_pixel(x, y);
        if !self.view.shot.fine {
            return self.sample(cx, cy);
        }
        let centre = self.view.row(cy).get(cx).copied().unwrap_or(NOBODY);
        let rows = [cy - 1, cy, cy + 1].map(|y| self.view.row(y).get(cx - 1..cx + 2).unwrap_or_default());
        if rows.iter().all(|r| r.iter().all(|i| *i == centre)) {
            return self.sample(cx, cy);
        }
        let key_of = |i: u32| self.view.drawn.get(num::usize(i)).map_or(NOBODY, |d| d.key);
        // The centre first, so that it stands for its surface.
        let mut groups = [(key_of(centre), CORNER * 4.0, (cx, cy)); 9];
        let mut count = 1;
        // Corners last: one that shares no other sample's surface is too little of the pixel to be shaded for itself.
        for (dx, dy) in [(1, 0), (0, 1), (2, 1), (1, 2), (0, 0), (2, 0), (0, 2), (2, 2)] {
            let corner = dx != 1 && dy != 1;
            let index = rows.get(dy).and_then(|r| r.get(dx)).copied().unwrap_or(centre);
            let key = if index == centre { groups[0].0 } else { key_of(index) };
            let weight = if corner { CORNER } else { CORNER * 2.0 };
            if let Some(group) = groups.iter_mut().take(count).find(|g| g.0 == key) {
                group.1 += weight;
            } else if corner {
                groups[0].1 += weight;
            } else if let Some(slot) = groups.get_mut(count) {
                *slot = (key, weight, (2 * x + dx, 2 * y + dy));
                count += 1;
            }
        }
        groups.iter().take(count).fold(V3::zeros(), |sum, (_, weight, (sx, sy))| sum + self.sample(*sx, *sy) * *weight)
    }
    /// The light that one sample sees.
    fn sample(&self, x: usize, y: usize) -> V3 {
        let light = &self.view.moment.light;
        let direction = self.view.direction(x, y);
        let stretch = direction.norm();
        let ray = self.view.turn * (direction / stretch);
        let Some((drawn, depth)) = self.view.sample(x, y) else {
            return self.air(light.sky(&ray), &ray, 12_000.0_f32.min(30_000.0 * light.extinction.recip().min(0.4)));
        };
        let distance = depth * stretch;
        let seen = self.surface(drawn, x, y, depth, &ray, distance).unwrap_or_default();
        self.air(seen, &ray, distance)
    }
    /// Light after it came through the air.
    fn air(&self, seen: V3, ray: &V3, metres: f32) -> V3 {
        let light = &self.view.moment.light;
        let through = light.through(metres);
        if through > 0.999 {
            return seen;
        }
        let towards = ray.dot(&light.sun).max(0.0);
        let haze = light.horizon + light.sun_colour * (0.10 * towards.powi(8));
        seen * through + haze * (1.0 - through)
    }

    fn surface(&self, drawn: &Drawn, x: usize, y: usize, depth: f32, ray: &V3, distance: f32) -> Option<V3> {
        let (spot, look) = self.spot(drawn, ray, distance)?;
        let open = self.open.at(if self.view.shot.fine { [x / 2, y / 2] } else { [x, y] }, depth);
        Some(self.lit(&spot, &look, open))
    }
    /// The spot that a ray meets, and its look: large, so it must not be handed over by copy.
    #[inline(always)]
    fn spot(&self, drawn: &Drawn, ray: &V3, distance: f32) -> Option<(Spot<'m>, Look)> {
        let moment = self.view.moment;
        let light = &moment.light;
        let (placed, facet) = self.view.facet(drawn)?;
        let surface = placed.shape.surface(facet);
        let world = self.eye + ray * distance;
        let local = match placed.instance {
            Some(_) => placed.turn.tr_mul(&(ray * distance)) + placed.local(&self.view.eye),
            None => world,
        };
        let normal = placed.turn * facet.normal;
        let round = placed.shape.normal_at(num::usize(drawn.facet), &local).map_or(normal, |n| placed.turn * n);
        let towards = -ray;
        let facing = normal.dot(&towards).max(0.02);
        let footprint = distance * self.view.pixel_angle() / facing.sqrt();
        let paint = placed.instance.as_ref().filter(|_| surface.painted).map_or(surface.colour, |i| i.paint);
        let seed = hash(placed.id().wrapping_add(17));
        let colour = linear(paint);
        let spot = Spot { placed, surface, colour, world, local, flat: facet.normal, normal, round, towards, footprint, seed };
        let mut look = look(&spot, light);
        self.shine(placed, surface, &mut look);
        Some((spot, look))
    }

    /// Light that comes to a spot, and what leaves it towards the camera.
    fn lit(&self, spot: &Spot<'_>, look: &Look, open: f32) -> V3 {
        let moment = self.view.moment;
        let light = &moment.light;
        let n = &look.normal;
        let up = 0.5 + 0.5 * n.z;
        // Walls and streets see less than half a sky in a town.
        let mut comes = light.ambient * (up * open) + light.bounce * ((1.0 - up) * open * 0.9);
        if light.sun_colour.x > 1e-3 {
            let flat = spot.normal.dot(&light.sun);
            let facing = n.dot(&light.sun);
            let facing = if look.thin > 0.0 { (facing + look.thin) / (1.0 + look.thin) } else { facing };
            if facing > 0.0 && (flat > 0.0 || look.thin > 0.0) {
                let free = self.shadows.map_or(1.0, |s| s.sunlit(&spot.world, flat.max(0.0)));
                comes += light.sun_colour * (facing * free);
            }
        }
        if self.night {
            comes += self.by_lamps(spot, n) * open;
        }
        let mut leaves = look.albedo.component_mul(&comes) + look.emission;
        if spot.surface.material == Material::Reflector && self.night {
            leaves += spot.colour.component_mul(&self.thrown_back(spot));
        }
        if look.mirror > 0.0 {
            leaves += self.mirrored(spot, look, open);
        }
        leaves
    }
    fn by_lamps(&self, spot: &Spot<'_>, normal: &V3) -> V3 {
        let moment = self.view.moment;
        let mut sum = V3::zeros();
        if moment.light.lamps > 0.0 {
            let street = moment.geometry.lamps.near(&spot.world).fold(V3::zeros(), |sum, g| sum + g.on(&spot.world, normal));
            sum += street * moment.light.lamps;
        }
        moment.glows.iter().fold(sum, |sum, g| sum + g.on(&spot.world, normal))
    }
    /// Retro-reflection of head lamps near the camera.
    fn thrown_back(&self, spot: &Spot<'_>) -> V3 {
        let near = self.view.moment.glows.iter().filter(|g| (g.at - self.eye).norm_squared() < 9.0);
        near.fold(V3::zeros(), |sum, g| sum + g.on(&spot.world, &(g.at - spot.world).normalize()) * 14.0)
    }
    fn mirrored(&self, spot: &Spot<'_>, look: &Look, open: f32) -> V3 {
        let light = &self.view.moment.light;
        let facing = look.normal.dot(&spot.towards).clamp(0.0, 1.0);
        let away = look.normal * (2.0 * facing) - spot.towards;
        let rise = 1.0 - facing;
        let share = look.mirror + (0.85 - look.mirror).max(0.0) * rise.powi(5) * (look.mirror * 9.0).min(1.0);
        let wet_ground = light.wet > 0.0 && spot.placed.instance.is_none();
        let met = if wet_ground && share > 0.02 { self.met(&spot.world, &away) } else { None };
        let seen = met.unwrap_or_else(|| {
            let sky = light.clear_sky(&away);
            // Below the horizon stand streets, above it houses and trees of uneven height.
            let town = (light.ambient + light.sun_colour * 0.25) * 0.22;
            let skyline = 0.02 + 0.30 * smooth2(away.x * 7.0, away.y * 7.0, 0x5c1);
            town + (sky - town) * ramp(skyline - 0.06, skyline + 0.02, away.z)
        });
        let mut sum = seen * (share * open);
        let spark = light.sun_colour * (ramp(0.994, 0.999_5, away.dot(&light.sun)) * 6.0);
        if spark.x > 0.0 {
            sum += spark * (share * self.shadows.map_or(1.0, |s| s.sunlit(&spot.world, facing)));
        }
        if self.night {
            // Glass is smooth: it shows a lamp as a point.
            let narrow = if spot.surface.material == Material::Glass { 2400.0 } else { 120.0 };
            let lamps = self.view.moment.geometry.lamps.near(&spot.world);
            for glow in lamps.chain(self.view.moment.glows.iter().filter(|g| g.axis.is_some_and(|a| a.dot(&spot.towards) < -0.2))) {
                let way = glow.at - spot.world;
                let near = away.dot(&way) / way.norm().max(0.5);
                if near > 0.9 {
                    sum += glow.colour * (share * near.powf(narrow) * 0.03);
                }
            }
        }
        sum
    }
    /// The light of what a ray meets, where the picture shows it; mirrors in mirrors are left out.
    #[cold]
    #[inline(never)]
    fn met(&self, from: &V3, away: &V3) -> Option<V3> {
        let view = self.view;
        for metres in STEPS {
            let at = view.turn.tr_mul(&(from + away * metres - self.eye));
            let (x, y) = view.sample_of(&at)?;
            let Some((drawn, depth)) = view.sample(x, y) else { continue };
            // Behind what the picture shows there, but not by more than the steps are wide: else it only passes behind.
            if depth < at.z && depth > at.z - metres * 0.75 {
                let direction = view.direction(x, y);
                let stretch = direction.norm();
                let (spot, look) = self.spot(drawn, &(view.turn * (direction / stretch)), depth * stretch)?;
                return Some(self.lit(&spot, &Look { mirror: 0.0, ..look }, 1.0));
            }
        }
        None
    }
    /// Lenses that are on.
    fn shine(&self, placed: &Placed, surface: &Surface, look: &mut Look) {
        if surface.lamp == Lamp::Off {
            return;
        }
        let power = lamp_power(placed, surface, self.view.moment.signal(placed), self.view.moment.light.lamps);
        if power > 0.0 && surface.tag == Tag::Building {
            // The room behind is in the albedo: what is bright by day is bright in its lamp's light.
            look.emission += linear(surface.colour).component_mul(&look.albedo) * (power * 0.16);
        } else if power > 0.0 {
            let colour = linear(surface.colour);
            let colour = colour / colour.max().max(0.05);
            look.emission = (colour * 0.92 + V3::repeat(0.08)) * power;
            look.mirror = 0.0;
        }
    }
}

/// How strongly a lamp shines now; 0 when it is off. By night eyes and cameras open, so less is enough.
pub fn lamp_power(placed: &Placed, surface: &Surface, signal: Option<Signal>, night: f32) -> f32 {
    let lights = placed.instance.as_ref().map_or_else(Lights::default, |i| i.lights);
    let on = |on: bool, day: f32, dark: f32| if on { day + (dark - day) * night } else { 0.0 };
    match surface.lamp {
        Lamp::Off => 0.0,
        Lamp::On => on(true, 1.0, 0.15),
        Lamp::Night => 0.9 * night,
        Lamp::Head => on(lights.head, 1.8, 0.8),
        Lamp::Tail => on(lights.head, 0.5, 0.07),
        Lamp::Brake => on(lights.brake, 1.5, 0.3),
        Lamp::Left => on(lights.left, 1.5, 0.3),
        Lamp::Right => on(lights.right, 1.5, 0.3),
        Lamp::Reverse => on(lights.reverse, 1.0, 0.2),
        Lamp::Red => on(signal == Some(Signal::Red), 1.6, 0.22),
        Lamp::Yellow => on(signal == Some(Signal::Yellow), 1.6, 0.22),
        Lamp::Green => on(signal == Some(Signal::Green), 1.6, 0.22),
    }
}
