//! The truth that the embedded world tells, each kind against something that does not know how it was made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::cast_possible_truncation, missing_docs)]

#[path = "support/street.rs"]
mod street;

use nalgebra::{Point3, Vector3};
use sensorium::types::{BevMap, Control, Payload};
use sensorium::world::live::{Live, LiveConfig};
use sensorium::world::model::{Material, Mesh, Signal, Sky, Tag};
use sensorium::world::motion::{EgoDriver, EventKind, World, WorldConfig};
use sensorium::world::scene::{Footprint, Layer, Raster, Rule, wrap};
use sensorium::world::sensors::{Numbering, SensorKind, SensorSpec, View, class_list, visibility};
use std::collections::{BTreeMap, BTreeSet};
use std::f64::consts::{FRAC_PI_2, PI};
use street::{CAR, at, body, cuboid, geometry, scene, shot, snapshot, surface};

fn town(name: &str, seed: u64, vehicles: usize, pedestrians: usize) -> WorldConfig {
    WorldConfig { town: name.into(), seed, vehicles, pedestrians, ..WorldConfig::default() }
}
fn empty(name: &str) -> World {
    World::new(&WorldConfig { ego: EgoDriver::None, ..town(name, 1, 0, 0) }).unwrap()
}

/// Tag, CARLA's colour of it, and its number in the older CARLA, in the lidarseg challenge and in MFNet.
type Row = (Tag, [u8; 3], [u16; 3]);

/// By CARLA's documentation of 0.9.14 and of 0.9.13, nuScenes' challenge and MFNet's paper; row `n` is tag `n`.
const NUMBERS: [Row; 29] = [
    (Tag::Unlabeled, [0, 0, 0], [0, 0, 0]),
    (Tag::Roads, [128, 64, 128], [7, 11, 0]),
    (Tag::SideWalks, [244, 35, 232], [8, 13, 0]),
    (Tag::Building, [70, 70, 70], [1, 15, 0]),
    (Tag::Wall, [102, 102, 156], [11, 15, 0]),
    (Tag::Fence, [190, 153, 153], [2, 15, 0]),
    (Tag::Pole, [153, 153, 153], [5, 15, 0]),
    (Tag::TrafficLight, [250, 170, 30], [18, 15, 0]),
    (Tag::TrafficSign, [220, 220, 0], [12, 15, 0]),
    (Tag::Vegetation, [107, 142, 35], [9, 16, 0]),
    (Tag::Terrain, [152, 251, 152], [22, 14, 0]),
    (Tag::Sky, [70, 130, 180], [13, 0, 0]),
    (Tag::Pedestrian, [220, 20, 60], [4, 7, 2]),
    (Tag::Rider, [255, 0, 0], [4, 7, 2]),
    (Tag::Car, [0, 0, 142], [10, 4, 1]),
    (Tag::Truck, [0, 0, 70], [10, 10, 1]),
    (Tag::Bus, [0, 60, 100], [10, 3, 1]),
    (Tag::Train, [0, 80, 100], [10, 0, 1]),
    (Tag::Motorcycle, [0, 0, 230], [10, 6, 3]),
    (Tag::Bicycle, [119, 11, 32], [10, 2, 3]),
    (Tag::Static, [110, 190, 160], [19, 0, 0]),
    (Tag::Dynamic, [170, 120, 50], [20, 0, 0]),
    (Tag::Other, [55, 90, 80], [3, 12, 0]),
    (Tag::Water, [45, 60, 150], [21, 12, 0]),
    (Tag::RoadLine, [157, 234, 50], [6, 11, 0]),
    (Tag::Ground, [81, 0, 81], [14, 12, 0]),
    (Tag::Bridge, [150, 100, 100], [15, 15, 0]),
    (Tag::RailTrack, [230, 150, 140], [16, 12, 0]),
    (Tag::GuardRail, [180, 165, 180], [17, 15, 6]),
];
/// Class, and its number in lidarseg and MFNet where the instance's class says more than the surface's tag.
const BY_CLASS: [(&str, Tag, u16, u16); 10] = [
    ("barrier", Tag::Static, 1, 6),
    ("bicycle", Tag::Bicycle, 2, 3),
    ("bus", Tag::Bus, 3, 1),
    ("car", Tag::Car, 4, 1),
    ("construction_vehicle", Tag::Truck, 5, 1),
    ("motorcycle", Tag::Motorcycle, 6, 3),
    ("pedestrian", Tag::Pedestrian, 7, 2),
    ("traffic_cone", Tag::Static, 8, 7),
    ("trailer", Tag::Truck, 9, 1),
    ("truck", Tag::Truck, 10, 1),
];
/// The older CARLA's colours as LeTFuser draws them.
const OLD_COLOURS: [[u8; 3]; 23] = [
    [0, 0, 0],
    [70, 70, 70],
    [100, 40, 40],
    [55, 90, 80],
    [220, 20, 60],
    [153, 153, 153],
    [157, 234, 50],
    [128, 64, 128],
    [244, 35, 232],
    [107, 142, 35],
    [0, 0, 142],
    [102, 102, 156],
    [220, 220, 0],
    [70, 130, 180],
    [81, 0, 81],
    [150, 100, 100],
    [230, 150, 140],
    [180, 165, 180],
    [250, 170, 30],
    [110, 190, 160],
    [170, 120, 50],
    [45, 60, 150],
    [145, 170, 100],
];
const LIDARSEG_NAMES: [&str; 17] = [
    "ignored",
    "barrier",
    "bicycle",
    "bus",
    "car",
    "construction_vehicle",
    "motorcycle",
    "pedestrian",
    "traffic_cone",
    "trailer",
    "truck",
    "driveable_surface",
    "other_flat",
    "sidewalk",
    "terrain",
    "manmade",
    "vegetation",
];
const MFNET_COLOURS: [[u8; 3]; 9] =
    [[0, 0, 0], [64, 0, 128], [64, 64, 0], [0, 128, 192], [0, 0, 192], [128, 128, 0], [64, 64, 128], [192, 128, 128], [192, 64, 0]];

