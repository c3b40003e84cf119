//! What a surface looks like up close: colour, grain, joints, windows, by procedure.
//!
//! *In*: a [`Spot`] on a surface. *Out*: a [`Look`] in linear light. Patterns fade out as they become finer than a pixel, so that they never
//! flicker. *Invariant*: patterns stick to what they are on: to the world on the ground, to the body on everything else.

use super::geometry::Placed;
use super::light::{Light, ramp};
use super::noise::{bits, cloudy2, hash, pair, smooth2, smooth3, triple, unit};
use crate::types::num;
use crate::world::model::{Material, Surface, Tag};
use nalgebra::Vector3;

type V3 = Vector3<f32>;

/// A place on a surface that somebody looks at.
#[derive(Debug, Clone)]
pub struct Spot<'a> {
    /// Whose surface.
    pub placed: &'a Placed,
    /// The surface.
    pub surface: &'a Surface,
    /// Base colour, linear.
    pub colour: V3,
    /// World, metres.
    pub world: V3,
    /// In the frame of the body, metres.
    pub local: V3,
    /// Normal in the body's frame.
    pub flat: V3,
    /// Normal of the facet, world.
    pub normal: V3,
    /// Normal of the round thing that the facet is a piece of, world.
    pub round: V3,
    /// Towards the camera, unit, world.
    pub towards: V3,
    /// Metres that a pixel covers here.
    pub footprint: f32,
    /// Differs from thing to thing.
    pub seed: u32,
}

/// What is seen there.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Share of light thrown back, by colour.
    pub albedo: V3,
    /// Normal for shading, world.
    pub normal: V3,
    /// Mirror-like share at a right angle, 0..=1.
    pub mirror: f32,
    /// Own light.
    pub emission: V3,
    /// How far light from behind comes through.
    pub thin: f32,
}

/// How much of a pattern of this many periods per metre is left.
#[inline]
fn kept(spot: &Spot<'_>, per_metre: f32) -> f32 {
    let x = spot.footprint * per_metre * 1.6;
    1.0 / (1.0 + x * x * x * x)
}
/// 1 between `low` and `high`, 0 outside, `soft` wide at the edges.
#[inline]
fn within(x: f32, low: f32, high: f32, soft: f32) -> f32 {
    let soft = soft.max(1e-4);
    ((x - low) / soft + 0.5).clamp(0.0, 1.0) * ((high - x) / soft + 0.5).clamp(0.0, 1.0)
}
#[inline]
fn mix(a: V3, b: V3, t: f32) -> V3 {
    a + (b - a) * t
}
#[inline]
fn fraction(x: f32) -> (i32, f32) {
    let i = num::floor_i32(x);
    (i, x - num::int_f32(i))
}

impl Spot<'_> {
    /// Coordinates on the surface, metres: level ones by x and y, walls by their width and height.
    #[inline]
    pub fn across(&self) -> (f32, f32) {
        let (n, p) = (&self.flat, &self.local);
        if n.z.abs() > 0.7 {
            return (p.x, p.y);
        }
        let length = (n.x * n.x + n.y * n.y).sqrt().max(1e-6);
        ((p.y * n.x - p.x * n.y) / length, p.z)
    }
    fn plain(&self) -> Look {
        Look { albedo: self.colour, normal: self.round, mirror: 0.0, emission: V3::zeros(), thin: 0.0 }
    }
}

