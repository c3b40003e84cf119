//! Sensors of the embedded world on a street made by hand: they agree with the truth and with each other, and bad input is refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::cast_possible_truncation, missing_docs)]

#[path = "support/street.rs"]
mod street;

use nalgebra::{Isometry3, Point3, Translation3, Vector3};
use sensorium::world::model::{Lamp, Material, Mesh, Signal, Sky, Snapshot, Surface, Tag};
use sensorium::world::sensors::{
    Camera, Carrier, Geometry, LidarSpec, Numbering, RadarSpec, Shot, ThermalCamera, View, moved, probe, scan, sweep,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use street::{CAR, PEDESTRIAN, geometry, shot, snapshot};

fn exact() -> LidarSpec {
    LidarSpec { noise: 0.0, dropout: 0.0, ..LidarSpec::default() }
}
fn in_car(point: &Vector3<f64>) -> f64 {
    // How far outside of the car's box, metres.
    let size = street::car().size;
    let outside = [point.x.abs() - size[0] / 2.0, point.y.abs() - size[1] / 2.0, (point.z - size[2] / 2.0).abs() - size[2] / 2.0];
    outside.into_iter().fold(f64::NEG_INFINITY, f64::max)
}

#[test]
fn depth_at_a_pixel_is_where_a_ray_through_it_ends() {
    let moment = geometry().at(&snapshot(Sky::default()));
    for fine in [true, false] {
        let shot = Shot { fine, ..shot(0.0, 0.0, 160, 96) };
        let view = View::new(&moment, shot).unwrap();
        let (depth, ids) = (view.depth(1000.0), view.instances());
        let (mut compared, mut off) = (0, 0);
        for ((y, x), z) in depth.metres.indexed_iter() {
            let direction = shot.intrinsics.unproject(x as f64, y as f64, 1.0).coords;
            let ray = shot.pose.rotation * direction.normalize();
            let met = probe(&moment, &shot.pose.translation.vector, &ray, 1000.0, None);
            let Some((metres, id)) = met else {
                off += usize::from(!z.is_nan());
                continue;
            };
            compared += 1;
            let wanted = metres / direction.norm();
            let same = (f64::from(*z) - wanted).abs() < 2e-4 * wanted + 1e-4 && id == ids[(y, x)];
            off += usize::from(!same);
        }
        assert!(compared > 6000, "{compared}");
        // A pixel centre may fall onto an edge; that is the only excuse.
        assert!(off < 8, "{off} of {compared} with fine {fine}");
    }
}

#[test]
fn lidar_points_lie_in_the_moving_cars_box_and_on_the_depth_image() {
    let moment = geometry().at(&snapshot(Sky::default()));
    let pose = Isometry3::from(Translation3::new(0.0, 0.0, 1.6));
    let carrier = Carrier { at: [0.0; 3], velocity: [9.0, 0.0, 0.0], yaw_rate: 0.2 };
    let sweep_ = sweep(&moment, &pose, &carrier, &exact(), 0.1, 1, None).unwrap();
    assert!(sweep_.points.len() > 15_000, "{}", sweep_.points.len());
    let car = moment.mover(CAR).unwrap().instance.clone().unwrap();
    let (mut on_car, mut worst) = (0, f64::NEG_INFINITY);
    for (point, id) in sweep_.points.iter().zip(&sweep_.instances).filter(|(_, id)| **id == CAR) {
        let lag = f64::from(point.lag);
        let world = moved(&pose, &carrier, lag) * Point3::from(point.position.map(f64::from));
        let there = Carrier { at: car.pose.translation.vector.into(), velocity: car.velocity, yaw_rate: car.yaw_rate };
        let local = moved(&car.pose, &there, lag).inverse() * world;
        worst = worst.max(in_car(&local.coords));
        on_car += usize::from(*id == CAR);
    }
    assert!(on_car > 100 && worst < 0.02, "{on_car} points, {worst} m outside");

    // An instant sweep against the depth image of the same place, between pixels by one over depth.
    let spec = LidarSpec { rolling: false, ..exact() };
    let still = sweep(&moment, &pose, &Carrier::default(), &spec, 0.1, 1, None).unwrap();
    let shot = shot(0.0, 0.0, 320, 200);
    let view = View::new(&moment, shot).unwrap();
    let (depth, ids) = (view.depth(1000.0).metres, view.instances());
    let (mut compared, mut off) = (0, 0);
    for (point, id) in still.points.iter().zip(&still.instances) {
        let world = pose * Point3::from(point.position.map(f64::from));
        let camera = shot.pose.inverse() * world;
        let Some(at) = shot.intrinsics.project(&camera).filter(|p| p.x > 0.0 && p.y > 0.0 && p.x < 318.0 && p.y < 198.0) else { continue };
        let (x, y) = (at.x as usize, at.y as usize);
        let cells = [(y, x), (y, x + 1), (y + 1, x), (y + 1, x + 1)];
        if cells.iter().any(|c| ids[*c] != *id || depth[*c].is_nan()) {
            continue;
        }
        let w = cells.map(|c| 1.0 / f64::from(depth[c]));
        let (fx, fy) = (at.x.fract(), at.y.fract());
        let between = 1.0 / ((w[0] * (1.0 - fx) + w[1] * fx) * (1.0 - fy) + (w[2] * (1.0 - fx) + w[3] * fx) * fy);
        compared += 1;
        off += usize::from((between - camera.z).abs() > 0.01 + 1e-3 * camera.z);
    }
    // Pixels over an edge within one thing (bonnet and windscreen) are no plane.
    assert!(compared > 1500 && off * 50 < compared, "{off} of {compared}");
}

#[test]
fn projected_corners_cover_an_instances_pixels() {
    let moment = geometry().at(&snapshot(Sky::default()));
    let shot = shot(2.0, 0.0, 320, 200);
    let ids = View::new(&moment, shot).unwrap().instances();
    for id in [CAR, PEDESTRIAN] {
        let instance = moment.mover(id).unwrap().instance.clone().unwrap();
        let [l, w, h] = instance.body.size;
        let corners = (0..8).map(|c| {
            let pick = |bit: usize, v: f64| if c >> bit & 1 == 1 { v } else { -v };
            let local = Point3::new(pick(0, l / 2.0), pick(1, w / 2.0), if c >> 2 & 1 == 1 { h } else { 0.0 });
            shot.intrinsics.project(&(shot.pose.inverse() * (instance.pose * local))).unwrap()
        });
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for c in corners {
            (low, high) = ([low[0].min(c.x), low[1].min(c.y)], [high[0].max(c.x), high[1].max(c.y)]);
        }
        let mut count = 0;
        for ((y, x), _) in ids.indexed_iter().filter(|(_, v)| **v == id) {
            count += 1;
            assert!(x as f64 >= low[0] - 0.5 && x as f64 <= high[0] + 0.5 && y as f64 >= low[1] - 0.5 && y as f64 <= high[1] + 0.5);
        }
        let area = (high[0] - low[0]) * (high[1] - low[1]);
        assert!(count > 60 && f64::from(count) > 0.4 * area, "{id}: {count} pixels of {area}");
    }
}

#[test]
fn one_thread_and_two_make_the_same_bytes() {
    let make = |threads: usize, hour: f64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let sky = Sky { hour, rain: 0.4, clouds: 0.2, ..Sky::default() };
            let moment = geometry().at(&snapshot(sky));
            let view = View::new(&moment, shot(0.0, 0.0, 160, 96)).unwrap();
            let shadows = view.shadows();
            let rgb = view.rgb(shadows.as_ref(), &Camera { noise: 1.0, seed: 4, frame: 2 }).unwrap();
            let thermal = view.thermal(shadows.as_ref(), &ThermalCamera { noise: 0.06, bits: 16, seed: 4, frame: 2 }).unwrap();
            let pose = Isometry3::from(Translation3::new(0.0, 0.0, 1.6));
            let cloud = sweep(&moment, &pose, &Carrier::default(), &LidarSpec::default(), 0.1, 5, None).unwrap();
            let radar = scan(&moment, &pose, &Carrier::default(), &RadarSpec::default(), 5, None).unwrap();
            (rgb, thermal, cloud, radar, view.semantic(Numbering::Carla).labels)
        })
    };
    for hour in [10.5, 22.0] {
        assert!(make(1, hour) == make(2, hour), "hour {hour}");
    }
    assert!(make(1, 10.5).0 != make(1, 22.0).0);
}

