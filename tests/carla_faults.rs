//! What goes wrong between a CARLA server and its clients, seen from outside: broken messages, slow readers, Ctrl-C, crashes of either side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    missing_docs
)]

#[path = "support/dice.rs"]
mod dice;

use dice::Dice;
use sensorium::carla::client::Client;
use sensorium::carla::server::{Server, Settings};
use sensorium::carla::*;
use sensorium::drive::server::{Embedded, Traffic};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(20);

fn server() -> Server {
    let settings = Settings { address: "127.0.0.1".parse().unwrap(), port: 0, version: Version::V0_9_16, map: "town-01".into() };
    Server::start(&settings, Embedded::new(Traffic { vehicles: 4, pedestrians: 2, seed: 1 })).unwrap()
}

fn connect(port: u16) -> Client {
    Client::connect("127.0.0.1", port, SOON).unwrap()
}

/// Memory of this process, bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|p| p.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|n| u8::from_str_radix(&text[2 * n..2 * n + 2], 16).unwrap()).collect()
}

/// Requests of real clients.
fn requests() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/carla");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.to_string_lossy().ends_with("0.9.16.jsonl"));
    files.sort();
    let lines = files.iter().flat_map(|f| std::fs::read_to_string(f).unwrap().lines().map(str::to_owned).collect::<Vec<_>>());
    let request = |l: String| {
        let v: serde_json::Value = serde_json::from_str(&l).unwrap();
        (v["channel"] == "rpc" && v["direction"] == "to-server").then(|| v["hex"].as_str().map(unhex)).flatten()
    };
    let kept = lines.filter_map(request);
    // What changes the world for everybody would be no fault of the server: loading maps, settings, ticks.
    let harmless = |b: &Vec<u8>| {
        !["load_new_episode", "set_episode_settings", "tick_cue"].iter().any(|m| b.windows(m.len()).any(|w| w == m.as_bytes()))
    };
    kept.filter(harmless).collect()
}

#[test]
fn ten_thousand_damaged_messages_over_sockets_cost_nobody_a_frame_and_no_memory() {
    let server = server();
    let port = server.address().port();
    let mut good = connect(port);
    good.lockstep(0.05).unwrap();
    let mut last = good.tick().unwrap().header.frame;
    let originals = requests();
    assert!(originals.len() > 60, "{}", originals.len());
    let mut dice = Dice(11);
    let mut ill: Vec<TcpStream> = Vec::new();
    let mut before = 0;
    for round in 0..10_000 {
        let mut bytes = originals[dice.below(originals.len())].clone();
        for _ in 0..=dice.below(3) {
            let at = dice.below(bytes.len());
            match dice.below(4) {
                0 => bytes[at] = dice.byte(),
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(at, [0xdd, 0xc6, 0xdb, 0xdf, 0x9f][dice.below(5)]),
                _ => bytes[at] ^= 1 << dice.below(8),
            }
        }
        // Some on one connection, some each on its own; half of those go on the stream's port.
        if round % 8 == 0 || ill.is_empty() {
            let to = port + u16::from(dice.below(2) == 0);
            ill.push(TcpStream::connect(("127.0.0.1", to)).unwrap());
            if ill.len() > 24 {
                drop(ill.remove(0));
            }
        }
        let n = ill.len() - 1;
        if ill[n].write_all(&bytes).is_err() {
            ill.remove(n);
        }
        if round % 20 == 0 {
            let frame = good.tick().unwrap().header.frame;
            assert_eq!(frame, last + 1);
            last = frame;
        }
        if round == 2_000 {
            before = resident();
        }
    }
    let grown = resident().saturating_sub(before);
    println!("{} MB more after 8,000 messages", grown >> 20);
    assert!(grown < 48 << 20, "{grown} bytes more");
    drop(ill);
    assert!(good.maps().is_ok());
}

