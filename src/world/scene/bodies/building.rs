//! Buildings: houses with pitched roofs, closed rows with shops, offices and towers with flat roofs.
//!
//! *In / Out*: width along the street, depth, height and a style; a body whose front faces +x, origin on the ground in its middle.
//! *Invariant*: everything stays within half a metre of the footprint, roofs' eaves and balconies included.

use crate::world::model::{Body, Lamp, Material, Surface, Tag};
use crate::world::scene::rng::Rng;
use crate::world::scene::shape::{P3, Shape, rectangle, surface};
use std::sync::Arc;

/// What kind of building.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A detached house.
    House,
    /// A town house with a shop.
    Row,
    /// An office block or tower.
    Office,
}

const WALLS: [[u8; 3]; 10] = [
    [214, 204, 184],
    [196, 172, 140],
    [178, 96, 72],
    [226, 220, 206],
    [168, 152, 138],
    [202, 188, 150],
    [150, 82, 64],
    [188, 194, 190],
    [220, 196, 164],
    [160, 166, 170],
];
const STOREY: f64 = 3.0;

const fn wall(material: Material, colour: [u8; 3]) -> Surface {
    surface(material, colour, Tag::Building)
}

/// A building of a style; `size` is depth (x), width (y), height of the walls.
pub(crate) fn building(style: Style, size: [f64; 3], rng: &mut Rng) -> Arc<Body> {
    let mut s = Shape::default();
    let colour = rng.pick(&WALLS).copied().unwrap_or([200; 3]);
    match style {
        Style::House => house(&mut s, size, colour, rng),
        Style::Row => row(&mut s, size, colour, rng),
        Style::Office => office(&mut s, size, colour, rng),
    }
    s.body(
        match style {
            Style::House => "building.house",
            Style::Row => "building.row",
            Style::Office => "building.office",
        },
        None,
    )
}

fn shell(s: &mut Shape, size: [f64; 3], from: f64, skin: Surface) {
    let [x, y, z] = [size[0] / 2.0, size[1] / 2.0, size[2]];
    s.hexahedron(rectangle([-x, -y, 0.0], [x, y, 0.0], from), rectangle([-x, -y, 0.0], [x, y, 0.0], z), true, skin);
}

/// A pane with its frame on the front (or back) wall.
fn pane(s: &mut Shape, x: f64, y: [f64; 2], z: [f64; 2], outwards: f64, glass: Surface) {
    let put = |s: &mut Shape, grow: f64, lift: f64, c: Surface| {
        let at = x + outwards * lift;
        let q: [P3; 4] = [
            [at, y[0] - grow, z[0] - grow],
            [at, y[1] + grow, z[0] - grow],
            [at, y[1] + grow, z[1] + grow],
            [at, y[0] - grow, z[1] + grow],
        ];
        s.quad(if outwards > 0.0 { q } else { [q[1], q[0], q[3], q[2]] }, c);
    };
    put(s, 0.1, 0.02, wall(Material::Plaster, [236, 234, 228]));
    put(s, 0.0, 0.035, glass);
}

fn glass(rng: &mut Rng) -> Surface {
    let lamp = if rng.chance(0.4) { Lamp::Night } else { Lamp::Off };
    let lit = Surface { lamp, ..wall(Material::Glass, [44, 52, 60]) };
    if lamp == Lamp::Night { Surface { material: Material::Lens, colour: [232, 196, 128], ..lit } } else { lit }
}

/// A pitched roof: overhang, height, length of the hips (0: gables), and whether the ridge runs along the front.
struct Roof {
    eaves: f64,
    rise: f64,
    hip: f64,
    along: bool,
}

fn roof(s: &mut Shape, size: [f64; 3], shape: &Roof, skin: Surface, gable: Surface) {
    let Roof { eaves, rise, hip, along } = *shape;
    let [x, y, z] = [size[0] / 2.0 + eaves, size[1] / 2.0 + eaves, size[2]];
    let low = rectangle([-x, -y, 0.0], [x, y, 0.0], z - 0.12);
    s.quad([low[3], low[2], low[1], low[0]], wall(Material::Wood, [120, 108, 96]));
    let top = z + rise;
    if along {
        // Ridge along y.
        let (a, b) = ([0.0, -y + hip, top], [0.0, y - hip, top]);
        s.quad([low[1], low[2], b, a], skin);
        s.quad([low[3], low[0], a, b], skin);
        let end = if hip > 0.1 { skin } else { gable };
        s.triangle([low[0], low[1], a], end);
        s.triangle([low[2], low[3], b], end);
    } else {
        let (a, b) = ([-x + hip, 0.0, top], [x - hip, 0.0, top]);
        s.quad([low[0], low[1], b, a], skin);
        s.quad([low[2], low[3], a, b], skin);
        let end = if hip > 0.1 { skin } else { gable };
        s.triangle([low[1], low[2], b], end);
        s.triangle([low[3], low[0], a], end);
    }
}