/// Mean of a picture's grey levels where `inside` says so, and around.
fn contrast(values: &[f32], inside: &[bool]) -> f32 {
    let mean = |want: bool| {
        let some: Vec<f32> = values.iter().zip(inside).filter(|(_, i)| **i == want).map(|(v, _)| *v).collect();
        some.iter().sum::<f32>() / some.len() as f32
    };
    mean(true) - mean(false)
}

#[test]
fn each_sensor_sees_what_the_others_lose() {
    let look = |sky: Sky, id: u32| {
        let moment = geometry().at(&snapshot(sky));
        let view = View::new(&moment, shot(0.0, 0.0, 320, 200)).unwrap();
        let (ids, shadows) = (view.instances(), view.shadows());
        let rgb = view.rgb(shadows.as_ref(), &Camera { noise: 1.0, seed: 1, frame: 0 }).unwrap();
        let grey: Vec<f32> = rgb.data().chunks_exact(3).map(|p| f32::from(p[1])).collect();
        let thermal = view.thermal(shadows.as_ref(), &ThermalCamera { noise: 0.05, bits: 16, seed: 1, frame: 0 }).unwrap();
        let [gain, offset] = thermal.celsius.unwrap();
        let degrees: Vec<f32> = thermal.data().iter().map(|c| f32::from(*c) * gain + offset).collect();
        // Within a window around the thing.
        let at: Vec<(usize, usize)> = ids.indexed_iter().filter(|(_, v)| **v == id).map(|(at, _)| at).collect();
        let (y0, y1) = (at.iter().map(|p| p.0).min().unwrap().saturating_sub(2), at.iter().map(|p| p.0).max().unwrap() + 2);
        let (x0, x1) = (at.iter().map(|p| p.1).min().unwrap().saturating_sub(12), at.iter().map(|p| p.1).max().unwrap() + 12);
        let window = |v: &[f32]| -> Vec<f32> { (y0..y1).flat_map(|y| (x0..x1).map(move |x| v[y * 320 + x])).collect() };
        let places = || (y0..y1).flat_map(|y| (x0..x1).map(move |x| (y, x)));
        let tags = view.semantic(Numbering::Carla).labels;
        // Against the sky even the night shows a silhouette; what counts is the street behind.
        let window =
            |v: &[f32]| -> Vec<f32> { window(v).into_iter().zip(places()).filter(|(_, p)| tags[*p] != 11).map(|(v, _)| v).collect() };
        let inside: Vec<bool> = places().filter(|p| tags[*p] != 11).map(|p| ids[p] == id).collect();
        let pose = Isometry3::from(Translation3::new(0.0, 0.0, 1.6));
        let cloud = sweep(&moment, &pose, &Carrier::default(), &LidarSpec::default(), 0.1, 5, None).unwrap();
        let points = cloud.instances.iter().filter(|i| **i == id).count();
        (contrast(&window(&grey), &inside), contrast(&window(&degrees), &inside), points)
    };
    let (grey, degrees, points) = look(Sky { hour: 23.0, ..Sky::default() }, PEDESTRIAN);
    assert!(grey.abs() < 6.0 && degrees > 3.0 && points > 10, "pedestrian by night: {grey} levels, {degrees} K, {points} points");
    let (grey, ..) = look(Sky::default(), PEDESTRIAN);
    assert!(grey.abs() > 15.0, "pedestrian by day: {grey} levels");
    let (grey, degrees, points) = look(Sky { visibility: 14.0, ..Sky::default() }, CAR);
    assert!(grey.abs() < 6.0 && degrees > 0.8 && points > 30, "car in fog: {grey} levels, {degrees} K, {points} points");
}

