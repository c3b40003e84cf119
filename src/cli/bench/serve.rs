//! `sensorium bench world`, second part: the embedded world behind CARLA's protocol, as a client on this machine sees it.
//!
//! *Out*: rows with their bars: one ego vehicle with three RGB + depth cameras of LeTFuser's middle size and of the published size, stepped
//! synchronously; four clients at once. *Invariant*: a step is over when the client holds the picture of every camera of that frame, so
//! drawing, packing, sockets and reading are all in it; nothing is drawn ahead. The cameras' network is not run.

use super::Row;
use crate::carla::client::{Client, Stream};
use crate::carla::server::{Server, Settings};
use crate::carla::{Actor, Header, Image, Rotation, Transform, Vector3D, VehicleControl, Version};
use crate::drive::server::{Embedded, Traffic};
use crate::runtime::Histogram;
use crate::types::{Error, Result};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const BEFORE: usize = 10;

/// All rows.
pub(super) fn rows() -> Result<Vec<Row>> {
    let small = cameras(
        "world serve, 30 vehicles, 20 pedestrians, one ego with three 320x160 RGB + depth cameras (fov 60)",
        "at least 20 steps a second on two cores",
        20.0,
        ["320", "160", "60"],
        120,
    )?;
    let whole = cameras(
        "the same with three 960x480 RGB + depth cameras (fov 120)",
        "at least 3 steps a second on two cores",
        3.0,
        ["960", "480", "120"],
        30,
    )?;
    Ok(vec![small, whole, four()?])
}

fn server() -> Result<Server> {
    let settings = Settings { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port: 0, version: Version::V0_9_16, map: "town-03".into() };
    Server::start(&settings, Embedded::new(Traffic { vehicles: 30, pedestrians: 20, seed: 1 }))
}

fn client(server: &Server) -> Result<Client> {
    Client::connect("127.0.0.1", server.address().port(), PATIENCE)
}

fn ego(client: &mut Client) -> Result<Actor> {
    let description = client.blueprint("vehicle.tesla.model3", &[("role_name", "hero".into())])?;
    let mut last = Error::unavailable("a place", "the map has no spawn point");
    for at in client.map()?.spawn_points {
        match client.spawn(description.clone(), at, None) {
            Ok(actor) => return Ok(actor),
            Err(e) => last = e,
        }
    }
    Err(last)
}

fn camera(client: &mut Client, ego: &Actor, kind: &str, yaw: f32, [width, height, fov]: [&str; 3]) -> Result<Stream> {
    let set = [("image_size_x", width.to_owned()), ("image_size_y", height.to_owned()), ("fov", fov.to_owned())];
    let description = client.blueprint(&format!("sensor.camera.{kind}"), &set)?;
    let at = Transform { location: Vector3D::new(1.3, 0.0, 2.3), rotation: Rotation { yaw, ..Rotation::default() } };
    let actor = client.spawn(description, at, Some(ego.id))?;
    client.listen(kind, &actor)
}

/// Ticks until every stream has a picture, so that all have joined.
fn join(client: &mut Client, streams: &[&Stream]) -> Result<()> {
    for _ in 0..200 {
        let frame = client.tick()?.header.frame;
        if streams.iter().all(|s| s.frame(frame, Duration::from_millis(500)).is_ok()) {
            return Ok(());
        }
    }
    Err(Error::unavailable("every camera's stream", "200 steps without one picture of each"))
}

/// A step and every picture of it: bytes of pixels.
fn step(client: &mut Client, streams: &[Stream]) -> Result<usize> {
    let frame = client.tick()?.header.frame;
    let mut bytes = 0;
    for stream in streams {
        let message = stream.frame(frame, PATIENCE)?;
        bytes += Image::read(Header::read(&message)?.1)?.pixels.len();
        stream.give_back(message);
    }
    Ok(bytes)
}

fn cameras(what: &'static str, bar: &'static str, least: f64, size: [&str; 3], steps: u32) -> Result<Row> {
    let server = server()?;
    let mut client = client(&server)?;
    client.lockstep(0.05)?;
    let ego = ego(&mut client)?;
    client.control(ego.id, &VehicleControl { throttle: 0.4, ..VehicleControl::default() })?;
    let mut streams = Vec::new();
    for yaw in [-60.0, 0.0, 60.0] {
        for kind in ["rgb", "depth"] {
            streams.push(camera(&mut client, &ego, kind, yaw, size)?);
        }
    }
    join(&mut client, &streams.iter().collect::<Vec<_>>())?;
    for _ in 0..BEFORE {
        step(&mut client, &streams)?;
    }
    let (times, start) = (Histogram::default(), Instant::now());
    let mut bytes = 0;
    for _ in 0..steps {
        let tick = Instant::now();
        bytes += step(&mut client, &streams)?;
        times.record(tick.elapsed());
    }
    let rate = f64::from(steps) / start.elapsed().as_secs_f64();
    let megabytes = bytes as f64 / 1e6 / f64::from(steps);
    let detail = format!("{rate:.1} steps a second, {megabytes:.1} MB of pixels a step, {} messages lost", server.traffic().lost);
    Ok(Row { what, bar, kept: rate >= least && server.traffic().lost == 0, milliseconds: times.quantiles(), detail })
}

/// One client steps, four look, each through a camera of its own.
fn four() -> Result<Row> {
    const STEPS: u32 = 100;
    let server = server()?;
    let mut leader = client(&server)?;
    leader.lockstep(0.05)?;
    let ego = ego(&mut leader)?;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = client(&server)?;
        let stream = camera(&mut client, &ego, "rgb", 0.0, ["320", "160", "60"])?;
        clients.push((client, stream));
    }
    let streams: Vec<&Stream> = clients.iter().map(|(_, stream)| stream).collect();
    join(&mut leader, &streams)?;
    let (times, start) = (Histogram::default(), Instant::now());
    for _ in 0..STEPS {
        let tick = Instant::now();
        let frame = leader.tick()?.header.frame;
        for stream in &streams {
            let message = stream.frame(frame, PATIENCE)?;
            stream.give_back(message);
        }
        times.record(tick.elapsed());
    }
    let rate = f64::from(STEPS) / start.elapsed().as_secs_f64();
    let seen = server.traffic();
    let detail = format!("{rate:.1} steps a second, {} clients, {} messages lost", seen.clients, seen.lost);
    Ok(Row {
        what: "four clients at once beside the one that steps, a 320x160 camera each",
        bar: "every frame reaches everybody",
        kept: seen.lost == 0 && seen.clients == 5,
        milliseconds: times.quantiles(),
        detail,
    })
}
