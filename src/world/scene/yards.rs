//! What stands inside blocks: buildings along the fronts, gardens, parks, car parks, building sites.
//!
//! *In / Out*: blocks and the gallery; instances, and the stalls of car parks as polygons. *Invariant*: every building stands wholly inside its block.

use super::blocks::{Block, Front, Use, grain, inward};
use super::bodies::{Gallery, Sign, Style, building, car_paint};
use super::ground::{Ground, KERB, layered};
use super::polygon::{Footprint, P2, bounds, contains, distance, edges};
use super::rng::Rng;
use super::stock::Stock;
use crate::world::model::{Material, Tag};
use std::f64::consts::{FRAC_PI_2, PI};

const BARE: [u8; 3] = [128; 3];

/// Whether a rectangle lies inside a ring.
fn inside(ring: &[P2], f: &Footprint) -> bool {
    let corners = f.corners();
    let dense = edges(&corners).flat_map(|(a, b)| {
        (0..6).map(move |i| {
            let t = f64::from(i) / 6.0;
            [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]
        })
    });
    let mut dense = dense;
    dense.all(|p| contains(ring, p)) && !ring.iter().any(|p| f.contains(*p))
}

/// Fills one block.
pub(crate) fn furnish(stock: &mut Stock, ground: &mut Ground, block: &Block, gallery: &Gallery, rng: &mut Rng) -> Vec<Vec<P2>> {
    let mut stalls = Vec::new();
    match block.usage {
        Use::Houses => block.fronts.iter().for_each(|f| houses(stock, ground, block, f, gallery, rng)),
        Use::Row => {
            block.fronts.iter().for_each(|f| rows(stock, block, f, rng));
            scatter(stock, block, gallery, 0.9, 14.0, rng);
        }
        Use::Offices => {
            block.fronts.iter().for_each(|f| offices(stock, ground, block, f, rng));
            scatter(stock, block, gallery, 0.75, 2.0, rng);
        }
        Use::Park => {
            paths(ground, block);
            scatter(stock, block, gallery, 1.7, 2.0, rng);
        }
        Use::CarPark => {
            if let Some(front) = block.fronts.first() {
                offices(stock, ground, block, front, rng);
            }
            stalls = car_park(stock, ground, block, gallery, rng);
        }
        Use::Outside => {
            block.fronts.iter().for_each(|f| {
                if rng.chance(0.6) { houses(stock, ground, block, f, gallery, rng) } else { offices(stock, ground, block, f, rng) }
            });
            outskirts(stock, block, gallery, rng);
        }
    }
    if block.usage != Use::Outside && rng.chance(0.12) {
        site(stock, block, gallery, rng);
    }
    stalls
}

fn fits(block: &Block, f: &Footprint) -> bool {
    if block.usage == Use::Outside {
        // The town lies inside the ring; its outskirts outside.
        return !f.corners().iter().any(|p| contains(&block.ring, *p))
            && distance(&block.ring, f.centre) > f.half[0].min(f.half[1])
            && !block.ring.iter().any(|p| f.contains(*p));
    }
    inside(&block.ring, f)
}

/// Puts a building at a front; returns whether it found room.
fn put(stock: &mut Stock, (block, front): (&Block, &Front), [s, setback]: [f64; 2], style: Style, size: [f64; 3], rng: &mut Rng) -> bool {
    let (p, at) = inward(front, s, setback + size[0] / 2.0);
    let f = Footprint { centre: p, heading: at.heading + FRAC_PI_2, half: [size[0] / 2.0, size[1] / 2.0] };
    let margin = if style == Style::Row { -0.15 } else { 0.6 };
    if !fits(block, &f.grown(0.2)) || !stock.free(&f.grown(margin)) {
        return false;
    }
    stock.take(f);
    let body = building(style, size, rng);
    stock.place(&body, p, KERB, f.heading, BARE);
    true
}

