//! `sensorium world serve`: the embedded world behind CARLA's own wire protocol.
//!
//! *In*: where to listen and how full the town is. *Out*: two ports, until Ctrl-C. *Invariant*: loopback unless another address was
//! asked for by name; nothing of the protocol is encrypted or asks who is there.

use super::{Ending, Result, output};
use crate::carla::Version;
use crate::carla::server::{Server, Settings};
use crate::drive::server::{Embedded, Traffic};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Arguments of `world serve`.
#[derive(clap::Args)]
pub struct Args {
    /// RPC port; streams take the next one
    #[arg(long, default_value_t = 2000)]
    port: u16,
    /// Address to listen on: nothing is encrypted, so only where you trust everybody
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Town at the start: town-01 (4 junctions) to town-10 (100); clients may load the others
    #[arg(long, default_value = "town-02")]
    town: String,
    /// Vehicles that the world drives
    #[arg(long, default_value_t = 0)]
    vehicles: usize,
    /// Pedestrians and cyclists
    #[arg(long, default_value_t = 0)]
    pedestrians: usize,
    /// What chance depends on
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// CARLA version to announce and speak: 0.9.13 to 0.9.16
    #[arg(long, default_value = "0.9.16")]
    announce: String,
    /// Stop after so many seconds
    #[arg(long)]
    seconds: Option<f64>,
}

/// Serves until Ctrl-C.
pub(super) fn serve(args: &Args) -> Result {
    let version = Version::of(&args.announce)?;
    let settings = Settings { address: args.host, port: args.port, version, map: args.town.clone() };
    let traffic = Traffic { vehicles: args.vehicles, pedestrians: args.pedestrians, seed: args.seed };
    let server = Server::start(&settings, Embedded::new(traffic))?;
    let address = server.address();
    let streams = address.port().saturating_add(1);
    output::note(&format!("{} as CARLA {version} on {address}, streams on port {streams}; Ctrl-C ends it", args.town));
    if !args.host.is_loopback() {
        output::note("listening beyond this machine: whoever reaches these ports can drive");
    }
    let stopped = interrupted();
    let began = Instant::now();
    let over = |s: f64| began.elapsed().as_secs_f64() >= s;
    while !stopped.load(Ordering::SeqCst) && !args.seconds.is_some_and(over) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let seen = server.traffic();
    drop(server);
    output::note(&format!("{} steps in {:.1} s, {} messages lost by slow readers", seen.steps, began.elapsed().as_secs_f64(), seen.lost));
    Ok(if stopped.load(Ordering::SeqCst) { Ending::Interrupted } else { Ending::Done })
}

/// A flag that the first Ctrl-C sets; the second ends the program.
pub(super) fn interrupted() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&flag);
    let handler = move || {
        if set.swap(true, Ordering::SeqCst) {
            #[expect(clippy::exit, reason = "the second Ctrl-C means now")]
            std::process::exit(130);
        }
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        tracing::warn!("Ctrl-C will end at once: {error}");
    }
    flag
}