fn house(s: &mut Shape, size: [f64; 3], colour: [u8; 3], rng: &mut Rng) {
    let brick = rng.chance(0.4);
    let skin = wall(if brick { Material::Brick } else { Material::Plaster }, colour);
    shell(s, size, 0.0, skin);
    let tiles =
        wall(Material::Tiles, rng.pick(&[[140, 66, 48], [92, 60, 50], [76, 76, 82], [112, 84, 66]]).copied().unwrap_or([120, 70, 50]));
    let hip = if rng.chance(0.4) { 1.8 } else { 0.0 };
    let rise = rng.range(1.8, 3.2);
    roof(s, size, &Roof { eaves: 0.45, rise, hip, along: rng.chance(0.6) }, tiles, skin);
    let [x, y, z] = [size[0] / 2.0, size[1] / 2.0, size[2]];
    s.cuboid([-0.9, y * 0.4, z], [-0.3, y * 0.4 + 0.6, z + rise + 0.6], wall(Material::Brick, [132, 76, 62]));
    let storeys = (z / STOREY).round().max(1.0);
    let columns = (size[1] / 3.2).floor().max(2.0);
    let door = rng.below(2) as f64 * (columns - 1.0);
    let mut level = 0.0;
    while level < storeys {
        let base = level * z / storeys + 0.9;
        let mut c = 0.0;
        while c < columns {
            let middle = -y + (c + 0.5) * size[1] / columns;
            let is_door = level == 0.0 && (c - door).abs() < 0.1;
            if is_door {
                pane(s, x, [middle - 0.5, middle + 0.5], [0.12, 2.15], 1.0, wall(Material::Wood, [96, 60, 40]));
                s.block([x, middle - 0.8, 0.0], [x + 0.5, middle + 0.8, 0.12], wall(Material::Concrete, [150; 3]));
            } else {
                pane(s, x, [middle - 0.6, middle + 0.6], [base, base + 1.3], 1.0, glass(rng));
            }
            pane(s, -x, [middle - 0.6, middle + 0.6], [base, base + 1.3], -1.0, glass(rng));
            c += 1.0;
        }
        level += 1.0;
    }
}