#[test]
fn a_reader_that_sleeps_costs_bounded_memory_and_its_own_frames_only() {
    let server = server();
    let mut good = connect(server.address().port());
    good.lockstep(0.05).unwrap();
    let set = [("image_size_x", "1280".to_owned()), ("image_size_y", "960".to_owned())];
    let what = good.blueprint("sensor.camera.depth", &set).unwrap();
    let camera = good.spawn(what, Transform { location: Vector3D::new(0.0, 0.0, 300.0), ..Transform::default() }, None).unwrap();
    let token = Token::read(&camera.stream_token.0).unwrap();
    let mut deaf = TcpStream::connect(("127.0.0.1", token.port)).unwrap();
    deaf.write_all(&token.stream.to_le_bytes()).unwrap();
    while server.traffic().listeners < 2 {
        good.tick().unwrap();
    }
    let before = resident();
    // 5 MB a picture: 60 of them are 300 MB.
    for _ in 0..60 {
        good.tick().unwrap();
    }
    let grown = resident().saturating_sub(before);
    println!("{} MB, {} lost", grown >> 20, server.traffic().lost);
    assert!(grown < 160 << 20, "{grown} bytes more");
    assert!(server.traffic().lost > 10, "{:?}", server.traffic());
}

#[test]
fn a_taken_port_is_named_also_where_it_is_the_streams() {
    for _ in 0..20 {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let streams = taken.local_addr().unwrap().port();
        let rpc = streams - 1;
        if TcpListener::bind(("127.0.0.1", rpc)).is_err() {
            continue;
        }
        let out = Process::new(env!("CARGO_BIN_EXE_sensorium")).args(["world", "serve", "--port", &rpc.to_string()]).output().unwrap();
        let said = String::from_utf8(out.stderr).unwrap();
        assert_eq!(out.status.code(), Some(2));
        let line = said.lines().find(|l| l.starts_with("error:")).unwrap();
        assert!(line.contains(&streams.to_string()) && line.contains("--port"), "{line}");
        return;
    }
    panic!("no two neighbouring ports");
}

/// A server in a process of its own.
fn serving(port: u16) -> Child {
    let arguments = ["world", "serve", "--port", &port.to_string(), "--town", "town-01", "--vehicles", "4"];
    let mut child = Process::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    said.read_line(&mut first).unwrap();
    assert!(first.contains("streams on port"), "{first}");
    std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
    child
}