/// The look of a spot.
pub fn look(spot: &Spot<'_>, light: &Light) -> Look {
    let (u, v) = spot.across();
    let mut look = spot.plain();
    match spot.surface.material {
        Material::Asphalt => asphalt(spot, u, v, &mut look),
        Material::Paint => {
            let wear = cloudy2(u * 2.3, v * 2.3, 0x77, 3);
            let chips = smooth2(u * 19.0, v * 19.0, 0x78) * kept(spot, 19.0);
            look.albedo *= 0.62 + 0.40 * wear - 0.16 * ramp(0.62, 0.9, chips);
        }
        Material::Concrete => {
            look.albedo *= 0.80 + 0.30 * cloudy2(u * 0.7, v * 0.7, 0x21, 3) + 0.12 * grain(spot, u, v, 23.0, 0x22);
            let (_, f) = fraction(u);
            look.albedo *= 1.0 - 0.28 * within(f, 0.0, 0.02, 0.02 + spot.footprint) * kept(spot, 6.0);
        }
        Material::Paving => paving(spot, u, v, &mut look),
        Material::Grass => {
            let wide = cloudy2(u * 0.22, v * 0.22, 0x31, 3);
            let dry = V3::new(0.17, 0.145, 0.05);
            look.albedo = mix(spot.colour, dry, ramp(0.45, 0.8, wide) * 0.55)
                * (0.99 + 0.45 * (wide - 0.5) + 0.45 * grain(spot, u, v, 7.0, 0x32) + 0.60 * grain(spot, u, v, 31.0, 0x33));
        }
        Material::Soil => look.albedo *= 0.7 + 0.6 * cloudy2(u * 1.7, v * 1.7, 0x41, 4),
        Material::Brick => bricks(spot, u, v, &mut look),
        Material::Plaster => plaster(spot, u, v, &mut look),
        Material::Facade => super::facade::facade(spot, u, v, light, &mut look),
        Material::Tiles => {
            let (row, fv) = fraction(v / 0.33);
            let (_, fu) = fraction(u / 0.24 + 0.5 * num::int_f32(row & 1));
            let tint = unit(triple(bits(row), bits(num::floor_i32(u / 0.24)), spot.seed));
            let relief = kept(spot, 3.5);
            look.albedo *=
                0.82 + 0.22 * tint * relief - 0.38 * within(fv, 0.0, 0.12, 0.1) * relief - 0.12 * within(fu, 0.0, 0.1, 0.1) * relief;
            look.albedo *= 0.78 + 0.4 * cloudy2(u * 0.3, v * 0.3, spot.seed, 2);
        }
        Material::Glass if super::facade::is_shop(spot) => super::facade::storefront(spot, u, v, &mut look),
        Material::Glass => {
            look.albedo = spot.colour * 0.18 + V3::repeat(0.008);
            look.mirror = 0.10;
        }
        Material::Metal | Material::HotMetal => {
            look.albedo *= 0.94 + 0.06 * smooth2(u * 1.3, v * 1.3, spot.seed);
            // Dust towards the sill.
            let dust = 1.0 - ramp(0.25, 0.75, spot.local.z);
            look.albedo = mix(look.albedo, V3::new(0.16, 0.15, 0.13), 0.28 * dust);
            look.mirror = 0.055 * (1.0 - 0.6 * dust);
        }
        Material::Rubber => look.albedo = spot.colour * (0.7 + 0.3 * smooth2(u * 14.0, v * 14.0, 0x51)),
        Material::Foliage => foliage(spot, &mut look),
        Material::Wood => {
            let bark = cloudy2(u * 11.0, v * 1.1, 0x61, 3);
            look.albedo *= 0.6 + 0.75 * (0.5 + (bark - 0.5) * kept(spot, 9.0));
        }
        Material::Cloth => look.albedo *= 0.78 + 0.4 * smooth3([spot.local.x * 9.0, spot.local.y * 9.0, spot.local.z * 6.0], spot.seed),
        Material::Skin => look.albedo *= 0.95,
        Material::Reflector => {
            look.albedo *= 0.9;
            look.mirror = 0.03;
        }
        Material::Lens if super::facade::is_shop(spot) => super::facade::storefront(spot, u, v, &mut look),
        // A window that is lit in the evening is a window by day.
        Material::Lens if spot.surface.tag == Tag::Building => {
            look.albedo = V3::repeat(0.10);
            look.mirror = 0.12;
        }
        Material::Lens => {
            look.albedo *= 0.45;
            look.mirror = 0.06;
        }
        Material::Plastic => look.mirror = 0.03,
        Material::Water => {
            look.albedo = V3::new(0.01, 0.02, 0.02);
            look.mirror = 0.25;
        }
    }
    wet(spot, light, u, v, &mut look);
    look
}

