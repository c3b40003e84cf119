//! Vehicles that clients spawn and the world drives for them, over the wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

use sensorium::carla::client::Client;
use sensorium::carla::server::{Server, Settings};
use sensorium::carla::*;
use sensorium::drive::server::{Embedded, Traffic};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn served(vehicles: usize, pedestrians: usize) -> (Server, Client) {
    let settings = Settings { address: "127.0.0.1".parse().unwrap(), port: 0, version: Version::V0_9_16, map: "town-01".into() };
    let server = Server::start(&settings, Embedded::new(Traffic { vehicles, pedestrians, seed: 1 })).unwrap();
    let mut client = Client::connect("127.0.0.1", server.address().port(), SOON).unwrap();
    client.lockstep(0.05).unwrap();
    // Until then the world moved by the clock on the wall, and joining its stream takes some steps: all begins anew, and at one step.
    client.load("town-01").unwrap();
    client.lockstep(0.05).unwrap();
    let settings = client.settings().unwrap();
    let from = client.set_settings(&settings).unwrap() + 40;
    while client.tick().unwrap().header.frame < from {}
    (server, client)
}

fn spawn(c: &mut Client, model: &str, point: usize) -> Actor {
    let at = c.map().unwrap().spawn_points[point].clone();
    let what = c.blueprint(model, &[]).unwrap();
    c.spawn(what, at, None).unwrap()
}

fn place(s: &Snapshot, id: u32) -> [f64; 2] {
    let v = axes::vector(&s.actor(id).unwrap().transform.location);
    [v.x, v.y]
}

fn speed(s: &Snapshot, id: u32) -> f64 {
    axes::vector(&s.actor(id).unwrap().velocity).norm()
}

/// So many steps: metres gone, and the last snapshot.
fn ride(c: &mut Client, id: u32, steps: usize) -> (f64, Snapshot) {
    let mut last = c.tick().unwrap();
    let mut gone = 0.0;
    for _ in 0..steps {
        let now = c.tick().unwrap();
        let ([a, b], [x, y]) = (place(&last, id), place(&now, id));
        gone += (x - a).hypot(y - b);
        last = now;
    }
    (gone, last)
}

fn lights_to(c: &mut Client, state: LightColour) {
    let now = c.tick().unwrap();
    let all: Vec<Actor> = c.ask(&Call::GetActorsById { ids: now.actors.iter().map(|a| a.id).collect() }).unwrap();
    for light in all.iter().filter(|a| a.description.id == "traffic.traffic_light") {
        c.tell(&Call::SetTrafficLightState { id: light.id, state }).unwrap();
    }
    c.tell(&Call::FreezeAllTrafficLights { frozen: true }).unwrap();
}

#[test]
fn a_call_puts_a_vehicle_on_autopilot_and_takes_it_off_again() {
    let (_server, mut c) = served(6, 4);
    let car = spawn(&mut c, "vehicle.tesla.model3", 3).id;
    let (gone, _) = ride(&mut c, car, 40);
    assert!(gone < 0.5, "nobody drives it: {gone} m");
    c.tell(&Call::SetActorAutopilot { id: car, enabled: true }).unwrap();
    let (gone, now) = ride(&mut c, car, 600);
    assert!(gone > 60.0, "{gone} m in 30 s");
    assert_eq!(now.actors.iter().filter(|a| a.id == car).count(), 1, "one body");
    // Pedals are the world's while it drives, whatever a client sends.
    c.control(car, &VehicleControl { throttle: 1.0, steer: 1.0, ..VehicleControl::default() }).unwrap();
    let echoed = c.tick().unwrap().actor(car).unwrap().own.as_vehicle().unwrap().control;
    assert!(echoed.steer < 0.9, "{echoed:?}");
    c.tell(&Call::SetActorAutopilot { id: car, enabled: false }).unwrap();
    c.control(car, &VehicleControl::braking()).unwrap();
    let (_, now) = ride(&mut c, car, 100);
    assert!(speed(&now, car) < 0.05, "{} m/s", speed(&now, car));
    let before = place(&now, car);
    c.control(car, &VehicleControl { throttle: 0.7, reverse: true, ..VehicleControl::default() }).unwrap();
    let (gone, now) = ride(&mut c, car, 60);
    assert!(gone > 2.0 && place(&now, car) != before, "its client drives it again");
    c.destroy(car).unwrap();
    assert!(c.tick().unwrap().actor(car).is_none());
}

