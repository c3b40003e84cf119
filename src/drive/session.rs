//! A driver for somebody else's loop: the leaderboard's agent (`tools/leaderboard_agent.py`) asks over a local socket, a network answers.
//!
//! ```text
//! message: u32 little-endian length of the head, head (JSON), then the pixels of its `pictures`, B G R A, in their order
//! setup                                            -> driver, trained, sensors
//! plan   points [[latitude, longitude, command]]   -> (nothing)
//! step   gps, compass, speed, pictures             -> steer, throttle, brake, milliseconds
//! ```
//!
//! *Invariant*: each connection has its own network, planner and controllers, so agents do not disturb each other; a message that is none is
//! answered by `{"error": ...}`, and whatever it announces, only bytes that arrive are kept. Heads above 1 MiB, pictures above 128 MiB, a begun
//! message that takes 30 s and silence of 10 minutes end a connection.

use super::pilot::{Pilot, Readings};
use crate::carla::Image;
use crate::types::{Error, Result};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const MOST_HEAD: usize = 1 << 20;
const MOST_PIXELS: usize = 128 << 20;
const MOST_SESSIONS: usize = 8;
const SILENCE: Duration = Duration::from_secs(600);
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
enum Head {
    Setup,
    Plan {
        points: Vec<(f64, f64, i32)>,
    },
    Step {
        gps: [f64; 2],
        /// Null where the sensor says it is no number.
        compass: Option<f64>,
        speed: f64,
        #[serde(default)]
        pictures: Vec<Picture>,
    },
}

#[derive(Deserialize)]
struct Picture {
    id: String,
    width: usize,
    height: usize,
    fov: f32,
}

impl Picture {
    fn bytes(&self) -> Option<usize> {
        self.width.checked_mul(self.height)?.checked_mul(4).filter(|n| (1..=MOST_PIXELS).contains(n))
    }
}