#[test]
fn a_painted_line_is_in_colour_and_lidar_but_not_in_heat() {
    let moment = geometry().at(&snapshot(Sky { hour: 20.5, ..Sky::default() }));
    let day = geometry().at(&snapshot(Sky::default()));
    let view = View::new(&day, shot(0.0, 0.0, 320, 200)).unwrap();
    let shadows = view.shadows();
    let tags = view.semantic(Numbering::Carla).labels;
    let line: Vec<bool> = tags.iter().map(|t| *t == 24).collect();
    let road: Vec<bool> = tags.iter().map(|t| *t == 1).collect();
    let rgb = view.rgb(shadows.as_ref(), &Camera { noise: 1.0, seed: 1, frame: 0 }).unwrap();
    let grey: Vec<f32> = rgb.data().chunks_exact(3).map(|p| f32::from(p[1])).collect();
    let pick = |v: &[f32]| -> (Vec<f32>, Vec<bool>) {
        v.iter().zip(line.iter().zip(&road)).filter(|(_, (l, r))| **l || **r).map(|(v, (l, _))| (*v, *l)).unzip()
    };
    let (levels, inside) = pick(&grey);
    assert!(contrast(&levels, &inside) > 40.0);
    let night = View::new(&moment, shot(0.0, 0.0, 320, 200)).unwrap();
    let heat = night.thermal(None, &ThermalCamera { noise: 0.0, bits: 16, seed: 1, frame: 0 }).unwrap();
    let degrees: Vec<f32> = heat.data().iter().map(|c| f32::from(*c) * 0.01 - 50.0).collect();
    let (degrees, inside) = pick(&degrees);
    assert!(contrast(&degrees, &inside).abs() < 0.3);
    let pose = Isometry3::from(Translation3::new(0.0, 0.0, 1.6));
    let cloud = sweep(&day, &pose, &Carrier::default(), &exact(), 0.1, 5, None).unwrap();
    let mean = |tag| {
        let some: Vec<f32> = cloud.points.iter().zip(&cloud.tags).filter(|(_, t)| **t == tag).map(|(p, _)| p.intensity).collect();
        some.iter().sum::<f32>() / some.len().max(1) as f32
    };
    assert!(mean(Tag::RoadLine) > 2.5 * mean(Tag::Roads));
}