fn houses(stock: &mut Stock, ground: &mut Ground, block: &Block, front: &Front, gallery: &Gallery, rng: &mut Rng) {
    let length = front.edge.length();
    let mut s = rng.range(4.0, 8.0);
    let fenced = rng.chance(0.6).then(|| rng.below(2));
    while s < length - 4.0 {
        let (width, depth) = (rng.range(8.5, 13.5), rng.range(8.0, 11.0));
        let height = if rng.chance(0.55) { rng.range(5.6, 6.4) } else { rng.range(2.9, 3.3) };
        let setback = rng.range(3.5, 7.5);
        let middle = s + width / 2.0;
        if put(stock, (block, front), [middle, setback], Style::House, [depth, width, height], rng) {
            let path = layered(Material::Paving, [150, 142, 130], Tag::Ground, 2);
            // A paved way to the door and a drive.
            for (at, half) in [(middle - width / 2.0 + 1.2, 0.6), (middle + width / 2.0 + 1.8, 1.4)] {
                let (a, b) = (front.edge.at(at - half), front.edge.at(at + half));
                if at + half < length && at > half {
                    ground.flat(&[a.point(), a.beside(-setback), b.beside(-setback), b.point()], KERB, path);
                    stock.take(Footprint {
                        centre: front.edge.at(at).beside(-setback / 2.0),
                        heading: a.heading,
                        half: [half, setback / 2.0],
                    });
                }
            }
            let drive = front.edge.at(middle + width / 2.0 + 1.8);
            if let Some(car) = rng.pick(&gallery.cars).filter(|c| setback > c.size[0] + 0.4) {
                let p = drive.beside(-(0.3 + car.size[0] / 2.0));
                if rng.chance(0.5) {
                    stock.place(car, p, KERB, drive.heading + FRAC_PI_2, car_paint(rng));
                }
            }
        }
        s += width + rng.range(4.5, 8.0);
    }
    if let Some(fence) = fenced.and_then(|i| gallery.fences.get(i)) {
        let mut s = 2.0;
        while s < length - 2.0 {
            let at = front.edge.at(s);
            let p = at.beside(-0.35);
            let f = Footprint { centre: p, heading: at.heading, half: [1.5, 0.1] };
            if fits(block, &f) && stock.free(&f) {
                stock.place(fence, p, KERB, at.heading, BARE);
            }
            s += 3.0;
        }
    } else {
        let mut s = 2.0;
        while s < length - 2.0 {
            if let Some(bush) = rng.pick(&gallery.bushes).filter(|_| rng.chance(0.55)) {
                let at = front.edge.at(s);
                let p = at.beside(-0.9);
                if fits(block, &Footprint { centre: p, heading: 0.0, half: [0.8; 2] }) {
                    stock.try_place(bush, p, KERB, at.heading, BARE, 0.0);
                }
            }
            s += 1.9;
        }
    }
    // Trees in the gardens.
    let mut s = 3.0;
    while s < length {
        let (p, _) = inward(front, s, rng.range(1.8, 22.0));
        if let Some(tree) = rng.pick(&gallery.trees).filter(|_| rng.chance(0.5)) {
            let crown = Footprint { centre: p, heading: 0.0, half: [1.4; 2] };
            if fits(block, &crown) && stock.free(&crown) {
                stock.try_place(tree, p, KERB, rng.range(-PI, PI), BARE, 1.0);
            }
        }
        s += 5.0;
    }
}

fn rows(stock: &mut Stock, block: &Block, front: &Front, rng: &mut Rng) {
    let length = front.edge.length();
    let mut s = 0.6;
    let base = 3.6 + 3.0 * (2.0 + rng.below(3) as f64);
    while s < length {
        let (width, depth) = (rng.range(8.0, 14.5), rng.range(10.5, 13.0));
        let height = (base + 3.0 * (rng.below(3) as f64 - 1.0)).max(6.6);
        if put(stock, (block, front), [s + width / 2.0, 0.65], Style::Row, [depth, width, height], rng) {
            // A passage now and then.
            s += width + if rng.chance(0.1) { 3.5 } else { 0.02 };
        } else {
            s += 2.0;
        }
    }
}