/// Serves agents until told to stop; each gets a driver from `make`.
pub fn serve(port: &TcpListener, make: &(dyn Fn() -> Result<Pilot> + Sync), stop: &AtomicBool) {
    let _plain = port.set_nonblocking(true);
    let count = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        while !stop.load(Ordering::Relaxed) {
            let Ok((mut socket, _)) = port.accept() else {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            };
            if count.fetch_add(1, Ordering::Relaxed) >= MOST_SESSIONS {
                count.fetch_sub(1, Ordering::Relaxed);
                let refused = Error::mismatch(format!("at most {MOST_SESSIONS} agents at once"), "one more", "agent");
                let _told = reply(&mut socket, &json!({ "error": refused.to_string() }));
                continue;
            }
            let count = &count;
            threads.spawn(move || {
                if let Err(e) = attend(socket, make, stop) {
                    tracing::debug!("agent: {e}");
                }
                count.fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
}

fn attend(mut socket: TcpStream, make: &dyn Fn() -> Result<Pilot>, stop: &AtomicBool) -> Result<()> {
    let _plain = socket.set_nonblocking(false);
    let _plain = socket.set_nodelay(true);
    let _plain = socket.set_read_timeout(Some(Duration::from_millis(200)));
    let _plain = socket.set_write_timeout(Some(PATIENCE));
    let mut pilot = make()?;
    let (mut head, mut pixels) = (Vec::new(), Vec::new());
    while take(&mut socket, 4, &mut head, SILENCE, stop)? {
        let length = head.first_chunk().map_or(0, |b| crate::types::num::usize(u32::from_le_bytes(*b)));
        if length > MOST_HEAD {
            let refused = Error::mismatch(format!("a head of at most {MOST_HEAD} bytes"), length.to_string(), "agent");
            let _told = reply(&mut socket, &json!({ "error": refused.to_string() }));
            return Err(refused);
        }
        take(&mut socket, length, &mut head, PATIENCE, stop)?;
        let read: std::result::Result<Head, _> = serde_json::from_slice(&head);
        let said = match read {
            Err(e) => Err(Error::mismatch("setup, plan or step", e.to_string(), "agent")),
            Ok(Head::Setup) => Ok(json!({ "version": 1, "driver": pilot.name(), "trained": pilot.trained(), "sensors": pilot.sensors() })),
            Ok(Head::Plan { points }) => {
                let plan: Vec<_> = points.iter().map(|(lat, lon, command)| ([*lat, *lon], *command)).collect();
                pilot.begin(&plan).map(|()| json!({ "version": 1 }))
            }
            Ok(Head::Step { gps, compass, speed, pictures }) => {
                let sizes: Option<Vec<usize>> = pictures.iter().map(Picture::bytes).collect();
                let total = sizes.as_ref().map(|s| s.iter().sum::<usize>()).filter(|n| *n <= MOST_PIXELS);
                let Some(total) = total else {
                    let refused = Error::mismatch(format!("pictures of 1 to {MOST_PIXELS} bytes"), "other sizes", "agent");
                    // What follows cannot be told from the next head any more.
                    let _told = reply(&mut socket, &json!({ "error": refused.to_string() }));
                    return Err(refused);
                };
                take(&mut socket, total, &mut pixels, PATIENCE, stop)?;
                let now = Readings { place: gps, compass: compass.unwrap_or(f64::NAN), speed, ..Readings::default() };
                step(&mut pilot, now, &pictures, &pixels)
            }
        };
        reply(&mut socket, &said.unwrap_or_else(|e| json!({ "error": e.to_string() })))?;
    }
    Ok(())
}

fn step<'a>(pilot: &mut Pilot, mut now: Readings<'a>, pictures: &[Picture], mut pixels: &'a [u8]) -> Result<Value> {
    let began = Instant::now();
    for p in pictures {
        let (own, rest) = pixels.split_at_checked(p.bytes().unwrap_or(0)).unwrap_or_default();
        pixels = rest;
        let (is_depth, at) = Pilot::camera(&p.id).ok_or_else(|| Error::mismatch("a camera of the list", &*p.id, "agent, pictures"))?;
        let side = if is_depth { &mut now.depth } else { &mut now.rgb };
        if let Some(slot) = side.get_mut(at) {
            *slot = Some(Image { width: p.width, height: p.height, fov: p.fov, pixels: own });
        }
    }
    let control = pilot.step(&now)?.tick.control;
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    Ok(json!({ "version": 1, "steer": control.steer, "throttle": control.throttle, "brake": control.brake, "milliseconds": milliseconds }))
}

fn reply(socket: &mut TcpStream, value: &Value) -> Result<()> {
    let text = value.to_string();
    let mut message = crate::types::num::u32(text.len()).to_le_bytes().to_vec();
    message.extend(text.as_bytes());
    socket.write_all(&message).map_err(|e| Error::unavailable("the agent", e.to_string()))
}

/// Fills `into` with so many bytes; false where the other side has closed before the first.
fn take(socket: &mut TcpStream, count: usize, into: &mut Vec<u8>, patience: Duration, stop: &AtomicBool) -> Result<bool> {
    into.clear();
    let end = Instant::now() + patience;
    let mut chunk = [0; 64 << 10];
    while into.len() < count {
        let room = chunk.len().min(count - into.len());
        match socket.read(chunk.get_mut(..room).unwrap_or_default()) {
            Ok(0) if into.is_empty() => return Ok(false),
            Ok(0) => return Err(Error::mismatch(format!("{count} bytes"), into.len().to_string(), "agent, message")),
            Ok(n) => into.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                if stop.load(Ordering::Relaxed) || Instant::now() > end {
                    return Err(Error::unavailable("the agent", format!("silent for {} s", patience.as_secs())));
                }
            }
            Err(e) => return Err(Error::unavailable("the agent", e.to_string())),
        }
    }
    Ok(true)
}