/// Colour, degrees, instances and tags of 320x200 pixels.
fn seen(snapshot: &Snapshot) -> (Vec<[u8; 3]>, Vec<f32>, Vec<u32>, Vec<u16>) {
    let moment = geometry().at(snapshot);
    let view = View::new(&moment, shot(0.0, 0.0, 320, 200)).unwrap();
    let shadows = view.shadows();
    let rgb = view.rgb(shadows.as_ref(), &Camera { noise: 0.0, seed: 1, frame: 0 }).unwrap();
    let heat = view.thermal(shadows.as_ref(), &ThermalCamera { noise: 0.0, bits: 16, seed: 1, frame: 0 }).unwrap();
    let [gain, offset] = heat.celsius.unwrap();
    let colours = rgb.data().chunks_exact(3).map(|p| p.try_into().unwrap()).collect();
    let degrees = heat.data().iter().map(|c| f32::from(*c) * gain + offset).collect();
    let tags = view.semantic(Numbering::Carla).labels.iter().copied().collect();
    (colours, degrees, view.instances().iter().copied().collect(), tags)
}

#[test]
fn head_lamps_light_the_night_and_engines_warm_the_heat() {
    let night = |head: bool, warmth: f32| {
        let mut snapshot = snapshot(Sky { hour: 23.0, ..Sky::default() });
        (snapshot.movers[0].lights.head, snapshot.movers[0].warmth) = (head, warmth);
        seen(&snapshot)
    };
    let (dark, lit, cold) = (night(false, 0.8), night(true, 0.8), night(false, 0.0));
    let mean = |of: &dyn Fn(usize) -> f32, pick: &dyn Fn(usize) -> bool| {
        let some: Vec<f32> = (0..320 * 200).filter(|i| pick(*i)).map(of).collect();
        assert!(some.len() > 150, "{} pixels", some.len());
        some.iter().sum::<f32>() / some.len() as f32
    };
    // The road some 20 m ahead and left of the car: rows of the street, columns left of it.
    let ahead = |i: usize| dark.3[i] == 1 && (106..114).contains(&(i / 320)) && (110..190).contains(&(i % 320));
    let more = mean(&|i| f32::from(lit.0[i][1]) - f32::from(dark.0[i][1]), &ahead);
    assert!(more > 12.0, "head lamps add {more} levels to the road before them");
    let warmer = mean(&|i| (lit.1[i] - dark.1[i]).abs(), &ahead);
    assert!(warmer < 0.02, "and {warmer} K");
    let car = |i: usize| dark.2[i] == CAR;
    let engine = mean(&|i| dark.1[i] - cold.1[i], &car);
    assert!(engine > 2.0, "a driven car is {engine} K warmer");
    assert!(dark.0 == cold.0, "warmth is not seen in colour");
}