#[test]
fn labels_have_the_numbers_of_the_data_sets() {
    for (number, (tag, colour, [old, lidarseg, mfnet])) in NUMBERS.iter().enumerate() {
        assert_eq!((*tag as usize, usize::from(Numbering::Carla.of(*tag, None))), (number, number));
        assert_eq!(class_list(Numbering::Carla).classes[number].1, *colour, "{tag:?}");
        assert_eq!(Numbering::CarlaOld.of(*tag, None), *old, "{tag:?}");
        assert_eq!(Numbering::Lidarseg.of(*tag, None), *lidarseg, "{tag:?}");
        assert_eq!(Numbering::Mfnet.of(*tag, None), *mfnet, "{tag:?}");
    }
    for (class, tag, lidarseg, mfnet) in BY_CLASS {
        assert_eq!((Numbering::Lidarseg.of(tag, Some(class)), Numbering::Mfnet.of(tag, Some(class))), (lidarseg, mfnet), "{class}");
    }
    let colours = |n| class_list(n).classes.iter().map(|(_, c)| *c).collect::<Vec<_>>();
    assert_eq!(colours(Numbering::CarlaOld), OLD_COLOURS);
    assert_eq!(colours(Numbering::Mfnet), MFNET_COLOURS);
    assert_eq!(class_list(Numbering::Lidarseg).classes.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), LIDARSEG_NAMES);
    assert_eq!(class_list(Numbering::Carla).classes.len(), 29);
    // A picture in another numbering is the same picture.
    let moment = geometry().at(&snapshot(Sky::default()));
    let view = View::new(&moment, shot(0.0, 0.0, 160, 96)).unwrap();
    let tags = view.semantic(Numbering::Carla).labels;
    for (column, numbering) in [Numbering::CarlaOld, Numbering::Lidarseg, Numbering::Mfnet].into_iter().enumerate() {
        let labels = view.semantic(numbering).labels;
        assert!(labels.iter().zip(&tags).all(|(l, t)| *l == NUMBERS[usize::from(*t)].2[column]), "{numbering:?}");
    }
    assert!([1, 3, 11, 12, 14, 24].iter().all(|t| tags.iter().any(|l| l == t)));
}