/// Rain darkens what soaks it up and makes level ground a mirror.
fn wet(spot: &Spot<'_>, light: &Light, u: f32, v: f32, look: &mut Look) {
    if light.wet <= 0.0 {
        return;
    }
    let soaks = match spot.surface.material {
        Material::Asphalt => 0.55,
        Material::Concrete | Material::Paving | Material::Soil => 0.42,
        Material::Paint | Material::Brick | Material::Plaster | Material::Facade | Material::Cloth | Material::Wood => 0.25,
        Material::Grass | Material::Foliage => 0.2,
        _ => 0.0,
    };
    look.albedo *= 1.0 - soaks * light.wet;
    if spot.normal.z > 0.8 && spot.placed.instance.is_none() {
        let hard = matches!(spot.surface.material, Material::Asphalt | Material::Paint | Material::Paving | Material::Concrete);
        if hard {
            let puddle = ramp(0.50, 0.66, cloudy2(u * 0.35, v * 0.35, 0x99, 3));
            look.mirror = look.mirror.max(light.wet * (0.028 + 0.05 * puddle));
            look.albedo *= 1.0 - 0.35 * puddle * light.wet;
            let ripple = (1.0 - puddle) * 0.10 + 0.02;
            let tilt = |seed| (smooth2(u * 9.0, v * 9.0, seed) - 0.5) * ripple * kept(spot, 5.0);
            look.normal = (look.normal + V3::new(tilt(0x9a), tilt(0x9b), 0.0)).normalize();
        }
    }
}

/// Noise of so many periods per metre about zero, as much of it as a pixel shows.
#[inline]
fn grain(spot: &Spot<'_>, u: f32, v: f32, per_metre: f32, seed: u32) -> f32 {
    let left = kept(spot, per_metre);
    if left < 0.03 { 0.0 } else { (smooth2(u * per_metre, v * per_metre, seed) - 0.5) * left }
}

fn asphalt(spot: &Spot<'_>, u: f32, v: f32, look: &mut Look) {
    let wide = cloudy2(u * 0.11, v * 0.11, 0x11, 3);
    let patch = cloudy2(u * 0.9, v * 0.9, 0x12, 2);
    let grain = grain(spot, u, v, 46.0, 0x13) + grain(spot, u, v, 17.0, 0x14);
    let mut shade = 0.72 + 0.40 * wide + 0.18 * (patch - 0.5) + 0.34 * grain;
    // Cracks run where slow noise crosses its middle; mended strips are darker.
    if wide > 0.5 {
        let crack = (cloudy2(u * 0.33, v * 0.33, 0x15, 3) - 0.5).abs();
        let width = 0.004 + spot.footprint * 0.12;
        shade *= 1.0 - 0.5 * (1.0 - ramp(0.0, width, crack)) * (0.004 / width).sqrt() * ramp(0.5, 0.65, wide);
    }
    let (ix, fx) = fraction(u / 7.3 + 0.31);
    let (iy, fy) = fraction(v / 5.1 + 0.17);
    let odd = hash(pair(bits(ix), bits(iy)));
    if odd & 15 == 3 {
        let (w, h) = (0.2 + 0.3 * unit(hash(odd)), 0.2 + 0.35 * unit(hash(odd ^ 7)));
        shade *= 1.0
            - 0.24
                * within(fx, 0.5 - w, 0.5 + w, spot.footprint * 0.2 + 0.006)
                * within(fy, 0.5 - h, 0.5 + h, spot.footprint * 0.2 + 0.006);
    } else if odd & 31 == 8 {
        // A drain cover.
        let (dx, dy) = ((fx - 0.5) * 7.3, (fy - 0.5) * 5.1);
        let r = (dx * dx + dy * dy).sqrt();
        shade *= 1.0 - 0.42 * within(r, 0.26, 0.34, 0.02 + spot.footprint) - 0.15 * within(r, -1.0, 0.26, 0.02 + spot.footprint);
    }
    look.albedo *= shade;
}

