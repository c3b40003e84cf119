//! `sensorium doctor`: what this build and machine can do; what is missing, and the command that would bring it.

use super::machine::Machine;
use super::{Ending, Format, Result, output};
use crate::nets::device::{self, DeviceChoice};
use serde::Serialize;
use std::fmt;

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct Args {
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Serialize)]
struct Finding {
    what: String,
    works: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Serialize)]
struct Diagnosis {
    version: u32,
    machine: Machine,
    findings: Vec<Finding>,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.line())?;
        writeln!(f, "features: {}", self.machine.features.join(", "))?;
        for x in &self.findings {
            writeln!(f, "  {:<3} {:<22} {}", if x.works { "yes" } else { "no" }, x.what, x.detail)?;
            if let Some(remedy) = &x.remedy {
                writeln!(f, "      {:<22} -> {remedy}", "")?;
            }
        }
        Ok(())
    }
}

/// Looks at everything that a run may need.
pub(super) fn doctor(args: &Args) -> Result {
    let machine = Machine::this();
    let mut findings: Vec<Finding> = device::available().into_iter().map(|(name, found)| device_finding(name, found)).collect();
    findings.push(feature(
        "viewer",
        cfg!(feature = "viewer"),
        "rerun recordings, window, browser (works offline)",
        "cargo build --release --features viewer",
    ));
    findings.push(feature(
        "opencv",
        cfg!(feature = "opencv"),
        "video files, V4L2 and USB cameras",
        "apt-get install libopencv-dev libclang-dev clang && cargo build --release --features opencv",
    ));
    findings.push(viewer_program());
    findings.push(writable("runs"));
    findings.push(datasets());
    output::formatted(args.format, &Diagnosis { version: 1, machine, findings })?;
    Ok(Ending::Done)
}

fn device_finding(name: &str, found: std::result::Result<String, String>) -> Finding {
    let what = format!("device {name}");
    let choice = match name {
        "cuda" => DeviceChoice::Cuda,
        "wgpu" => DeviceChoice::Wgpu,
        _ => DeviceChoice::Cpu,
    };
    let remedy = || match name {
        "cuda" => Some("an NVIDIA driver, and cargo build --release --features cuda".to_owned()),
        "wgpu" => Some(
            "a Vulkan driver (apt-get install mesa-vulkan-drivers has one in software), and cargo build --release --features wgpu"
                .to_owned(),
        ),
        _ => None,
    };
    match found.map(|detail| (detail, device::pick(choice).and_then(|(d, _)| device::probe(&d)))) {
        Ok((detail, Ok(time))) => Finding {
            what,
            works: true,
            detail: format!("{detail}; a convolution agrees with the CPU, {:.2} ms", time.as_secs_f64() * 1e3),
            remedy: None,
        },
        Ok((detail, Err(error))) => Finding { what, works: false, detail: format!("{detail}: {error}"), remedy: remedy() },
        Err(reason) => Finding { what, works: false, detail: reason, remedy: remedy() },
    }
}

fn feature(name: &str, on: bool, detail: &str, remedy: &str) -> Finding {
    Finding { what: format!("feature {name}"), works: on, detail: detail.to_owned(), remedy: (!on).then(|| remedy.to_owned()) }
}

fn viewer_program() -> Finding {
    let found = std::env::var_os("PATH").and_then(|path| std::env::split_paths(&path).map(|p| p.join("rerun")).find(|p| p.is_file()));
    Finding {
        what: "rerun on the path".to_owned(),
        works: found.is_some(),
        detail: found.as_ref().map_or_else(|| "for --viewer spawn; the browser needs none".to_owned(), |p| p.display().to_string()),
        remedy: found.is_none().then(|| "pip install rerun-sdk==0.36.3".to_owned()),
    }
}

fn writable(folder: &str) -> Finding {
    let probe = std::path::Path::new(folder).join(".doctor");
    let tried = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&probe, b"")).and_then(|()| std::fs::remove_file(&probe));
    Finding {
        what: format!("folder {folder}/"),
        works: tried.is_ok(),
        detail: tried.as_ref().map_or_else(ToString::to_string, |()| "results can be written".to_owned()),
        remedy: tried.is_err().then(|| "run where you may write, or --set runs=FOLDER".to_owned()),
    }
}

fn datasets() -> Finding {
    let works = std::path::Path::new("datasets").is_dir() && std::path::Path::new("configs").is_dir();
    let detail = if works { "samples of every input kind" } else { "not in this folder" };
    Finding {
        what: "datasets/, configs/".to_owned(),
        works,
        detail: detail.to_owned(),
        remedy: (!works).then(|| "run in the project's folder for the demo, or name a configuration".to_owned()),
    }
}
