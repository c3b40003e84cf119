//! The closed loop over the wire: our client, our server, the embedded world, the expert.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout, missing_docs)]

use sensorium::carla::Version;
use sensorium::carla::server::{Server, Settings};
use sensorium::drive::driver::{Driver, Expert, Instant};
use sensorium::drive::routes::generated;
use sensorium::drive::server::{Embedded, Traffic};
use sensorium::drive::{Config, calls, drive};
use sensorium::eval::driving::{Kind, Rules};
use std::time::Duration;

fn server(vehicles: usize) -> Server {
    let settings = Settings { address: "127.0.0.1".parse().unwrap(), port: 0, version: Version::V0_9_16, map: "town-01".into() };
    Server::start(&settings, Embedded::new(Traffic { vehicles, pedestrians: 6, seed: 1 })).unwrap()
}

fn config(server: &Server) -> Config {
    Config {
        host: "127.0.0.1".into(),
        port: server.address().port(),
        patience: Duration::from_secs(60),
        vehicle: "vehicle.tesla.model3".into(),
        deadline: None,
        record: None,
        reload: true,
    }
}

#[test]
fn the_expert_drives_and_one_seed_gives_one_result() {
    let server = server(8);
    let config = config(&server);
    let routes = generated("town-short").unwrap();
    let mut first = Vec::new();
    for _ in 0..2 {
        let mut records = Vec::new();
        for route in routes.iter().take(3) {
            let driven = drive(&config, route, 0, &mut Expert::default(), &|| true).unwrap();
            assert!(driven.record.score(Rules::V2_0).score_composed >= 60.0, "{:?}", driven.record);
            assert!(!driven.record.infractions.iter().any(|i| i.kind == Kind::RedLight), "{:?}", driven.record.infractions);
            let r = driven.record;
            records.push((r.completed, r.infractions, r.steps, driven.trace));
        }
        if first.is_empty() {
            first = records;
        } else {
            assert!(first == records, "the same seed, another result");
        }
    }
}

/// Full throttle, straight on.
struct Blind;
impl Driver for Blind {
    fn name(&self) -> &str {
        "blind"
    }
    fn step(&mut self, _now: &Instant<'_>) -> sensorium::types::Result<sensorium::carla::VehicleControl> {
        Ok(sensorium::carla::VehicleControl { throttle: 1.0, ..Default::default() })
    }
}

#[test]
fn who_drives_blind_is_seen_to_hit_something() {
    let server = server(0);
    let routes = generated("town-short").unwrap();
    let found = routes.iter().take(4).map(|r| drive(&config(&server), r, 0, &mut Blind, &|| true).unwrap().record);
    let scores: Vec<f64> = found.map(|r| r.score(Rules::V2_0).score_composed).collect();
    assert!(scores.iter().any(|s| *s < 70.0), "{scores:?}");
}

#[test]
fn every_call_of_our_client_is_answered_by_our_server() {
    let server = server(0);
    let rows = calls("127.0.0.1", server.address().port(), Duration::from_secs(60)).unwrap();
    let failed: Vec<_> = rows.iter().filter(|r| !r.ok).collect();
    assert!(rows.len() > 20 && failed.is_empty(), "{failed:?}");
}