#[test]
fn a_server_listens_on_loopback_unless_told_otherwise() {
    let (port, told) = (free_port(), free_port());
    let reach = |address: &str, port: u16| TcpStream::connect((address, port)).is_ok();
    let mut child = serving(port);
    // All of 127/8 is this machine, so only the address that was bound answers.
    assert!(reach("127.0.0.1", port) && reach("127.0.0.1", port + 1));
    assert!(!reach("127.0.0.2", port) && !reach("127.0.0.2", port + 1));
    child.kill().unwrap();
    child.wait().unwrap();
    let arguments = ["world", "serve", "--port", &told.to_string(), "--town", "town-01", "--host", "0.0.0.0"];
    let mut child = Process::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let (mut first, mut second) = (String::new(), String::new());
    said.read_line(&mut first).unwrap();
    said.read_line(&mut second).unwrap();
    assert!(second.contains("beyond this machine"), "{first}{second}");
    assert!(reach("127.0.0.2", told) && reach("127.0.0.2", told + 1));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn driving(port: u16, routes: &str, output: &Path, more: &[&str]) -> Child {
    let mut all = vec!["drive", "--port"];
    let (port, output) = (port.to_string(), output.to_string_lossy().into_owned());
    all.extend([port.as_str(), "--routes", routes, "--timeout", "5", "--output", output.as_str()]);
    all.extend(more);
    Process::new(env!("CARGO_BIN_EXE_sensorium")).args(all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn ended(mut child: Child) -> (Option<i32>, String) {
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), said)
}

fn free_port() -> u16 {
    let server = server();
    server.address().port()
}

/// Waits until somebody drives: the server steps only when told.
fn until_driven(port: u16) -> Client {
    let end = Instant::now() + SOON;
    let mut watcher = connect(port);
    while Instant::now() < end {
        let snapshot = watcher.world().unwrap().next(SOON).map(|m| Snapshot::read(&m).unwrap());
        if let Some(s) = snapshot.filter(|_| watcher.settings().is_ok_and(|s| s.synchronous_mode)) {
            let ids = s.actors.iter().map(|a| a.id).collect();
            let actors: Vec<Actor> = watcher.ask(&Call::GetActorsById { ids }).unwrap();
            if actors.iter().any(hero) {
                return watcher;
            }
        }
    }
    panic!("nobody drives");
}

fn hero(actor: &Actor) -> bool {
    actor.description.attributes.iter().any(|a| a.id == "role_name" && a.value == "hero")
}

#[test]
fn ctrl_c_leaves_the_server_as_it_was_found() {
    let server = server();
    let port = server.address().port();
    let folder = tempfile::tempdir().unwrap();
    let child = driving(port, "town-long", folder.path(), &[]);
    let watcher = until_driven(port);
    drop(watcher);
    Process::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let (code, said) = ended(child);
    assert_eq!(code, Some(130), "{said}");
    let mut after = connect(port);
    assert!(!after.settings().unwrap().synchronous_mode, "asynchronous again");
    let now = after.world().unwrap().snapshot(0, SOON).unwrap();
    let actors: Vec<Actor> = after.ask(&Call::GetActorsById { ids: now.actors.iter().map(|a| a.id).collect() }).unwrap();
    let left: Vec<_> = actors.iter().filter(|a| hero(a) || a.description.id.starts_with("sensor.")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_drive_goes_on_after_a_crash_of_either_side() {
    let port = free_port();
    let folder = tempfile::tempdir().unwrap();
    let routes = folder.path().join("routes.xml");
    let write = ["drive", "--routes", "town-short", "--only", "0,1,2,3", "--write-routes", routes.to_str().unwrap()];
    assert!(Process::new(env!("CARGO_BIN_EXE_sensorium")).args(write).status().unwrap().success());
    let routes = routes.to_str().unwrap();
    let results = folder.path().join("results.json");
    let done = || -> usize {
        let text = std::fs::read_to_string(&results).unwrap_or_default();
        serde_json::from_str::<serde_json::Value>(&text).map_or(0, |v| v["_checkpoint"]["progress"][0].as_u64().unwrap() as usize)
    };
    // The server dies in the middle.
    let mut first = serving(port);
    let child = driving(port, routes, folder.path(), &["--repetitions", "3"]);
    let end = Instant::now() + Duration::from_secs(120);
    while done() < 2 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let (code, said) = ended(child);
    let kept = done();
    assert!(code == Some(2) && (2..12).contains(&kept), "{code:?} {kept} {said}");
    let line = said.lines().find(|l| l.starts_with("error:")).unwrap();
    assert!(line.contains("--resume") && line.contains("route"), "{line}");
    // Then the client.
    let mut second = serving(port);
    let mut child = driving(port, routes, folder.path(), &["--repetitions", "3", "--resume"]);
    while done() < kept + 2 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let again = done();
    assert!(again >= kept + 2, "{kept} {again}");
    let (code, said) = ended(driving(port, routes, folder.path(), &["--repetitions", "3", "--resume"]));
    assert!(code == Some(0) && done() == 12, "{code:?} {} {said}", done());
    let text = std::fs::read_to_string(&results).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["entry_status"], "Finished");
    let spread = &value["sensorium"]["repetitions"];
    assert!(spread["mean"].is_number() && spread["half_interval_95"].is_number(), "{spread}");
    let files = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path());
    let pictures: Vec<_> = files.filter(|f| f.extension().is_some_and(|e| e == "svg")).collect();
    assert!(pictures.len() == 12 && pictures.iter().all(|p| std::fs::read_to_string(p).unwrap().contains("<polyline")), "{pictures:?}");
    // Nothing is left to drive: the comparison with itself, pair by pair.
    let other = results.to_string_lossy().into_owned();
    let more = ["--repetitions", "3", "--resume", "--compare", &other, "--format", "json"];
    let out = driving(port, routes, folder.path(), &more).wait_with_output().unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        (&value["comparison"]["difference"]["count"], &value["comparison"]["difference"]["mean"]),
        (&12.into(), &0.0.into()),
        "{value}"
    );
    second.kill().unwrap();
    second.wait().unwrap();
}