fn row(s: &mut Shape, size: [f64; 3], colour: [u8; 3], rng: &mut Rng) {
    let [x, y, z] = [size[0] / 2.0, size[1] / 2.0, size[2]];
    let skin = wall(Material::Facade, colour);
    let shop = 3.6;
    let base = wall(Material::Plaster, colour.map(|c| c.saturating_sub(36)));
    s.hexahedron(rectangle([-x, -y, 0.0], [x, y, 0.0], 0.0), rectangle([-x, -y, 0.0], [x, y, 0.0], shop), true, base);
    shell(s, size, shop, skin);
    // Shop windows, a door, an awning, a ledge.
    let bays = (size[1] / 3.6).floor().max(1.0);
    let mut b = 0.0;
    while b < bays {
        let (from, to) = (-y + b * size[1] / bays + 0.3, -y + (b + 1.0) * size[1] / bays - 0.3);
        let lit = Surface { lamp: Lamp::Night, ..wall(Material::Lens, [214, 196, 150]) };
        let pane_skin = if rng.chance(0.35) { lit } else { wall(Material::Glass, [40, 46, 52]) };
        pane(s, x, [from, to], [if b == 0.0 { 0.15 } else { 0.6 }, 2.7], 1.0, pane_skin);
        b += 1.0;
    }
    if rng.chance(0.5) {
        let cloth = wall(
            Material::Cloth,
            rng.pick(&[[150, 40, 40], [40, 90, 70], [60, 70, 120], [200, 180, 130]]).copied().unwrap_or([150, 40, 40]),
        );
        let (a, b) = (-y + 0.3, y - 0.3);
        s.quad([[x + 0.48, a, 2.75], [x + 0.48, b, 2.75], [x, b, 3.15], [x, a, 3.15]], cloth);
        s.quad([[x, a, 3.13], [x, b, 3.13], [x + 0.48, b, 2.73], [x + 0.48, a, 2.73]], cloth);
    }
    s.cuboid([x, -y, shop - 0.12], [x + 0.18, y, shop + 0.1], wall(Material::Plaster, [218, 214, 206]));
    s.cuboid([x, -y, z - 0.35], [x + 0.3, y, z], wall(Material::Plaster, [218, 214, 206]));
    let storeys = ((z - shop) / STOREY).floor();
    if rng.chance(0.45) {
        let mut level = 1.0;
        while level < storeys {
            let h = shop + level * STOREY;
            let at = rng.range(-y + 1.5, (y - 1.5).max(-y + 1.6));
            s.cuboid([x, at - 1.2, h - 0.15], [x + 0.5, at + 1.2, h], wall(Material::Concrete, [180; 3]));
            s.cuboid([x + 0.45, at - 1.2, h], [x + 0.5, at + 1.2, h + 0.95], wall(Material::Metal, [60, 64, 66]));
            level += 1.0;
        }
    }
    if rng.chance(0.6) {
        let tiles = wall(Material::Tiles, rng.pick(&[[120, 66, 52], [82, 78, 80], [104, 86, 72]]).copied().unwrap_or([110, 70, 56]));
        roof(s, size, &Roof { eaves: 0.15, rise: rng.range(2.2, 3.4), hip: 0.0, along: true }, tiles, skin);
    } else {
        parapet(s, size, wall(Material::Plaster, colour));
    }
}

fn parapet(s: &mut Shape, size: [f64; 3], skin: Surface) {
    let [x, y, z] = [size[0] / 2.0, size[1] / 2.0, size[2]];
    for (low, high) in [([-x, -y], [x, -y + 0.25]), ([-x, y - 0.25], [x, y]), ([-x, -y], [-x + 0.25, y]), ([x - 0.25, -y], [x, y])] {
        s.block([low[0], low[1], z], [high[0], high[1], z + 0.7], skin);
    }
}

fn office(s: &mut Shape, size: [f64; 3], colour: [u8; 3], rng: &mut Rng) {
    let [x, y, z] = [size[0] / 2.0, size[1] / 2.0, size[2]];
    let curtain = rng.chance(0.4);
    let skin = if curtain { wall(Material::Facade, [104, 122, 136]) } else { wall(Material::Facade, colour) };
    let ground = 4.2;
    let glass = wall(Material::Glass, [38, 46, 54]);
    s.hexahedron(
        rectangle([-x + 0.5, -y + 0.5, 0.0], [x - 0.5, y - 0.5, 0.0], 0.0),
        rectangle([-x + 0.5, -y + 0.5, 0.0], [x - 0.5, y - 0.5, 0.0], ground),
        true,
        glass,
    );
    let pillars = (size[1] / 6.0).ceil().max(2.0);
    let mut i = 0.0;
    while i <= pillars {
        let at = -y + 0.3 + (size[1] - 0.6) * i / pillars;
        for front in [-x + 0.3, x - 0.3] {
            s.block([front - 0.3, at - 0.3, 0.0], [front + 0.3, at + 0.3, ground], wall(Material::Concrete, [168, 166, 160]));
        }
        i += 1.0;
    }
    let low = rectangle([-x, -y, 0.0], [x, y, 0.0], ground);
    s.quad([low[3], low[2], low[1], low[0]], wall(Material::Concrete, [150; 3]));
    shell(s, size, ground, skin);
    parapet(s, size, wall(Material::Concrete, [160; 3]));
    s.cuboid([-2.0, -1.5, z], [2.0, 2.5, z + 2.6], wall(Material::Concrete, [150, 150, 146]));
    s.cuboid([-x * 0.7, -y * 0.7, z], [-x * 0.7 + 1.6, -y * 0.7 + 1.6, z + 1.2], wall(Material::Metal, [170; 3]));
    s.cuboid([x - 0.5, -1.6, 2.9], [x + 0.5, 1.6, 3.05], wall(Material::Metal, [90; 3]));
}