fn offices(stock: &mut Stock, ground: &mut Ground, block: &Block, front: &Front, rng: &mut Rng) {
    let length = front.edge.length();
    let mut s = rng.range(6.0, 12.0);
    while s < length - 8.0 {
        let (width, depth) = (rng.range(16.0, 30.0), rng.range(13.0, 20.0));
        let tall = if rng.chance(0.25) { 12 } else { 5 };
        let height = 4.2 + 3.0 * (2.0 + rng.below(tall) as f64);
        let setback = rng.range(3.5, 8.0);
        let middle = s + width / 2.0;
        if put(stock, (block, front), [middle, setback], Style::Office, [depth, width, height], rng) {
            let (a, b) = (front.edge.at(middle - 3.0), front.edge.at(middle + 3.0));
            ground.flat(
                &[a.point(), a.beside(-setback), b.beside(-setback), b.point()],
                KERB,
                layered(Material::Paving, [168, 164, 158], Tag::Ground, 2),
            );
            stock.take(Footprint { centre: front.edge.at(middle).beside(-setback / 2.0), heading: a.heading, half: [3.0, setback / 2.0] });
            s += width + rng.range(7.0, 14.0);
        } else {
            s += 5.0;
        }
    }
}

/// Trees, bushes and benches where there is room: `density` per 100 square metres.
fn scatter(stock: &mut Stock, block: &Block, gallery: &Gallery, density: f64, margin: f64, rng: &mut Rng) {
    let [low, high] = bounds(&block.ring);
    let count = (high[0] - low[0]) * (high[1] - low[1]) / 100.0 * density;
    let mut i = 0.0;
    while i < count.min(400.0) {
        let p = [rng.range(low[0], high[0]), rng.range(low[1], high[1])];
        let tree = rng.chance(0.7);
        let body = if tree { rng.pick(&gallery.trees) } else { rng.pick(&gallery.bushes) };
        if let (Some(body), true) = (body, contains(&block.ring, p) && distance(&block.ring, p) > margin) {
            stock.try_place(body, p, KERB, rng.range(-PI, PI), BARE, if tree { 1.3 } else { 0.1 });
        }
        i += 1.0;
    }
}

fn paths(ground: &mut Ground, block: &Block) {
    let heading = grain(&block.ring);
    let [low, high] = bounds(&block.ring);
    let c = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
    let gravel = layered(Material::Soil, [170, 150, 118], Tag::Ground, 2);
    for turn in [0.6, -0.7] {
        let long = Footprint { centre: c, heading: heading + turn, half: [300.0, 1.1] };
        // Short pieces that lie wholly inside make the way.
        let (sin, cos) = long.heading.sin_cos();
        let mut s = -120.0;
        while s < 120.0 {
            let piece = Footprint { centre: [c[0] + cos * s, c[1] + sin * s], heading: long.heading, half: [1.0, 1.1] };
            if inside(&block.ring, &piece) {
                ground.flat(&piece.corners(), KERB, gravel);
            }
            s += 2.0;
        }
    }
}

