//! House fronts: floors, windows, shops, lit rooms.
//!
//! *In*: a spot on a wall of [`Material::Facade`](crate::world::model::Material::Facade). *Out*: its look. Windows are laid out over the whole wall, so that corners are
//! never cut. *Invariant*: a window is where it was in every picture, and lit or dark for the whole evening.

use super::light::{Light, ramp};
use super::material::{Look, Spot, bricks, plaster};
use super::noise::{bits, hash, pair, triple, unit};
use crate::types::num;
use crate::world::model::Tag;
use nalgebra::Vector3;

type V3 = Vector3<f32>;

/// Radiance of a lit window.
const LIT: f32 = 0.020;

fn within(x: f32, low: f32, high: f32, soft: f32) -> f32 {
    let soft = soft.max(1e-4);
    ((x - low) / soft + 0.5).clamp(0.0, 1.0) * ((high - x) / soft + 0.5).clamp(0.0, 1.0)
}

/// A window's place in its cell: left, right, bottom, top, as fractions.
#[derive(Debug, Clone, Copy)]
struct Pane {
    sides: [f32; 4],
    soft: [f32; 2],
    fx: f32,
    fy: f32,
}

impl Pane {
    fn inside(&self, grow: [f32; 2]) -> f32 {
        let [l, r, b, t] = self.sides;
        within(self.fx, l - grow[0], r + grow[0], self.soft[0]) * within(self.fy, b - grow[1], t + grow[1], self.soft[1])
    }
}

/// The grid of a wall: which cell, and where in it.
struct Cells {
    column: i32,
    floor: i32,
    fx: f32,
    fy: f32,
    width: f32,
    height: f32,
    edge: bool,
}

fn cells(spot: &Spot<'_>, u: f32) -> Cells {
    let bounds = &spot.placed.shape.bounds;
    let n = &spot.flat;
    let across = if n.x.abs() > n.y.abs() { bounds.high.y - bounds.low.y } else { bounds.high.x - bounds.low.x };
    let middle = if n.x.abs() > n.y.abs() { bounds.centre().y * n.x.signum() } else { -bounds.centre().x * n.y.signum() };
    let wanted = 2.3 + 0.9 * unit(hash(spot.seed ^ 0xa1));
    let whole = |v: f32| num::int_f32(num::floor_i32(v).max(1));
    let columns = whole(across / wanted);
    let floors = whole((bounds.high.z - bounds.low.z) / 3.1);
    let (width, height) = (across / columns, (bounds.high.z - bounds.low.z) / floors);
    let (x, y) = ((u - middle + across * 0.5) / width, (spot.local.z - bounds.low.z) / height);
    let (column, floor) = (num::floor_i32(x), num::floor_i32(y));
    let edge = column < 0 || num::int_f32(column) >= columns || floor < 0;
    Cells { column, floor, fx: x - num::int_f32(column), fy: y - num::int_f32(floor), width, height, edge }
}

