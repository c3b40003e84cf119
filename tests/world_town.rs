//! The town and its traffic from outside: geometry, rules, labels and determinism over many seeds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    missing_docs
)]

use sensorium::types::{BevMap, Control};
use sensorium::world::model::{Signal, Sky};
use sensorium::world::motion::{Command, EgoDriver, EventKind, World, WorldConfig, phase_at, plan};
use sensorium::world::scene::{Footprint, Layer, Raster, Rng, Rule, Town, TownSpec, town_names, wrap};
use std::sync::Arc;

fn towns() -> Vec<Town> {
    (0..14u64).map(|seed| Town::new(&TownSpec::sized(4 + (seed as usize * 7) % 40, seed * 13 + 1).unwrap()).unwrap()).collect()
}

fn config(town: &str, seed: u64, vehicles: usize, pedestrians: usize) -> WorldConfig {
    WorldConfig { town: town.into(), seed, vehicles, pedestrians, ..WorldConfig::default() }
}

#[test]
fn every_lane_leads_to_every_other() {
    for town in towns() {
        let net = &town.network;
        let follow = |forward: bool| {
            let mut seen = vec![false; net.lanes.len()];
            let mut open = vec![0];
            while let Some(l) = open.pop() {
                if std::mem::replace(&mut seen[l], true) {
                    continue;
                }
                let lane = &net.lanes[l];
                open.extend(if forward { &lane.next } else { &lane.previous });
                open.extend(lane.left.iter().chain(&lane.right));
            }
            seen.iter().filter(|s| !**s).count()
        };
        assert_eq!((follow(true), follow(false)), (0, 0), "{}", town.spec.name);
    }
}

#[test]
fn lanes_join_in_place_and_direction_and_bend_no_tighter_than_a_car_can() {
    for town in towns() {
        let net = &town.network;
        for lane in &net.lanes {
            assert!(!lane.next.is_empty() && !lane.previous.is_empty());
            let end = lane.centre.at(lane.centre.length());
            for next in &lane.next {
                let start = net.lanes[*next].centre.at(0.0);
                assert!((end.x - start.x).hypot(end.y - start.y) < 1e-6);
                assert!(wrap(end.heading - start.heading).abs() < 1e-6);
            }
            for piece in lane.centre.pieces() {
                assert!(
                    piece.start.curvature.abs() < 1.0 / 4.5,
                    "{}: lane {} radius {}",
                    town.spec.name,
                    lane.id,
                    1.0 / piece.start.curvature
                );
            }
            assert!(lane.junction.is_some() || lane.stop > 10.0, "{}: lane {} is too short", town.spec.name, lane.id);
        }
    }
}

#[test]
fn neighbours_lie_beside_each_other_and_limits_are_those_of_streets() {
    let mut neighbours = 0;
    for town in towns() {
        let net = &town.network;
        for lane in &net.lanes {
            assert!(
                (5.0..=20.0).contains(&lane.limit) && (2.5..=4.0).contains(&lane.width),
                "{}: {:?}",
                town.spec.name,
                (lane.limit, lane.width)
            );
            for (other, side) in [(lane.left, 1.0), (lane.right, -1.0)] {
                let Some(other) = other.map(|o| &net.lanes[o]) else { continue };
                let back = if side > 0.0 { other.right } else { other.left };
                assert!(
                    back == Some(lane.id) && other.road == lane.road && other.limit == lane.limit,
                    "{}: lane {}",
                    town.spec.name,
                    lane.id
                );
                let at = lane.centre.at(lane.centre.length() / 2.0);
                let (s, left) = other.centre.project(at.point());
                assert!((left + side * lane.width).abs() < 0.1 && wrap(other.centre.at(s).heading - at.heading).abs() < 0.05);
                neighbours += 1;
            }
        }
    }
    assert!(neighbours > 50, "{neighbours}");
}

