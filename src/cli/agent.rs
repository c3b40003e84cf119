//! `sensorium agent`: a network as driver for the leaderboard's own loop, over a local socket.
//!
//! *In*: which network, where to listen. *Out*: one line of JSON with port and driver, then answers to `tools/leaderboard_agent.py` (or
//! anybody who speaks the messages of `drive::session`). *Invariant*: loopback unless another address was asked for by name.

use super::{Ending, Result, output};
use crate::drive::pilot::{Pilot, PilotConfig};
use crate::drive::session;
use crate::heads::vehicle_control::Merge;
use crate::nets::DeviceChoice;
use crate::types::{Error, nearest};
use serde_json::json;
use std::net::{IpAddr, TcpListener};

/// Which network drives; the same for `agent` and `drive`.
#[derive(clap::Args, Clone)]
pub struct NetworkArgs {
    /// `base` is the published configuration
    #[arg(long, default_value = "tiny")]
    preset: String,
    /// A .safetensors file or a PyTorch state dict; without, random parameters, which the results say
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// How way points and direct controls become one: one_of, both_must, pid_only, mlp_only
    #[arg(long, default_value = "one_of")]
    merge: String,
    /// Cameras of 120 degrees as published, instead of the middle that is used of them
    #[arg(long)]
    whole_cameras: bool,
    /// Seed of random parameters
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// auto takes CUDA where it is there, else the CPU
    #[arg(long, value_name = "auto|cpu|cuda|wgpu", default_value = "auto")]
    device: DeviceChoice,
}

impl NetworkArgs {
    /// As the library takes it.
    pub(super) fn config(&self) -> Result<PilotConfig> {
        const NAMES: [(&str, Merge); 4] =
            [("one_of", Merge::OneOf), ("both_must", Merge::BothMust), ("pid_only", Merge::PidOnly), ("mlp_only", Merge::MlpOnly)];
        let merge = NAMES.iter().find(|(name, _)| *name == self.merge).map(|(_, merge)| *merge).ok_or_else(|| {
            let near = nearest(&self.merge, NAMES.map(|(n, _)| n)).map_or_else(String::new, |n| format!(", did you mean `{n}`?"));
            Error::mismatch("one_of, both_must, pid_only or mlp_only", format!("`{}`{near}", self.merge), "--merge")
        })?;
        Ok(PilotConfig {
            preset: self.preset.clone(),
            weights: self.weights.clone(),
            seed: self.seed,
            device: self.device,
            merge,
            whole_cameras: self.whole_cameras,
        })
    }
}

/// Arguments of `agent`.
#[derive(clap::Args)]
pub struct Args {
    /// Port to listen on; 0 takes a free one, which the first line on standard output names
    #[arg(long, default_value_t = 2600)]
    port: u16,
    /// Address to listen on: nothing is encrypted
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    #[command(flatten)]
    network: NetworkArgs,
}

/// Serves until Ctrl-C.
pub(super) fn agent(args: &Args) -> Result {
    let config = args.network.config()?;
    // Once now, so that what is wrong with the weights is said before anybody waits for an answer.
    let first = Pilot::new(config.clone())?;
    let place = |e: std::io::Error| Error::unavailable(format!("port {} of {}", args.port, args.host), e.to_string());
    let listener = TcpListener::bind((args.host, args.port)).map_err(place)?;
    let port = listener.local_addr().map_err(place)?.port();
    output::result(&json!({ "version": 1, "port": port, "driver": first.name(), "trained": first.trained() }).to_string())?;
    output::note(&format!("{} for leaderboard agents on {}:{port}; Ctrl-C ends it", first.name(), args.host));
    drop(first);
    let stopped = super::serve::interrupted();
    session::serve(&listener, &|| Pilot::new(config.clone()), &stopped);
    Ok(Ending::Interrupted)
}