#[test]
fn a_traffic_light_shows_the_colour_that_the_snapshot_says() {
    let mut mesh = Mesh::default();
    let black = street::surface(Material::Plastic, [30; 3], Tag::TrafficLight);
    street::cuboid(&mut mesh, [0.0, -0.3, 1.0], [0.3, 0.3, 2.8], black);
    for (lamp, z, colour) in [(Lamp::Red, 2.2, [220, 30, 25]), (Lamp::Yellow, 1.65, [230, 170, 20]), (Lamp::Green, 1.1, [20, 200, 90])] {
        let lens = Surface { lamp, ..street::surface(Material::Lens, colour, Tag::TrafficLight) };
        street::cuboid(&mut mesh, [-0.05, -0.2, z], [0.0, 0.2, z + 0.4], lens);
    }
    let lamp = street::body("light.test", None, mesh);
    for hour in [10.5, 23.0] {
        let look = |signal| {
            let mut snapshot = snapshot(Sky { hour, ..Sky::default() });
            let light = street::at(9, &lamp, 9.0, 1.5, 0.0);
            snapshot.movers.push(light);
            snapshot.signals = vec![(9, signal)];
            seen(&snapshot)
        };
        for (signal, most) in [(Signal::Red, 0), (Signal::Green, 1)] {
            let (colours, _, ids, tags) = look(signal);
            let light: Vec<[u8; 3]> = (0..colours.len()).filter(|i| ids[*i] == 9).map(|i| colours[i]).collect();
            assert!(light.len() > 80 && (0..tags.len()).all(|i| ids[i] != 9 || tags[i] == 7));
            let pure = |p: &&[u8; 3]| p[most] > 140 && u16::from(p[most]) > u16::from(p[1 - most]) + 60;
            let (right, wrong) = (
                light.iter().filter(pure).count(),
                light.iter().filter(|p| p[1 - most] > 140 && u16::from(p[1 - most]) > u16::from(p[most]) + 60).count(),
            );
            assert!(right > 8 && wrong == 0, "{signal:?} at {hour}: {right} pixels, {wrong} of the other colour");
        }
    }
}

#[test]
fn time_grows_with_what_is_seen_and_not_with_the_town() {
    // Behind the camera stand 150,000 houses, one in another's shadow and none in the picture.
    let mut scene = street::scene();
    let small = Arc::new(Geometry::new(&scene));
    let house = Arc::clone(&scene.statics[0].body);
    scene.statics.extend(
        (0..150_000).map(|i| street::at(100 + i, &house, -200.0 - f64::from(i / 300) * 12.0, f64::from(i % 300) * 14.0 - 2100.0, 0.0)),
    );
    let large = Arc::new(Geometry::new(&scene));
    let pose = Isometry3::from(Translation3::new(0.0, 0.0, 1.6));
    let look = |geometry: &Arc<Geometry>, width: usize, columns: usize| {
        let moment = geometry.at(&snapshot(Sky::default()));
        let start = Instant::now();
        let view = View::new(&moment, shot(0.0, 0.0, width, width / 2)).unwrap();
        let seen = start.elapsed();
        let spec = LidarSpec { range: 60.0, columns, ..exact() };
        let start = Instant::now();
        let cloud = sweep(&moment, &pose, &Carrier::default(), &spec, 0.1, 1, None).unwrap();
        let swept = start.elapsed();
        let rgb = view.rgb(view.shadows().as_ref(), &Camera { noise: 1.0, seed: 1, frame: 0 }).unwrap();
        ([seen, swept], view.drawn.len(), rgb, cloud)
    };
    let (first, second) = (look(&small, 320, 1000), look(&large, 320, 1000));
    assert!(first.1 == second.1 && first.2 == second.2 && first.3 == second.3, "what is not seen changes what is");
    // Few pixels and pulses, so that a walk over all houses would show; the least of some runs in turn: a busy machine makes them longer, never
    // shorter.
    let mut least = [[Duration::MAX; 2]; 2];
    for _ in 0..25 {
        for (least, geometry) in least.iter_mut().zip([&small, &large]) {
            let took = look(geometry, 48, 16).0;
            least.iter_mut().zip(took).for_each(|(l, t)| *l = t.min(*l));
        }
    }
    let slack = Duration::from_micros(150);
    assert!((0..2).all(|k| least[1][k] < least[0][k] * 3 / 2 + slack), "{least:?} for 1 and for 150,001 houses: view, LiDAR");
}