#[test]
fn visibility_is_the_share_that_a_camera_sees() {
    // The same camera looks at the car alone and past a wall that hides ever more of it.
    let camera = shot(0.0, 0.0, 640, 400);
    let pixels = |wall: Option<[f32; 2]>| {
        let mut scene = scene();
        if let Some([low, high]) = wall {
            let mut mesh = Mesh::default();
            cuboid(&mut mesh, [-0.1, low, 0.0], [0.1, high, 4.0], surface(Material::Concrete, [150; 3], Tag::Wall));
            scene.statics.push(at(2, &body("wall", None, mesh), 7.0, 0.0, 0.0));
        }
        let geometry = std::sync::Arc::new(sensorium::world::sensors::Geometry::new(&scene));
        let moment = geometry.at(&snapshot(Sky::default()));
        let seen = View::new(&moment, camera).unwrap().instances().iter().filter(|id| **id == CAR).count();
        (seen as f64, visibility(&moment, &camera.pose.translation.vector, CAR, None))
    };
    let (free, all) = pixels(None);
    assert!(free > 1000.0 && all == 1.0, "{free} pixels, {all}");
    let mut last = 1.0;
    for edge in [-2.1, -1.7, -1.3, -0.9, -0.5, 0.2] {
        let (left, visible) = pixels(Some([-6.0, edge]));
        let wanted = left / free;
        assert!((f64::from(visible) - wanted).abs() < 0.22, "wall to {edge}: {visible} of the box, {wanted} of the pixels");
        assert!(visible <= last, "a wider wall shows more");
        last = visible;
    }
    assert_eq!(last, 0.0);
    let moment = geometry().at(&snapshot(Sky::default()));
    assert_eq!(visibility(&moment, &Vector3::new(0.0, 0.0, 1.6), 4711, None), 0.0);
}