fn car_park(stock: &mut Stock, ground: &mut Ground, block: &Block, gallery: &Gallery, rng: &mut Rng) -> Vec<Vec<P2>> {
    let heading = grain(&block.ring);
    let (sin, cos) = heading.sin_cos();
    let [low, high] = bounds(&block.ring);
    let c = [(low[0] + high[0]) / 2.0, (low[1] + high[1]) / 2.0];
    let reach = (high[0] - low[0]).max(high[1] - low[1]) / 2.0;
    let white = layered(Material::Paint, [222, 222, 216], Tag::RoadLine, 3);
    let share = rng.range(0.4, 0.8);
    let mut stalls = Vec::new();
    let mut row = -reach;
    let mut flip = false;
    while row < reach {
        let mut along = -reach;
        while along < reach {
            let p = [c[0] + cos * along - sin * row, c[1] + sin * along + cos * row];
            let stall = Footprint { centre: p, heading: heading + FRAC_PI_2, half: [2.6, 1.28] };
            if inside(&block.ring, &stall.grown(1.8)) && stock.free(&stall) {
                stalls.push(stall.corners().to_vec());
                for side in [-1.28, 1.28] {
                    let q = [p[0] + cos * side, p[1] + sin * side];
                    ground.flat(&Footprint { centre: q, heading: heading + FRAC_PI_2, half: [2.5, 0.05] }.corners(), KERB, white);
                }
                if rng.chance(share) {
                    let fits = |b: &&std::sync::Arc<crate::world::model::Body>| b.size[0] < 5.0;
                    let body = if rng.chance(0.03) { Some(&gallery.parked_motorcycle) } else { rng.pick(&gallery.cars).filter(fits) };
                    let turn = if rng.chance(0.75) == flip { FRAC_PI_2 } else { -FRAC_PI_2 };
                    if let Some(body) = body {
                        stock.place(body, p, KERB, heading + turn + rng.range(-0.03, 0.03), car_paint(rng));
                    }
                }
                stock.take(stall);
            }
            along += 2.56;
        }
        row += if flip { 5.3 } else { 11.4 };
        flip = !flip;
    }
    stalls
}

/// A fenced piece of ground with a digger, barriers and cones.
pub(crate) fn site(stock: &mut Stock, block: &Block, gallery: &Gallery, rng: &mut Rng) -> bool {
    for front in &block.fronts {
        for try_ in 0..6 {
            let s = front.edge.length() * (0.15 + 0.12 * f64::from(try_));
            let (p, at) = inward(front, s, 4.2);
            let whole = Footprint { centre: p, heading: at.heading, half: [6.0, 3.6] };
            if !fits(block, &whole) || !stock.free(&whole) {
                continue;
            }
            let put = |x: f64, y: f64| {
                let (sin, cos) = at.heading.sin_cos();
                [p[0] + cos * x - sin * y, p[1] + sin * x + cos * y]
            };
            for i in 0..5 {
                stock.place(&gallery.barrier, put(-4.4 + 2.2 * f64::from(i), 3.2), KERB, at.heading + FRAC_PI_2, BARE);
            }
            for i in 0..4 {
                for x in [-5.7, 5.7] {
                    stock.place(&gallery.cone, put(x, 2.6 - 1.7 * f64::from(i)), KERB, rng.range(-PI, PI), BARE);
                }
            }
            if let Some(digger) = rng.pick(&gallery.diggers) {
                stock.place(digger, put(0.3, -0.6), KERB, at.heading, BARE);
            }
            stock.place(&Gallery::sign(Sign::Works), put(-5.6, 3.3), KERB, at.heading + PI, BARE);
            stock.take(whole);
            return true;
        }
    }
    false
}

fn outskirts(stock: &mut Stock, block: &Block, gallery: &Gallery, rng: &mut Rng) {
    let [low, high] = bounds(&block.ring);
    let (w, h) = (high[0] - low[0] + 200.0, high[1] - low[1] + 200.0);
    let count = (2.0 * (w + h) * 1.1).min(6000.0);
    let mut i = 0.0;
    while i < count {
        let p = [rng.range(low[0] - 95.0, high[0] + 95.0), rng.range(low[1] - 95.0, high[1] + 95.0)];
        if !contains(&block.ring, p)
            && distance(&block.ring, p) > 4.0
            && let Some(tree) = rng.pick(&gallery.trees)
        {
            stock.try_place(tree, p, KERB, rng.range(-PI, PI), BARE, 1.6);
        }
        i += 1.0;
    }
}