#[test]
fn lights_are_never_green_for_ways_that_cross() {
    for town in towns() {
        let net = &town.network;
        for junction in net.junctions.iter().filter(|j| j.cycle.is_some()) {
            let cycle = junction.cycle.as_ref().unwrap();
            let lights: Vec<_> = net.lights.iter().filter(|l| l.junction == junction.id).collect();
            assert_eq!(lights.len(), junction.arms.len());
            for t in 0..400 {
                let open = |phase: usize| phase_at(cycle, phase, f64::from(t) * 0.5).0 != Signal::Red;
                for a in &lights {
                    assert!(!a.instances.is_empty());
                    for b in &lights {
                        // Arms that are neither the same nor opposite cross.
                        let angle = wrap(junction.arms[a.arm].mouth.heading - junction.arms[b.arm].mouth.heading).abs();
                        if a.id != b.id && angle < 2.3 {
                            assert!(!(open(a.phase) && open(b.phase)), "{}: junction {} at {t}", town.spec.name, junction.id);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn all_triangles_are_finite_and_the_ground_faces_up() {
    for town in towns() {
        for tile in &town.scene.tiles {
            for (c, s) in &tile.mesh.triangles {
                let [a, b, c] = c.map(|i| tile.mesh.vertices[i as usize].map(f64::from));
                assert!([a, b, c].iter().flatten().all(|v| v.is_finite()));
                let up = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
                let kerb = (a[2] - b[2]).abs() + (b[2] - c[2]).abs() > 0.01;
                assert!(kerb || up > 0.0, "{}: {a:?} {b:?} {c:?}", town.spec.name);
                assert!(usize::from(*s) < tile.mesh.surfaces.len());
                for p in [a, b, c] {
                    assert!((0..2).all(|k| p[k] >= tile.bounds[0][k] - 1e-3 && p[k] <= tile.bounds[1][k] + 1e-3));
                }
            }
        }
    }
}

#[test]
fn there_is_exactly_one_ground_everywhere_in_town() {
    for town in towns().iter().take(5) {
        let [low, high] = town.bounds();
        let mut rng = Rng::new(3);
        for _ in 0..300 {
            let p = [rng.range(low[0], high[0]), rng.range(low[1], high[1])];
            let mut layers: Vec<(u8, i32)> = Vec::new();
            for tile in &town.scene.tiles {
                if (0..2).any(|k| p[k] < tile.bounds[0][k] || p[k] > tile.bounds[1][k]) {
                    continue;
                }
                for (c, s) in &tile.mesh.triangles {
                    let q = c.map(|i| tile.mesh.vertices[i as usize].map(f64::from));
                    let side = |a: [f64; 3], b: [f64; 3]| (b[0] - a[0]) * (p[1] - a[1]) - (b[1] - a[1]) * (p[0] - a[0]);
                    if side(q[0], q[1]) > 1e-6 && side(q[1], q[2]) > 1e-6 && side(q[2], q[0]) > 1e-6 {
                        layers.push((tile.mesh.surfaces[usize::from(*s)].layer, (q[0][2] * 100.0).round() as i32));
                    }
                }
            }
            let base = layers.iter().filter(|l| l.0 <= 1).count();
            assert_eq!(base, 1, "{}: grounds at {p:?}: {layers:?}", town.spec.name);
        }
    }
}

#[test]
fn nothing_stands_on_a_lane_and_no_two_vehicles_in_each_other() {
    for town in towns() {
        for o in &town.obstacles {
            for corner in o.footprint.corners().iter().chain([&o.footprint.centre]) {
                let Some((lane, s, left)) = town.network.locate(*corner, None) else { continue };
                let lane = &town.network.lanes[lane];
                let beyond = s < 1e-6 || s > lane.centre.length() - 1e-6;
                assert!(beyond || left.abs() > 1.05, "{}: {:?} stands {left:.2} m from the middle of lane {}", town.spec.name, o, lane.id);
            }
        }
        let vehicles: Vec<&Footprint> = town
            .obstacles
            .iter()
            .filter(|o| o.class.is_some_and(|c| ["car", "truck", "trailer"].contains(&c)))
            .map(|o| &o.footprint)
            .collect();
        for (i, a) in vehicles.iter().enumerate() {
            for b in vehicles.iter().skip(i + 1) {
                assert!(a.overlap(b).is_none_or(|(depth, _)| depth < 0.02), "{}: {a:?} in {b:?}", town.spec.name);
            }
        }
        let town = Arc::new(town);
        let world = World::within(town.clone(), &config("town-01", 5, 1000, 0)).unwrap();
        let all: Vec<Footprint> = world.vehicle_ids().map(|id| world.footprint(id).unwrap()).collect();
        assert!(all.len() > 5 && all.len() <= 1001);
        for (i, a) in all.iter().enumerate() {
            assert!(all.iter().skip(i + 1).all(|b| a.overlap(b).is_none()));
            assert!(town.obstacles_near(a.centre, 8.0).all(|o| o.footprint.overlap(a).is_none()));
        }
    }
}

#[test]
fn all_ten_classes_stand_or_move_in_the_smallest_town() {
    let mut world = World::new(&config("town-01", 4, 40, 30)).unwrap();
    let snapshot = world.step(0.05).unwrap();
    let seen: std::collections::BTreeSet<&str> =
        world.scene().statics.iter().chain(&snapshot.movers).filter_map(|i| i.body.class).collect();
    assert_eq!(seen.len(), 10, "{seen:?}");
    let mut ids: Vec<u32> = world.scene().statics.iter().chain(&snapshot.movers).map(|i| i.id).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert!(ids.len() == count && !ids.contains(&0));
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let run = |seed| {
        let mut world = World::new(&config("town-02", seed, 25, 15)).unwrap();
        (0..400).for_each(|_| world.advance(0.05).unwrap());
        format!("{:?}", world.snapshot())
    };
    let first = run(9);
    let again = std::thread::spawn(move || run(9)).join().unwrap();
    assert!(first == again);
    assert!(first != run(10));
}

#[test]
fn routes_join_and_their_commands_fit_the_turns() {
    let town = Town::new(&TownSpec::named("town-05").unwrap()).unwrap();
    let net = &town.network;
    let mut rng = Rng::new(2);
    let (mut changes, mut turns) = (0, 0);
    for _ in 0..150 {
        let mut place = || {
            let lane = rng.below(net.lanes.len());
            (lane, rng.unit() * net.lanes[lane].centre.length())
        };
        let (from, to) = (place(), place());
        let route = plan(net, from, to).unwrap();
        let (first, last) = (route.points.first().unwrap(), route.points.last().unwrap());
        let (a, b) = (net.at(from.0, from.1).unwrap(), net.at(to.0, to.1).unwrap());
        assert!((first.point[0] - a.x).hypot(first.point[1] - a.y) < 1.1);
        assert!((last.point[0] - b.x).hypot(last.point[1] - b.y) < 1.6, "{last:?} {b:?} {:?}", route.lanes);
        for pair in route.points.windows(2) {
            let d = (pair[0].point[0] - pair[1].point[0]).hypot(pair[0].point[1] - pair[1].point[1]);
            assert!(d < 2.2, "{d} between {pair:?}");
        }
        for p in &route.points {
            let lane = &net.lanes[p.lane];
            let turns_there = matches!(p.command, Command::Left | Command::Right | Command::Straight);
            assert_eq!(turns_there, lane.junction.is_some());
            turns += i32::from(turns_there);
            changes += i32::from(matches!(p.command, Command::ChangeLeft | Command::ChangeRight));
        }
        // Left turns turn left.
        for lane in route.lanes.iter().map(|l| &net.lanes[*l]).filter(|l| l.junction.is_some()) {
            let bend = wrap(lane.centre.at(lane.centre.length()).heading - lane.centre.at(0.0).heading);
            match lane.turn {
                sensorium::world::scene::Turn::Left => assert!(bend > 0.1),
                sensorium::world::scene::Turn::Right => assert!(bend < -0.1),
                sensorium::world::scene::Turn::Straight => assert!(bend.abs() < 0.9),
            }
        }
    }
    assert!(turns > 500 && changes > 50, "{turns} {changes}");
    assert!(plan(net, (0, 1.0), (usize::MAX, 0.0)).is_err());
    assert!(plan(net, (0, f64::NAN), (1, 0.0)).is_err());
}

#[test]
fn map_cells_agree_with_the_lanes() {
    let town = Town::new(&TownSpec::named("town-03").unwrap()).unwrap();
    let mut rng = Rng::new(8);
    let layers = Layer::ALL;
    let bit = |l: Layer| 1u32 << layers.iter().position(|k| *k == l).unwrap();
    let mut counts = [0; 7];
    for _ in 0..20 {
        let lane = &town.network.lanes[rng.below(town.network.lanes.len())];
        let at = lane.centre.at(rng.unit() * lane.centre.length());
        let heading = rng.range(-3.0, 3.0);
        let map: BevMap = town.map.around(at.point(), heading, &layers, &Raster::BEVFUSION).unwrap();
        let (sin, cos) = heading.sin_cos();
        for (i, cell) in map.cells().iter().enumerate() {
            let (x, y) = (((i / 200) as f64 + 0.5) * 0.5 - 50.0, ((i % 200) as f64 + 0.5) * 0.5 - 50.0);
            let p = [at.x + cos * x - sin * y, at.y + sin * x + cos * y];
            if let Some((lane, s, left)) = town.network.locate(p, None) {
                let lane = &town.network.lanes[lane];
                if s > 0.01 && s < lane.centre.length() - 0.01 && left.abs() < lane.width / 2.0 - 0.05 {
                    assert!(cell & bit(Layer::DrivableArea) != 0, "lane without road at {p:?}");
                    assert!(cell & bit(Layer::Walkway) == 0, "side walk on a lane at {p:?}");
                }
            }
            for (k, n) in counts.iter_mut().enumerate() {
                *n += cell >> k & 1;
            }
        }
    }
    assert!(counts.iter().all(|n| *n > 200), "{counts:?}");
    assert!(town.map.around([f64::NAN, 0.0], 0.0, &layers, &Raster::BEVFUSION).is_err());
    assert!(town.map.around([0.0; 2], 0.0, &layers, &Raster { nx: 0, ..Raster::BEVFUSION }).is_err());
    assert!(town.map.around([0.0; 2], 0.0, &layers, &Raster { nx: usize::MAX, ..Raster::BEVFUSION }).is_err());
}

#[test]
fn bad_input_is_an_error_or_a_sane_world() {
    let text = |r: sensorium::types::Result<World>| r.err().unwrap().to_string();
    assert!(text(World::new(&config("town-1", 1, 1, 1))).contains("did you mean `town-01`"));
    assert!(text(World::new(&WorldConfig { junctions: Some(0), ..WorldConfig::default() })).contains("4 to 100"));
    assert!(
        text(World::new(&WorldConfig { sky: Sky { hour: f64::NAN, ..Sky::default() }, ..WorldConfig::default() })).contains("sky.hour")
    );
    assert!(text(World::new(&config("town-01", 1, 1_000_000, 1))).contains("vehicles"));
    let mut empty = World::new(&WorldConfig { ego: EgoDriver::None, ..config("town-01", 1, 0, 0) }).unwrap();
    assert!(empty.step(0.05).unwrap().movers.is_empty());
    assert!(empty.step(f64::NAN).is_err() && empty.step(-1.0).is_err());
    let free = empty.spawn_points()[3];
    let id = empty.spawn_vehicle("car.sedan", free.place, free.heading).unwrap();
    assert!(empty.spawn_vehicle("car.sedan", free.place, free.heading).is_err());
    assert!(empty.spawn_vehicle("car.sedn", [0.0; 2], 0.0).err().unwrap().to_string().contains("car.sedan"));
    assert!(empty.spawn_vehicle("car.sedan", [f64::NAN, 0.0], 0.0).is_err());
    assert!(empty.teleport(id, [0.0, f64::INFINITY], 0.0).is_err());
    empty.control(id, Control { throttle: f32::NAN, steer: f32::INFINITY, brake: -3.0, reverse: false }).unwrap();
    (0..100).for_each(|_| empty.advance(0.05).unwrap());
    let s = empty.state(id).unwrap();
    assert!(s.x.is_finite() && s.speed.abs() < 1.0);
    assert!(empty.destroy(id) && !empty.destroy(id));
    assert!(empty.control(id, Control::default()).is_err());
    assert!(town_names().all(|n| TownSpec::named(n).is_ok()));
}

#[test]
fn what_is_done_wrong_is_noted_once() {
    let mut world = World::new(&WorldConfig { ego: EgoDriver::None, ..config("town-03", 1, 0, 0) }).unwrap();
    let town = world.town().clone();
    let lane = town.network.lanes.iter().find(|l| matches!(l.rule, Rule::Light(_)) && l.stop > 40.0).unwrap();
    let Rule::Light(light) = lane.rule else { unreachable!() };
    world.set_light(light, Some(Signal::Red));
    let at = lane.centre.at(lane.stop - 15.0);
    let id = world.spawn_vehicle("car.sedan", at.point(), at.heading).unwrap();
    world.set_speed(id, 10.0).unwrap();
    world.control(id, Control { throttle: 0.3, ..Control::default() }).unwrap();
    (0..40).for_each(|_| world.advance(0.05).unwrap());
    let red: Vec<_> = world.take_events().into_iter().filter(|e| e.kind == EventKind::RedLight).collect();
    assert_eq!(red.len(), 1);
    // Into something that stands: one collision, and no way through.
    let wall = town.obstacles.iter().find(|o| o.footprint.half[0] > 3.0 && o.class.is_none()).unwrap();
    let back = Footprint { half: [wall.footprint.half[0] + 12.0, 0.0], ..wall.footprint };
    let start = [(back.corners()[0][0] + back.corners()[3][0]) / 2.0, (back.corners()[0][1] + back.corners()[3][1]) / 2.0];
    let heading = wrap(wall.footprint.heading + std::f64::consts::PI);
    if world.teleport(id, start, heading).is_ok() {
        world.control(id, Control { throttle: 1.0, ..Control::default() }).unwrap();
        (0..100).for_each(|_| world.advance(0.05).unwrap());
        let events = world.take_events();
        assert!(events.iter().any(|e| e.kind == EventKind::CollisionStatic && e.impulse > 100.0), "{events:?}");
        let deep = world.footprint(id).unwrap().overlap(&wall.footprint).map_or(0.0, |o| o.0);
        assert!(deep < 0.3, "{deep} m into the wall");
    }
}