#[test]
fn radar_tells_who_moves() {
    let moment = geometry().at(&snapshot(Sky::default()));
    let pose = Isometry3::from(Translation3::new(0.0, 0.0, 0.6));
    let carrier = Carrier { at: [0.0; 3], velocity: [5.0, 0.0, 0.0], yaw_rate: 0.0 };
    let found = scan(&moment, &pose, &carrier, &RadarSpec::default(), 3, None).unwrap();
    // The car at (14, -2.5) drives off at (11, 4): away from the radar by about 5.2 m/s beyond the carrier's 5.
    let near = |r: &&sensorium::types::RadarReturn| (r.position[0] - 12.5).abs() < 3.0 && (r.position[1] + 2.9).abs() < 2.5;
    let car: Vec<_> = found.returns.iter().filter(near).collect();
    assert!(!car.is_empty(), "{:?}", found.returns);
    assert!(car.iter().all(|r| (3.0..7.5).contains(&r.range_rate)), "{car:?}");
    let house: Vec<_> = found.returns.iter().filter(|r| r.position[1] > 8.0).collect();
    assert!(!house.is_empty() && house.iter().all(|r| r.range_rate < -3.0), "{house:?}");
}

#[test]
fn bad_input_is_an_error_or_a_sane_picture() {
    let moment = geometry().at(&snapshot(Sky::default()));
    let good = shot(0.0, 0.0, 64, 48);
    let mut lost = good;
    lost.pose.translation.x = f64::NAN;
    assert!(View::new(&moment, lost).unwrap_err().to_string().contains("finite pose"));
    for (width, height) in [(0, 48), (64, 0), (20_000, 10)] {
        let mut odd = good;
        (odd.intrinsics.width, odd.intrinsics.height) = (width, height);
        assert!(View::new(&moment, odd).is_err(), "{width}x{height}");
    }
    let nan = Isometry3::from(Translation3::new(0.0, f64::NAN, 0.0));
    assert!(sweep(&moment, &nan, &Carrier::default(), &exact(), 0.1, 0, None).is_err());
    assert!(scan(&moment, &nan, &Carrier::default(), &RadarSpec::default(), 0, None).is_err());
    for spec in [LidarSpec { beams: 0, ..exact() }, LidarSpec { columns: 0, ..exact() }, LidarSpec { lowest: f64::NAN, ..exact() }] {
        assert!(sweep(&moment, &good.pose, &Carrier::default(), &spec, 0.1, 0, None).is_err());
    }
    // In the wall of the house, inside of it, below the ground, and high above: something is seen, and nothing breaks.
    for place in [[25.2, 16.0, 1.6], [30.0, 16.0, 1.0], [0.0, 0.0, -3.0], [0.0, 0.0, 900.0]] {
        let mut inside = good;
        inside.pose.translation.vector = place.into();
        let view = View::new(&moment, inside).unwrap();
        assert!(view.depth(1e4).metres.iter().all(|z| z.is_nan() || *z > 0.0));
        let rgb = view.rgb(view.shadows().as_ref(), &Camera { noise: 1.0, seed: 1, frame: 0 }).unwrap();
        assert_eq!(rgb.data().len(), 64 * 48 * 3);
        let pose = Isometry3::from(Translation3::from(place));
        sweep(&moment, &pose, &Carrier::default(), &exact(), 0.1, 0, None).unwrap();
    }
    // An empty world is all sky.
    let nothing = Arc::new(Geometry::new(&sensorium::world::model::Scene::default()));
    let mut empty = snapshot(Sky { hour: f64::NAN, clouds: f64::NAN, rain: f64::NAN, visibility: f64::NAN, celsius: f64::NAN });
    empty.movers.clear();
    let moment = nothing.at(&empty);
    let view = View::new(&moment, good).unwrap();
    assert!(view.depth(1e4).metres.iter().all(|z| z.is_nan()));
    assert!(view.semantic(Numbering::Carla).labels.iter().all(|l| *l == 11));
    view.rgb(None, &Camera { noise: 1.0, seed: 1, frame: 0 }).unwrap();
    view.thermal(None, &ThermalCamera { noise: 0.05, bits: 8, seed: 1, frame: 0 }).unwrap();
}