#[test]
fn a_batch_spawns_vehicles_on_autopilot_and_says_where_there_is_no_lane() {
    let (_server, mut c) = served(0, 0);
    let points = c.map().unwrap().spawn_points;
    let bodies = ["vehicle.tesla.model3", "vehicle.mitsubishi.fusorosa", "vehicle.yamaha.yzr", "vehicle.diamondback.century"];
    let spawned = |c: &mut Client, model: &str, transform: Transform| Command::SpawnActor {
        description: c.blueprint(model, &[]).unwrap(),
        transform,
        parent: None,
        attachment: 0,
        socket: String::new(),
        do_after: vec![Command::SetAutopilot { id: 0, enabled: true }],
    };
    let commands = bodies.iter().zip(points.iter().step_by(9)).map(|(b, p)| spawned(&mut c, b, p.clone())).collect();
    let ids: Vec<u32> = c.batch(commands).unwrap().into_iter().map(Result::unwrap).collect();
    let first = c.tick().unwrap();
    let (_, last) = ride(&mut c, ids[0], 500);
    for (id, body) in ids.iter().zip(bodies) {
        let ([a, b], [x, y]) = (place(&first, *id), place(&last, *id));
        assert!((x - a).hypot(y - b) > 10.0, "{body} went {:.1} m", (x - a).hypot(y - b));
    }
    // High in the fields there is no lane; the vehicle is there, and nobody drives it.
    let far = Transform { location: Vector3D::new(5000.0, 5000.0, 0.3), ..Transform::default() };
    let what = c.blueprint("vehicle.tesla.model3", &[]).unwrap();
    let lost = c.spawn(what, far, None).unwrap().id;
    let refused = c.batch(vec![Command::SetAutopilot { id: lost, enabled: true }]).unwrap().remove(0).unwrap_err().to_string();
    assert!(refused.contains(&format!("actor {lost}")) && refused.contains("lane"), "{refused}");
    let (gone, _) = ride(&mut c, lost, 40);
    assert!(gone < 0.1, "{gone} m");
    // Off again, twice: nothing wrong with that.
    let off = |id: u32| Command::SetAutopilot { id, enabled: false };
    assert!(c.batch(vec![off(ids[0]), off(ids[0]), off(lost)]).unwrap().iter().all(Result::is_ok));
}

#[test]
fn a_vehicle_on_autopilot_stops_at_red_and_one_seed_moves_it_the_same_way() {
    let drive = || {
        let (_server, mut c) = served(3, 0);
        let car = spawn(&mut c, "vehicle.mini.cooper_s", 12).id;
        let on = c.batch(vec![Command::SetAutopilot { id: car, enabled: true }]).unwrap();
        assert!(on[0].is_ok());
        let (_, now) = ride(&mut c, car, 200);
        let there = place(&now, car);
        lights_to(&mut c, LightColour::Red);
        let mut stood = 0;
        for _ in 0..4000 {
            let now = c.tick().unwrap();
            let own = now.actor(car).unwrap().own.as_vehicle().unwrap();
            stood = if speed(&now, car) < 0.02 && own.light_id.is_some() && own.light == LightColour::Red { stood + 1 } else { 0 };
            if stood > 400 {
                break;
            }
        }
        assert!(stood > 400, "it never waited at a red light for 20 s");
        there
    };
    assert_eq!(drive(), drive());
}

#[test]
fn traffic_and_autopilot_keep_clear_of_each_other() {
    let (_server, mut c) = served(20, 10);
    let points = c.map().unwrap().spawn_points;
    let what = c.blueprint("vehicle.audi.etron", &[]).unwrap();
    let mut mine = Vec::new();
    for at in points.iter().step_by(7) {
        if let Ok(actor) = c.spawn(what.clone(), at.clone(), None) {
            mine.push(actor.id);
        }
        if mine.len() == 8 {
            break;
        }
    }
    let bumps: Vec<_> = mine
        .iter()
        .map(|id| {
            let what = c.blueprint("sensor.other.collision", &[]).unwrap();
            let sensor = c.spawn(what, Transform::default(), Some(*id)).unwrap();
            c.listen("collision", &sensor).unwrap()
        })
        .collect();
    let all = c.batch(mine.iter().map(|id| Command::SetAutopilot { id: *id, enabled: true }).collect()).unwrap();
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let first = c.tick().unwrap();
    let (_, last) = ride(&mut c, mine[0], 2400);
    for (id, bumps) in mine.iter().zip(&bumps) {
        let ([a, b], [x, y]) = (place(&first, *id), place(&last, *id));
        println!("{id}: {:.1} m away after two minutes", (x - a).hypot(y - b));
        let hit = bumps.next(Duration::ZERO).map(|m| packed::<Collision>(Header::read(&m).unwrap().1, Version::V0_9_16).unwrap());
        assert!(hit.is_none(), "{id} hit {:?}", hit.map(|h| h.other.description.id));
    }
    let moved = mine.iter().filter(|id| place(&first, **id) != place(&last, **id)).count();
    assert_eq!(moved, mine.len());
}
