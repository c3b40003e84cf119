//! A CARLA server: the protocol on two ports, with any [`Simulator`] behind it.
//!
//! ```text
//! client --RPC--> link (a thread each) --call--> [queue] --> episode (one thread, owns the simulator)
//! client <--stream-- hub (a thread and a bounded queue each) <--messages-- episode
//! ```
//!
//! *Invariant*: only the episode's thread touches the world, so calls have one order; only the hub's and links' threads touch
//! sockets, so no client can hold the world up.

mod blueprints;
mod dispatch;
mod episode;
mod hub;
mod link;
mod orders;
mod reckon;
mod simulator;
#[cfg(test)]
mod tests;
mod ticking;

pub use blueprints::{attribute, tags};
pub use reckon::geolocation;
pub use simulator::{Hit, LightNow, LightOrder, LightSite, Motion, Order, Other, Resident, Said, Simulator, Site, Wanted};

use super::version::Version;
use crate::types::{Error, Result};
use dispatch::USUAL_STEP;
use episode::Episode;
use hub::{Hub, accept};
use link::Job;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Clients at once.
const MOST_CLIENTS: usize = 64;

/// Where and as what a server listens.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Address; loopback unless there is a reason.
    pub address: IpAddr,
    /// RPC port, the streams' is the next; 0 takes any two that are free.
    pub port: u16,
    /// What it announces itself as.
    pub version: Version,
    /// First town.
    pub map: String,
}

/// Counters of a running server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Clients connected.
    pub clients: usize,
    /// Streams being read.
    pub listeners: usize,
    /// Messages that slow readers lost.
    pub lost: u64,
    /// Steps made.
    pub steps: u64,
}

/// A running server; stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    hub: Arc<Hub>,
    clients: Arc<AtomicUsize>,
    steps: Arc<AtomicU64>,
}

impl Server {
    /// Binds both ports, loads the town and serves until dropped.
    ///
    /// # Errors
    /// Where a port is taken, by its number, or the town is unknown.
    pub fn start<S: Simulator + 'static>(settings: &Settings, simulator: S) -> Result<Self> {
        let (rpc, streams) = bind(settings.address, settings.port)?;
        let local = |l: &TcpListener| l.local_addr().map_err(|e| Error::io("read the address of", Path::new("a socket"), e));
        let (address, stream_port) = (local(&rpc)?, local(&streams)?.port());
        let hub = Arc::new(Hub::default());
        let episode = Episode::new(simulator, &settings.map, settings.version, stream_port, Arc::clone(&hub))
            .map_err(|words| Error::unavailable("the town", words))?;
        let stop = Arc::new(AtomicBool::new(false));
        let (clients, steps) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let (jobs, queue) = sync_channel(256);
        let world = {
            let (stop, steps) = (Arc::clone(&stop), Arc::clone(&steps));
            thread("carla-world", move || run(episode, &queue, &stop, &steps))?
        };
        let listening = {
            let (hub, stop) = (Arc::clone(&hub), Arc::clone(&stop));
            thread("carla-streams", move || hub.serve(&streams, &stop))?
        };
        let calling = {
            let (stop, clients, version) = (Arc::clone(&stop), Arc::clone(&clients), settings.version);
            thread("carla-calls", move || answer(&rpc, version, &jobs, &stop, &clients))?
        };
        Ok(Self { address, stop, threads: vec![calling, listening, world], hub, clients, steps })
    }
    /// Where calls are taken.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
    /// What goes on.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            clients: self.clients.load(Ordering::Relaxed),
            listeners: self.hub.listeners(),
            lost: self.hub.lost(),
            steps: self.steps.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _over = thread.join();
        }
    }
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let made = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    made.map_err(|e| Error::io("start", Path::new("a thread"), e))
}

fn bind(address: IpAddr, port: u16) -> Result<(TcpListener, TcpListener)> {
    let open = |port: u16| TcpListener::bind((address, port));
    let refused = |port: u16, e: std::io::Error| {
        let why = format!("{e}; RPC takes a port and streams the next: choose another --port");
        Error::unavailable(format!("port {port} of {address}"), why)
    };
    if port == 0 {
        for _ in 0..64 {
            let rpc = open(0).map_err(|e| refused(0, e))?;
            let next = rpc.local_addr().ok().and_then(|a| a.port().checked_add(1));
            if let Some(streams) = next.and_then(|p| open(p).ok()) {
                return Ok((rpc, streams));
            }
        }
        return Err(Error::unavailable(format!("a pair of ports of {address}"), "64 tries found none"));
    }
    let next = port.checked_add(1).ok_or_else(|| Error::mismatch("a port below 65535", port.to_string(), "--port"))?;
    Ok((open(port).map_err(|e| refused(port, e))?, open(next).map_err(|e| refused(next, e))?))
}

/// Takes clients.
fn answer(port: &TcpListener, version: Version, jobs: &SyncSender<Job>, stop: &Arc<AtomicBool>, clients: &Arc<AtomicUsize>) {
    accept(port, stop, |socket| {
        if clients.fetch_add(1, Ordering::Relaxed) >= MOST_CLIENTS {
            clients.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (jobs, stop, clients) = (jobs.clone(), Arc::clone(stop), Arc::clone(clients));
        let body = move || {
            link::serve(socket, version, &jobs, &stop);
            clients.fetch_sub(1, Ordering::Relaxed);
        };
        let _thread = std::thread::Builder::new().name("carla-client".into()).spawn(body);
    });
}

/// The world's thread: calls as they come, and steps by the clock where nobody ticks.
fn run<S: Simulator>(mut episode: Episode<S>, jobs: &Receiver<Job>, stop: &AtomicBool, steps: &AtomicU64) {
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let pace = Duration::from_secs_f64(episode.settings.fixed_delta_seconds.unwrap_or(USUAL_STEP));
        let wait = if episode.settings.synchronous_mode { Duration::from_millis(250) } else { pace.saturating_sub(last.elapsed()) };
        match jobs.recv_timeout(wait) {
            Ok(job) => {
                let _asked = job.back.send(episode.call(job.call));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if !episode.settings.synchronous_mode && last.elapsed() >= pace {
            // Late steps are not made up for: a slow machine's world runs slower, or in longer steps where it may.
            let took = last.elapsed().as_secs_f64().min(0.1);
            last = Instant::now();
            episode.tick(episode.settings.fixed_delta_seconds.unwrap_or(took));
        }
        steps.store(episode.frame, Ordering::Relaxed);
    }
}