#[test]
fn attributes_are_those_of_the_class_and_of_the_motion() {
    let mut seen = BTreeMap::new();
    let mut world = World::new(&town("town-01", 4, 40, 40)).unwrap();
    let ego = world.ego().unwrap();
    let moving: BTreeSet<u32> = world.vehicle_ids().chain(world.walker_ids()).collect();
    for _ in 0..160 {
        world.advance(0.5).unwrap();
        for b in world.boxes(ego, 300.0).unwrap() {
            let [vx, vy] = b.box3.velocity.unwrap();
            let speed = vx.hypot(vy);
            let limit = if b.box3.class == "pedestrian" { 0.15 } else { 0.2 };
            let wanted = match b.box3.class.as_str() {
                "bicycle" | "motorcycle" if moving.contains(&b.id) => Some("cycle.with_rider"),
                "bicycle" | "motorcycle" => Some("cycle.without_rider"),
                "pedestrian" if speed > limit => Some("pedestrian.moving"),
                "pedestrian" => Some("pedestrian.standing"),
                "traffic_cone" | "barrier" => None,
                _ if !moving.contains(&b.id) => Some("vehicle.parked"),
                _ if speed > limit => Some("vehicle.moving"),
                _ => Some("vehicle.stopped"),
            };
            assert_eq!(b.attribute, wanted, "{} {} at {speed} m/s", b.box3.class, b.id);
            assert!(moving.contains(&b.id) || speed == 0.0);
            *seen.entry(b.attribute).or_insert(0) += 1;
        }
    }
    // All of nuScenes' but the one for somebody who sits.
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn velocities_and_tracks_are_those_of_what_moves() {
    let mut world = World::new(&town("town-02", 2, 30, 25)).unwrap();
    let ego = world.ego().unwrap();
    (0..100).for_each(|_| world.advance(0.05).unwrap());
    // In the world: a box carried along by its velocity is where the same track is a little later.
    let here = |world: &World| -> BTreeMap<u64, ([f64; 2], [f64; 2])> {
        let s = world.state(ego).unwrap();
        let (sin, cos) = s.heading.sin_cos();
        let turn = |[x, y]: [f64; 2]| [cos * x - sin * y, sin * x + cos * y];
        let boxes = world.boxes(ego, 200.0).unwrap();
        let count = boxes.len();
        let found: BTreeMap<_, _> = boxes
            .iter()
            .map(|b| {
                let [x, y] = turn([b.box3.centre[0], b.box3.centre[1]]);
                (b.box3.track.unwrap(), ([s.x + x, s.y + y], turn(b.box3.velocity.unwrap())))
            })
            .collect();
        assert_eq!(found.len(), count, "a track twice");
        found
    };
    let (mut driven, mut off) = (0, 0);
    for _ in 0..60 {
        let before = here(&world);
        world.advance(0.05).unwrap();
        for (track, (p, v)) in here(&world) {
            let Some((q, u)) = before.get(&track) else { continue };
            let wanted = [0, 1].map(|k| q[k] + 0.025 * (u[k] + v[k]));
            let miss = (p[0] - wanted[0]).hypot(p[1] - wanted[1]);
            driven += usize::from(v[0].hypot(v[1]) > 1.0);
            // A walker who rounds a corner catches up softly.
            off += usize::from(miss > 0.03);
        }
    }
    assert!(driven > 500 && off * 20 < driven, "{off} of {driven}");
}

#[test]
fn a_label_counts_the_points_that_lie_in_its_box() {
    let lidar = SensorSpec {
        noise: Some(0.0),
        dropout: Some(0.0),
        rolling: Some(false),
        columns: Some(1800),
        ..SensorSpec::new("top", SensorKind::Lidar)
    };
    let sensors = vec![lidar.placed([0.0, 0.0, 1.9], 0.0)];
    let config = LiveConfig { world: town("town-01", 3, 40, 40), sensors, step_hz: 10.0, warm_up_s: 4.0, parked: false, place: [0.0; 4] };
    let mut live = Live::new(&config).unwrap();
    let (mut boxes, mut hit, mut most) = (0, 0, 0);
    for _ in 0..10 {
        live.pass(10).unwrap();
        let tick = live.advance().unwrap();
        let Payload::Cloud(cloud) = &tick.readings[0].payload else { panic!("a cloud") };
        for label in live.labels(&tick, 60.0, 1.9).unwrap() {
            let b = &label.box3;
            let (sin, cos) = b.yaw.sin_cos();
            let inside = |grow: f64, floor: f64| {
                let holds = |p: &&sensorium::types::LidarPoint| {
                    let [x, y, z] = p.position.map(f64::from);
                    let (dx, dy, dz) = (x - b.centre[0], y - b.centre[1], z + 1.9 - b.centre[2]);
                    let local = [cos * dx + sin * dy, cos * dy - sin * dx, dz];
                    local.iter().zip(b.size).all(|(l, s)| l.abs() <= s / 2.0 + grow) && dz > floor - b.size[2] / 2.0
                };
                cloud.points().iter().filter(holds).count()
            };
            boxes += 1;
            hit += usize::from(label.lidar_points > 0);
            most = most.max(label.lidar_points);
            assert!(
                label.lidar_points <= inside(0.02, -0.02),
                "{}: {} points, {} in the box",
                b.class,
                label.lidar_points,
                inside(0.02, -0.02)
            );
            // Ground under it, and a wall or a leaf that reaches into it, are few.
            let others = inside(-0.02, 0.06).saturating_sub(label.lidar_points);
            assert!(others <= 2 + label.lidar_points / 10, "{}: {others} points of others beside {}", b.class, label.lidar_points);
            assert!(label.lidar_points == 0 || label.visibility > 0.0 || label.lidar_points < 6, "{}: points on what nobody sees", b.class);
        }
    }
    assert!(boxes > 60 && hit > 25 && most > 300, "{boxes} boxes, {hit} hit, {most} points at most");
}

#[test]
fn the_light_that_counts_is_the_one_over_the_vehicles_own_line() {
    let mut world = empty("town-03");
    let town = world.town().clone();
    let (mut lit, mut other) = (0, 0);
    for lane in town.network.lanes.iter().filter(|l| l.junction.is_none() && l.stop > 45.0) {
        let at = lane.centre.at(lane.stop - 30.0);
        let Ok(id) = world.spawn_vehicle("car.sedan", at.point(), at.heading) else { continue };
        let half = world.footprint(id).unwrap().half[0];
        let ahead = world.light_ahead(id).unwrap();
        if let Rule::Light(light) = lane.rule {
            for colour in [Signal::Red, Signal::Yellow, Signal::Green] {
                world.set_light(light, Some(colour));
                let ahead = world.light_ahead(id).unwrap().unwrap();
                assert_eq!((ahead.light, ahead.colour), (light, colour), "lane {}", lane.id);
                assert!((ahead.distance - (30.0 - half)).abs() < 0.05, "lane {}: {} m", lane.id, ahead.distance);
                // What shows it is there to be seen: within a junction's width beyond the line, in that colour.
                let snapshot = world.snapshot();
                for shown in &town.network.lights[light].instances {
                    let lamp = town.scene.statics.iter().find(|i| i.id == *shown).unwrap();
                    let line = lane.centre.at(lane.stop).point();
                    let far = (lamp.pose.translation.x - line[0]).hypot(lamp.pose.translation.y - line[1]);
                    assert!(far < 60.0 && lamp.body.name.starts_with("light."), "{} {far} m from the line", lamp.body.name);
                    assert!(snapshot.signals.contains(&(*shown, colour)));
                }
            }
            world.set_light(light, None);
            lit += 1;
            // Over the line it no longer counts.
            world.destroy(id);
            let beyond = lane.centre.at((lane.stop + half + 1.5).min(lane.centre.length()));
            if let Ok(id) = world.spawn_vehicle("car.sedan", beyond.point(), beyond.heading) {
                let next = world.light_ahead(id).unwrap();
                assert!(next.is_none_or(|n| n.light != light), "lane {}: {next:?}", lane.id);
                world.destroy(id);
            }
        } else {
            assert!(ahead.is_none_or(|a| a.distance > 30.0), "lane {} has no light: {ahead:?}", lane.id);
            other += 1;
            world.destroy(id);
        }
    }
    assert!(lit > 5 && other > 5, "{lit} {other}");
}

/// What is noted while a sedan drives from a place for some seconds with a control.
fn noted(world: &mut World, place: [f64; 2], heading: f64, speed: f64, steer: f32, seconds: f64) -> Vec<EventKind> {
    let id = world.spawn_vehicle("car.sedan", place, heading).unwrap();
    world.set_speed(id, speed).unwrap();
    world.control(id, Control { throttle: 0.25, steer, ..Control::default() }).unwrap();
    world.take_events();
    (0..(seconds / 0.05) as usize).for_each(|_| world.advance(0.05).unwrap());
    let kinds = world.take_events().into_iter().filter(|e| e.actor == id).map(|e| e.kind).collect();
    world.destroy(id);
    kinds
}

#[test]
fn lane_violations_are_noted_for_those_who_commit_them_and_nobody_else() {
    let mut world = empty("town-05");
    let net = world.town().network.clone();
    let straight = |l: &&sensorium::world::scene::Lane| {
        let bend = |s: f64| wrap(l.centre.at(s).heading - l.centre.at(20.0).heading).abs();
        l.junction.is_none() && l.stop > 70.0 && (2..13).all(|k| bend(f64::from(k) * 5.0) < 0.02)
    };
    let lane = net.lanes.iter().filter(straight).find(|l| l.left.is_some()).expect("a straight lane with a neighbour");
    let start = lane.centre.at(20.0);
    // Straight on: nothing.
    assert_eq!(noted(&mut world, start.point(), start.heading, 8.0, 0.0, 3.0), []);
    // Slantwise into the lane on the left: once.
    assert_eq!(noted(&mut world, start.point(), start.heading + 0.10, 8.0, 0.0, 3.2), [EventKind::LaneInvasion]);
    // Against its direction, and still once.
    let back = lane.centre.at(60.0);
    let wrong = noted(&mut world, back.point(), wrap(back.heading + PI), 8.0, 0.0, 3.0);
    assert_eq!(wrong.iter().filter(|k| **k == EventKind::WrongLane).count(), 1, "{wrong:?}");
    // Over the kerb.
    let off = noted(&mut world, start.point(), start.heading - 0.6, 8.0, 0.0, 1.6);
    assert_eq!(off.iter().filter(|k| **k == EventKind::OffRoad).count(), 1, "{off:?}");
    // A stop sign's line, rolled over; then with a stop before it.
    let town = world.town().clone();
    let signed = town.network.lanes.iter().find(|l| l.rule == Rule::Stop && l.stop > 40.0).expect("a stop sign");
    let before = signed.centre.at(signed.stop - 12.0);
    let run = noted(&mut world, before.point(), before.heading, 7.0, 0.0, 2.0);
    assert_eq!(run.iter().filter(|k| **k == EventKind::StopSign).count(), 1, "{run:?}");
    let near = signed.centre.at(signed.stop - 4.0);
    let id = world.spawn_vehicle("car.sedan", near.point(), near.heading).unwrap();
    world.control(id, Control { brake: 1.0, ..Control::default() }).unwrap();
    (0..30).for_each(|_| world.advance(0.05).unwrap());
    world.control(id, Control { throttle: 0.4, ..Control::default() }).unwrap();
    (0..60).for_each(|_| world.advance(0.05).unwrap());
    assert!(world.take_events().iter().all(|e| e.kind != EventKind::StopSign), "stood, and noted all the same");
}

#[test]
fn collisions_name_who_hit_whom_and_how_hard() {
    let mut world = empty("town-03");
    let net = world.town().network.clone();
    let lane = net.lanes.iter().find(|l| l.junction.is_none() && l.stop > 60.0).unwrap();
    let (a, b) = (lane.centre.at(15.0), lane.centre.at(27.0));
    let parked = world.spawn_vehicle("car.sedan", b.point(), b.heading).unwrap();
    world.control(parked, Control { brake: 1.0, ..Control::default() }).unwrap();
    let fast = world.spawn_vehicle("car.sedan", a.point(), a.heading).unwrap();
    world.set_speed(fast, 10.0).unwrap();
    world.control(fast, Control::default()).unwrap();
    (0..30).for_each(|_| world.advance(0.05).unwrap());
    let hits: Vec<_> = world.take_events().into_iter().filter(|e| e.kind == EventKind::CollisionVehicle).collect();
    assert_eq!(
        hits.iter().map(|e| (e.actor, e.other)).collect::<BTreeSet<_>>(),
        BTreeSet::from([(fast, Some(parked)), (parked, Some(fast))])
    );
    // Two of one mass, ten metres a second less what rolling took: (1 + e) m v / 2.
    let mass = sensorium::world::motion::Model::of("car", 4.72).mass;
    let whole = 1.1 * mass * 10.0 / 2.0;
    assert!(hits.iter().all(|e| e.impulse > 0.85 * whole && e.impulse < 1.05 * whole), "{hits:?}, wanted about {whole}");
    assert!(world.footprint(fast).unwrap().overlap(&world.footprint(parked).unwrap()).is_none_or(|(d, _)| d < 0.02));
}

/// The layers of the cell at a place of the vehicle frame.
fn cell(map: &BevMap, x: f64, y: f64) -> u32 {
    let index = |v: f64, low: f64| ((v - low) / map.cell).floor() as usize;
    map.cells()[index(x, map.origin[0]) * map.ny + index(y, map.origin[1])]
}

#[test]
fn map_layers_are_where_the_town_has_them() {
    let world = World::new(&town("town-04", 1, 0, 60)).unwrap();
    let town = world.town();
    let net = &town.network;
    let bit = |l: Layer| 1_u32 << Layer::ALL.iter().position(|k| *k == l).unwrap();
    let raster = Raster { origin: [-12.0, -12.0], cell: 0.1, nx: 240, ny: 240 };
    let around = |p: [f64; 2], heading: f64| town.map.around(p, heading, &Layer::ALL, &raster).unwrap();
    let names = around([0.0; 2], 0.0).layers.to_vec();
    assert_eq!(names, ["drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area", "lane_divider", "road_divider"]);
    let area = |map: &BevMap, layer: Layer| map.cells().iter().filter(|c| **c & bit(layer) != 0).count() as f64 * 0.01;
    // Dividers: on the middle of the road and between its lanes, a quarter of a metre to each side, nowhere else.
    let mut between = 0;
    for road in net.roads.iter().filter(|r| r.centre.length() > 60.0) {
        let at = road.centre.at(road.centre.length() / 2.0);
        let map = around(at.point(), at.heading);
        for k in -30..=30 {
            let y = f64::from(k) * 0.25;
            let (cells, lanes) = (cell(&map, 0.0, y), road.forward.len());
            let line = |i: usize| (y.abs() - i as f64 * road.lane_width).abs();
            let clear = |d: f64| !(0.1..0.4).contains(&d);
            if clear(line(0)) {
                assert_eq!(cells & bit(Layer::RoadDivider) != 0, line(0) < 0.2, "road {} at {y}", road.id);
            }
            let nearest = (1..lanes).map(line).fold(f64::INFINITY, f64::min);
            if clear(nearest) {
                assert_eq!(cells & bit(Layer::LaneDivider) != 0, nearest < 0.2, "road {} at {y}", road.id);
            }
            between += usize::from(nearest < 0.2);
        }
    }
    assert!(between > 4);
    // Stop lines: a strip a metre and a half deep, as wide as the lane, where the lane's rule says so.
    let mut lines = 0;
    for lane in net.lanes.iter().filter(|l| l.junction.is_none() && l.stop > 40.0) {
        let at = lane.centre.at(lane.stop);
        let map = around(at.point(), at.heading);
        let held = lane.rule != Rule::Free;
        assert_eq!(cell(&map, -0.5, 0.0) & bit(Layer::StopLine) != 0, held, "lane {}", lane.id);
        assert_eq!(cell(&map, -1.6, 0.0) & bit(Layer::StopLine), 0);
        assert_eq!(cell(&map, 0.8, 0.0) & bit(Layer::StopLine), 0);
        if held {
            let beside: f64 =
                net.lanes.iter().filter(|l| l.road == lane.road && l.to == lane.to && l.number * lane.number > 0).map(|l| l.width).sum();
            let wide = area(&map, Layer::StopLine);
            assert!(wide >= 1.5 * lane.width - 0.3 && (beside > 11.0 || wide < 1.5 * beside + 20.0), "lane {}: {wide} m2", lane.id);
            lines += 1;
        }
    }
    assert!(lines > 8);
    // Crossings: kerb to kerb, on the road and not on the walk.
    for c in &net.crossings {
        let road = &net.roads[c.road];
        let at = road.centre.at((c.span[0] + c.span[1]) / 2.0);
        let map = around(at.point(), at.heading);
        for (y, inside) in
            [(0.0, true), (road.half - 0.2, true), (0.2 - road.half, true), (road.half + 0.2, false), (-road.half - 0.2, false)]
        {
            let cells = cell(&map, 0.0, y);
            assert_eq!(cells & bit(Layer::PedCrossing) != 0, inside, "crossing {} at {y}", c.id);
            assert_eq!(cells & bit(Layer::Walkway) != 0, !inside, "walk beside crossing {} at {y}", c.id);
        }
        let deep = c.span[1] - c.span[0];
        assert_eq!(cell(&map, deep / 2.0 + 0.2, 0.0) & bit(Layer::PedCrossing), 0);
    }
    assert!(net.crossings.len() > 8);
    // Parked cars stand in car parks, vehicles that drive do not; who walks is on a walkway.
    let (mut parked, mut elsewhere) = (0, 0);
    for o in town.obstacles.iter().filter(|o| o.class == Some("car")) {
        let map = around(o.footprint.centre, o.footprint.heading);
        let inside = cell(&map, 0.0, 0.0) & bit(Layer::CarparkArea) != 0;
        parked += usize::from(inside);
        elsewhere += usize::from(!inside && cell(&map, 0.0, 0.0) & bit(Layer::DrivableArea) != 0);
    }
    assert!(parked > 40 && elsewhere == 0, "{parked} in car parks, {elsewhere} on the road beside them");
    for lane in net.lanes.iter().filter(|l| l.junction.is_none()) {
        let at = lane.centre.at(lane.centre.length() / 2.0);
        assert_eq!(cell(&around(at.point(), at.heading), 0.0, 0.0) & bit(Layer::CarparkArea), 0, "lane {}", lane.id);
    }
    for i in world.snapshot().movers.iter().filter(|i| i.body.class == Some("pedestrian")) {
        let p = [i.pose.translation.x, i.pose.translation.y];
        assert!(cell(&around(p, FRAC_PI_2), 0.0, 0.0) & bit(Layer::Walkway) != 0, "pedestrian {} at {p:?}", i.id);
    }
    // The same ground whichever way the vehicle looks.
    let p = net.crossings[0].centre.at(1.0).point();
    let (a, b) = (around(p, 0.3), around(p, 0.3 + PI));
    let same = (0..240)
        .flat_map(|i| (0..240).map(move |j| (i, j)))
        .filter(|(i, j)| a.cells()[i * 240 + j] == b.cells()[(239 - i) * 240 + 239 - j]);
    assert!(same.count() > 240 * 240 - 60);
}

#[test]
fn nobody_starts_in_somebody_else() {
    for seed in 0..24 {
        let name = ["town-01", "town-03", "town-05"][seed as usize % 3];
        let world = World::new(&town(name, seed, 60, 120)).unwrap();
        let snapshot = world.snapshot();
        let ground: Vec<(u32, &str, Footprint)> = snapshot
            .movers
            .iter()
            .map(|i| {
                let (p, [l, w, _]) = (i.pose.translation, i.body.size);
                let heading = (i.pose.rotation * Vector3::x()).xy();
                // Arms and legs of two who pass may be beside each other; trunks may not.
                let half = if i.body.class == Some("pedestrian") { [0.2; 2] } else { [l / 2.0, w / 2.0] };
                (i.id, i.body.class.unwrap_or(""), Footprint { centre: [p.x, p.y], heading: heading.y.atan2(heading.x), half })
            })
            .collect();
        assert!(ground.iter().filter(|g| g.1 == "pedestrian").count() > 90);
        for (k, (id, class, f)) in ground.iter().enumerate() {
            for (other, theirs, g) in &ground[k + 1..] {
                assert!(f.overlap(g).is_none(), "{name}, seed {seed}: {class} {id} in {theirs} {other}");
            }
            for o in world.town().obstacles_near(f.centre, 8.0) {
                assert!(o.footprint.overlap(f).is_none(), "{name}, seed {seed}: {class} {id} in {:?} {}", o.class, o.id);
            }
        }
    }
}

#[test]
fn a_thousand_vehicles_or_none_still_make_a_picture() {
    let sensors = || {
        vec![
            SensorSpec::new("front", SensorKind::Rgb).sized(96, 48, 90.0).placed([0.6, 0.0, 1.5], 0.0),
            SensorSpec::new("top", SensorKind::Lidar).placed([0.0, 0.0, 1.9], 0.0),
            SensorSpec::new("boxes", SensorKind::Boxes),
        ]
    };
    let look = |count: usize| {
        let config = LiveConfig {
            world: town("town-02", 1, count, count),
            sensors: sensors(),
            step_hz: 10.0,
            warm_up_s: 0.5,
            parked: false,
            place: [0.0; 4],
        };
        let tick = Live::new(&config).unwrap().advance().unwrap();
        let mut sums = [0_usize; 3];
        for r in &tick.readings {
            match &r.payload {
                Payload::Rgb(p) => sums[0] = p.data().iter().map(|v| usize::from(*v)).sum(),
                Payload::Cloud(c) => sums[1] = c.points().len(),
                Payload::Boxes(b) => sums[2] = b.len(),
                other => panic!("{:?}", other.modality()),
            }
        }
        (sums, tick.moment.movers.len())
    };
    let (none, only_ego) = look(0);
    let (full, many) = look(1000);
    assert!(only_ego == 1 && many > 1000, "{only_ego} {many}");
    assert!(none[0] > 96 * 48 * 3 * 20 && none[1] > 10_000 && full[0] > 96 * 48 * 3 * 20 && full[1] > 10_000, "{none:?} {full:?}");
    assert!(full[2] > none[2] + 60, "{none:?} {full:?}");
}

/// A point is in front of a camera and a sensor's own vehicle does not hide it: kept here so that frames of truth and of sensors are one.
#[test]
fn boxes_of_the_source_cover_the_instances_of_its_camera() {
    let front = SensorSpec::new("front", SensorKind::Instance).sized(320, 160, 90.0).placed([0.6, 0.0, 1.5], 0.0);
    let sensors = vec![front, SensorSpec::new("boxes", SensorKind::Boxes)];
    let config = LiveConfig { world: town("town-03", 5, 40, 60), sensors, step_hz: 10.0, warm_up_s: 8.0, parked: false, place: [0.0; 4] };
    let mut live = Live::new(&config).unwrap();
    let (mut covered, mut pixels) = (0, 0);
    for _ in 0..3 {
        live.pass(15).unwrap();
        let tick = live.advance().unwrap();
        let (Payload::Labels(ids), Payload::Boxes(boxes)) = (&tick.readings[0].payload, &tick.readings[1].payload) else {
            panic!("labels, boxes")
        };
        let camera = &live.rig.sensors[0];
        let k = camera.calibration.intrinsics.unwrap();
        let vehicle = &camera.calibration.extrinsics;
        for b in boxes.iter() {
            let corners: Vec<Point3<f64>> = b.corners().iter().map(|c| vehicle.isometry.inverse() * c).collect();
            if corners.iter().any(|c| c.z < 0.3) {
                continue;
            }
            let at: Vec<_> = corners.iter().map(|c| k.project(c).unwrap()).collect();
            let (low, high) = at.iter().fold(([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]), |(l, h), p| {
                ([l[0].min(p.x), l[1].min(p.y)], [h[0].max(p.x), h[1].max(p.y)])
            });
            for ((y, x), _) in ids.labels.indexed_iter().filter(|(_, v)| u64::from(**v) == b.track.unwrap()) {
                pixels += 1;
                let (x, y) = (x as f64, y as f64);
                covered += usize::from(x >= low[0] - 0.5 && x <= high[0] + 0.5 && y >= low[1] - 0.5 && y <= high[1] + 0.5);
            }
        }
    }
    assert!(pixels > 800 && covered == pixels, "{covered} of {pixels}");
}