/// Paints a wall.
pub fn facade(spot: &Spot<'_>, u: f32, v: f32, light: &Light, look: &mut Look) {
    let style = hash(spot.seed ^ 0xb2);
    let cell = cells(spot, u);
    if style & 3 == 0 {
        bricks(spot, u, v, look)
    } else {
        plaster(spot, u, v, look)
    }
    let soft = [(spot.footprint * 1.2 / cell.width).max(0.012), (spot.footprint * 1.2 / cell.height).max(0.012)];
    let shop = cell.floor == 0 && style & 0x30 != 0;
    // Courses between floors, a plinth below.
    let band = within(cell.fy, 0.0, 0.045, soft[1]) * if style & 4 == 0 { 1.0 } else { 0.0 };
    look.albedo *= 1.0 + 0.16 * band - 0.25 * within(cell.fy, -0.012, 0.0, soft[1]) * if cell.floor > 0 { 1.0 } else { 0.0 };
    if cell.edge {
        return;
    }
    let room = triple(bits(cell.column), bits(cell.floor), spot.seed ^ spot_side(&spot.flat));
    let sides = if shop {
        [0.06, 0.94, 0.06, 0.78]
    } else {
        match (style >> 8) & 3 {
            0 => [0.24, 0.76, 0.30, 0.84],
            1 => [0.16, 0.84, 0.32, 0.82],
            2 => [0.30, 0.70, 0.26, 0.86],
            _ => [0.10, 0.90, 0.34, 0.82],
        }
    };
    let pane = Pane { sides, soft, fx: cell.fx, fy: cell.fy };
    let frame = pane.inside([0.03, 0.028]);
    if frame <= 0.0 {
        // A sill throws a line of shade.
        let [l, r, b, _] = sides;
        look.albedo *= 1.0 - 0.22 * within(cell.fx, l - 0.04, r + 0.04, soft[0]) * within(cell.fy, b - 0.075, b - 0.035, soft[1]);
        return;
    }
    let glass = pane.inside([0.0, 0.0]);
    let light_frame = style & 0x40 == 0;
    let frame_colour = if light_frame { V3::repeat(0.62) } else { V3::new(0.09, 0.08, 0.07) };
    look.albedo = look.albedo * (1.0 - frame) + frame_colour * frame;
    let bar = if shop { 0.0 } else { within(cell.fx, 0.485, 0.515, soft[0]) };
    let glass = glass * (1.0 - bar);
    window(light, look, &Window { pane, room, glass, shop });
}

struct Window {
    pane: Pane,
    room: u32,
    glass: f32,
    shop: bool,
}

fn window(light: &Light, look: &mut Look, window: &Window) {
    let Window { pane, room, glass, shop } = window;
    let [l, r, b, t] = pane.sides;
    // The reveal shades the upper and one vertical edge.
    let shade = 1.0 - 0.75 * within(pane.fy, t - 0.05, t + 0.02, 0.03 + pane.soft[1]);
    let curtain_width = 0.30 * unit(hash(*room)) * (r - l);
    let curtain =
        within(pane.fx, l, l + curtain_width, 0.03 + pane.soft[0]).max(within(pane.fx, r - curtain_width, r, 0.03 + pane.soft[0]));
    let blind =
        within(pane.fy, t - (t - b) * 0.7 * unit(hash(room ^ 5)) * if room & 7 == 1 { 1.0 } else { 0.0 }, t + 0.1, 0.02 + pane.soft[1]);
    let cover = curtain.max(blind) * if *shop { 0.0 } else { 0.9 };
    let inside = V3::repeat(0.020 + 0.03 * unit(hash(room ^ 9)));
    let inside = inside + (V3::new(0.42, 0.40, 0.36) - inside) * cover * 0.55;
    look.albedo = look.albedo * (1.0 - glass) + inside * (*glass * shade);
    // Old panes are never quite flat: each mirrors another piece of sky.
    let wobble = |seed: u32| (unit(hash(room ^ seed)) - 0.5) * 0.07;
    if *glass > 0.5 {
        look.normal = (look.normal + V3::new(wobble(11), wobble(12), wobble(13))).normalize();
        look.mirror = 0.16 * glass;
    }
    let share = if *shop { 0.75 } else { 0.36 };
    if light.lamps > 0.0 && unit(pair(*room, 0x1717)) < share * light.lamps {
        let tone = unit(hash(room ^ 21));
        let colour = if tone < 0.75 { V3::new(1.0, 0.70, 0.40) } else { V3::new(0.85, 0.92, 1.0) };
        let strength = LIT * (0.35 + 1.1 * unit(hash(room ^ 22))) * if *shop { 1.5 } else { 1.0 };
        let depth = 0.55 + 0.45 * ramp(b, t, pane.fy);
        look.emission = colour * (strength * glass * depth * (1.0 - 0.35 * cover) * light.lamps);
    }
}