fn paving(spot: &Spot<'_>, u: f32, v: f32, look: &mut Look) {
    let (iv, fv) = fraction(v / 0.5);
    let (iu, fu) = fraction(u / 0.5 + 0.5 * num::int_f32(iv & 1));
    let tint = unit(triple(bits(iu), bits(iv), 0x71));
    let left = kept(spot, 2.0);
    let soft = 0.02 + spot.footprint * 2.0;
    let joint = (1.0 - within(fu, 0.02, 0.98, soft)).max(1.0 - within(fv, 0.02, 0.98, soft));
    look.albedo *= 0.84 + 0.22 * (tint - 0.5) * left + 0.24 * cloudy2(u * 0.5, v * 0.5, 0x72, 3);
    look.albedo *= 1.0 - 0.42 * joint * left;
    look.albedo *= 1.0 + 0.16 * grain(spot, u, v, 29.0, 0x73);
}

/// Bricks of 25 by 8 centimetres in running bond.
pub(super) fn bricks(spot: &Spot<'_>, u: f32, v: f32, look: &mut Look) {
    let (row, fv) = fraction(v / 0.083);
    let (column, fu) = fraction(u / 0.25 + 0.5 * num::int_f32(row & 1));
    let left = kept(spot, 9.0);
    let tint = unit(triple(bits(row), bits(column), spot.seed));
    let joint =
        (1.0 - within(fv, 0.06, 0.94, 0.08 + spot.footprint * 12.0)).max(1.0 - within(fu, 0.025, 0.975, 0.03 + spot.footprint * 4.0));
    let face = look.albedo * (0.76 + 0.48 * tint * left + 0.24 * (1.0 - left));
    look.albedo = mix(face, V3::repeat(0.30), joint * (0.75 * left + 0.12 * (1.0 - left)));
    look.albedo *= 0.82 + 0.3 * cloudy2(u * 0.35, v * 0.2, spot.seed, 3);
}

/// Plaster: faint stains that run down, and dirt splashed up from the ground.
pub(super) fn plaster(spot: &Spot<'_>, u: f32, v: f32, look: &mut Look) {
    let stain = cloudy2(u * 1.1, v * 0.16, spot.seed ^ 0x81, 3);
    look.albedo *= 0.86 + 0.24 * stain + 0.10 * grain(spot, u, v, 21.0, 0x82);
    look.albedo *= 1.0 - 0.22 * (1.0 - ramp(0.0, 0.9 + 0.6 * stain, spot.local.z));
}

/// Leaves: clumps with hollows between them, each leaf turned its own way; light from behind shines through the thin ones.
fn foliage(spot: &Spot<'_>, look: &mut Look) {
    let p = spot.local;
    let at = |f: f32, seed| smooth3([p.x * f, p.y * f, p.z * f], spot.seed ^ seed);
    let (clump, tuft) = (at(1.3, 1) - 0.5, at(4.7, 2) - 0.5);
    let left = kept(spot, 11.0);
    let leaf = if left < 0.03 { 0.0 } else { (at(11.0, 3) - 0.5) * left };
    let depth = 0.62 * clump + 0.75 * tuft + 1.05 * leaf;
    let hollow = ramp(-0.30, 0.12, depth);
    let warm = V3::new(1.30, 1.10, 0.58);
    let tint = mix(V3::new(0.86, 0.95, 0.90), warm, (0.35 + 1.4 * depth).clamp(0.0, 1.0) * 0.8);
    look.albedo = look.albedo.component_mul(&tint) * (0.20 + 0.95 * hollow + 0.5 * leaf);
    let tilt = V3::new(tuft - 0.8 * leaf, leaf + 0.9 * clump, tuft + leaf + 0.10);
    look.normal = (look.normal + tilt * 1.7).try_normalize(1e-3).unwrap_or(look.normal);
    look.thin = 0.45;
}