/// Whether a pane belongs to a shop or to the hall of an office, and not to a flat.
#[inline]
pub fn is_shop(spot: &Spot<'_>) -> bool {
    spot.surface.tag == Tag::Building
        && spot.flat.z.abs() < 0.5
        && spot.placed.instance.as_ref().is_some_and(|i| i.body.class.is_none() && i.body.name != "building.house")
}

/// Distance from a pane to the wall behind it, metres.
const DEEP: f32 = 2.2;

/// A shop window: posts and a transom in front, behind the pane a floor, a ceiling, and a wall with shelves of goods, seen in perspective.
pub fn storefront(spot: &Spot<'_>, u: f32, v: f32, look: &mut Look) {
    let soft = spot.footprint * 0.8 + 0.004;
    let place = u / 1.45;
    let beside = (place - num::int_f32(num::floor_i32(place)) - 0.5) * 1.45;
    let post = within(beside, -0.035, 0.035, soft).max(within(v, 2.28, 2.34, soft)).max(within(v, 0.0, 0.16, soft));
    // Along the ray through the pane to whatever comes first: back wall, floor, ceiling.
    let ray = -spot.placed.turn.tr_mul(&spot.towards);
    let inwards = -spot.flat.dot(&ray);
    let sideways = (ray.y * spot.flat.x - ray.x * spot.flat.y) / inwards.max(0.08);
    let rise = ray.z / inwards.max(0.08);
    let reach = if rise < -1e-3 {
        (0.1 - v) / rise
    } else if rise > 1e-3 {
        (2.7 - v) / rise
    } else {
        DEEP
    };
    let depth = reach.clamp(0.05, DEEP);
    let (x, z) = (u + sideways * depth, v + rise * depth);
    let wide = unit(hash(spot.seed ^ 0x51));
    let inside = if depth < DEEP {
        if rise < 0.0 { V3::new(0.16, 0.13, 0.10) } else { V3::repeat(0.34) }
    } else {
        let (shelf, board) = ((z / 0.46), 0.46);
        let (row, column) = (num::floor_i32(shelf), num::floor_i32(x / (0.2 + 0.3 * wide)));
        let goods = triple(bits(row), bits(column), spot.seed ^ 0x52);
        let tone = |k: u32| 0.06 + 0.34 * unit(hash(goods ^ k)) * unit(hash(goods ^ k ^ 64));
        let filled = unit(goods) < 0.8 && (shelf - num::int_f32(row)) * board < 0.14 + 0.26 * unit(hash(goods ^ 9)) && z < 2.1;
        let back = V3::new(0.26, 0.24, 0.21) * (0.7 + 0.6 * wide);
        let edge = within(shelf - num::int_f32(row), -0.05, 0.06, soft * 2.0) * if z < 2.1 { 0.5 } else { 0.0 };
        if filled { V3::new(tone(1), tone(2), tone(3)) } else { back * (1.0 - edge) }
    };
    // Little daylight comes in; lamps inside (see `shine`) bring it out.
    let inside = inside * (0.55 - 0.16 * depth);
    let frame = if hash(spot.seed ^ 0x53) & 1 == 0 { V3::repeat(0.05) } else { V3::new(0.30, 0.29, 0.27) };
    look.albedo = inside * (1.0 - post) + frame * post;
    look.mirror = 0.11 * (1.0 - post);
    let tilt = (unit(triple(bits(num::floor_i32(place + 0.5)), 7, spot.seed)) - 0.5) * 0.02;
    look.normal = (look.normal + V3::new(-spot.normal.y, spot.normal.x, 0.3) * tilt).normalize();
}

/// Which of a house's four sides, so that their windows differ.
fn spot_side(normal: &V3) -> u32 {
    bits(num::floor_i32(normal.x * 2.0 + 0.5)).wrapping_mul(31) ^ bits(num::floor_i32(normal.y * 2.0 + 0.5)).wrapping_mul(57)
}
