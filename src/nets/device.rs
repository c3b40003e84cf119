//! Where networks run: picks the compute device by name and says what this build and this machine can do.
//!
//! *In*: a [`DeviceChoice`]. *Out*: a burn [`Device`] and a line that describes it. *Invariant*: a device that was asked for by name and
//! is not there is an [`Error::Unavailable`] with its reason, never a silent change to another one; no driver's panic leaves this file.

use crate::types::{Error, Result, nearest};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The device asked for in a config or with `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    /// CUDA where the build has it and a driver answers, else the CPU.
    #[default]
    Auto,
    /// The CPU (burn's Flex backend).
    Cpu,
    /// The first NVIDIA GPU.
    Cuda,
    /// The first GPU that Vulkan finds.
    Wgpu,
}

impl DeviceChoice {
    const NAMES: [(&'static str, Self); 4] = [("auto", Self::Auto), ("cpu", Self::Cpu), ("cuda", Self::Cuda), ("wgpu", Self::Wgpu)];

    /// The name in configs and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Wgpu => "wgpu",
        }
    }
}

impl std::fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for DeviceChoice {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::NAMES.into_iter().find(|(name, _)| *name == text).map(|(_, choice)| choice).ok_or_else(|| {
            let hint = nearest(text, Self::NAMES.into_iter().map(|(name, _)| name));
            let hint = hint.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            Error::mismatch("auto, cpu, cuda or wgpu", format!("`{text}`{hint}"), "device")
        })
    }
}

/// The device for a choice, and a line that describes it.
///
/// # Errors
/// A device asked for by name that this build or machine lacks.
pub fn pick(choice: DeviceChoice) -> Result<(Device, String)> {
    let unavailable = |reason| Error::unavailable(format!("device `{choice}`"), reason);
    match choice {
        DeviceChoice::Cpu => Ok(cpu()),
        DeviceChoice::Cuda => cuda().map_err(unavailable),
        DeviceChoice::Wgpu => wgpu().map_err(unavailable),
        DeviceChoice::Auto => Ok(cuda().unwrap_or_else(|_| cpu())),
    }
}

/// Every device this program knows by name: its description, or the reason why it is not there.
pub fn available() -> Vec<(&'static str, Result<String, String>)> {
    let described = |found: Result<(Device, String), String>| found.map(|(_, text)| text);
    vec![("cpu", Ok(cpu().1)), ("cuda", described(cuda())), ("wgpu", described(wgpu()))]
}

fn cpu() -> (Device, String) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    (Device::flex(), format!("CPU (Flex, {threads} threads)"))
}

#[cfg(feature = "cuda")]
fn cuda() -> Result<(Device, String), String> {
    let found = quietly(|| Device::enumerate(burn::tensor::DeviceType::Cuda).into_vec().len())?;
    match found {
        0 => Err("no NVIDIA driver answers; is one installed, and is a GPU visible (nvidia-smi)?".to_owned()),
        count => Ok((Device::cuda(0), format!("CUDA GPU 0 of {count}"))),
    }
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Result<(Device, String), String> {
    Err("this build lacks it; build with `--features cuda`".to_owned())
}

#[cfg(feature = "wgpu")]
fn wgpu() -> Result<(Device, String), String> {
    let found = quietly(|| Device::enumerate(burn::tensor::DeviceType::Vulkan).into_vec())?;
    match found.first() {
        None => Err("no Vulkan driver answers; `mesa-vulkan-drivers` and `libvulkan1` bring a software one".to_owned()),
        Some(first) => {
            Ok((Device::vulkan(burn::tensor::DeviceKind::DefaultDevice), format!("Vulkan ({} found, first: {first:?})", found.len())))
        }
    }
}

#[cfg(not(feature = "wgpu"))]
fn wgpu() -> Result<(Device, String), String> {
    Err("this build lacks it; build with `--features wgpu`".to_owned())
}

/// Runs something that may panic inside a driver; a panic becomes its message.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str).or_else(|| cause.downcast_ref::<&str>().copied());
        // Several lines, the first of them a headline, become one.
        let lines = text.unwrap_or("it stopped without a message").lines().map(str::trim);
        let told: Vec<&str> = lines.filter(|line| !line.is_empty() && !line.starts_with("===")).take(4).collect();
        told.join(" ")
    })
}

/// Proves that a device computes: a 3x3 convolution, 16 to 32 channels on 48x64, must give the CPU's result within 1e-3 relative.
///
/// Returns the time of the second run (the first one may compile kernels).
///
/// # Errors
/// The driver fails or panics, or the numbers differ.
pub fn probe(device: &Device) -> Result<Duration> {
    let broken = |reason: String| Error::unavailable(format!("{device:?}"), reason);
    let wanted = probe_convolution(&Device::flex()).map_err(broken)?;
    let first = probe_convolution(device).map_err(broken)?;
    let start = Instant::now();
    let second = probe_convolution(device).map_err(broken)?;
    let time = start.elapsed();
    for found in [first, second] {
        let scale = wanted.iter().fold(0_f32, |top, v| top.max(v.abs()));
        let worst = wanted.iter().zip(&found).fold(0_f32, |top, (a, b)| top.max(if b.is_finite() { (a - b).abs() } else { f32::INFINITY }));
        if found.len() != wanted.len() || worst > 1e-3 * scale {
            return Err(Error::mismatch(
                "the CPU's result within 1e-3",
                format!("a difference of {}", worst / scale),
                format!("{device:?}"),
            ));
        }
    }
    Ok(time)
}

fn probe_convolution(device: &Device) -> Result<Vec<f32>, String> {
    let wave = |count: u16, step: f32| (0..count).map(|i| (f32::from(i) * step).sin()).collect::<Vec<f32>>();
    quietly(|| {
        let image = Tensor::<4>::from_data(TensorData::new(wave(16 * 48 * 64, 0.37), [1, 16, 48, 64]), device);
        let kernel = Tensor::<4>::from_data(TensorData::new(wave(32 * 16 * 9, 0.71), [32, 16, 3, 3]), device);
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let data = conv2d(image, kernel, None, options).try_into_data().map_err(|e| e.to_string())?;
        data.as_slice::<f32>().map(<[f32]>::to_vec).map_err(|e| format!("{e:?}"))
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_a_slip_gets_a_hint() {
        for (name, choice) in DeviceChoice::NAMES {
            assert_eq!(name.parse::<DeviceChoice>().unwrap(), choice);
            assert_eq!(choice.to_string(), name);
        }
        assert!("cudda".parse::<DeviceChoice>().unwrap_err().to_string().contains("did you mean `cuda`"));
    }

    #[test]
    fn the_cpu_is_always_there_and_computes() {
        let (device, description) = pick(DeviceChoice::Cpu).unwrap();
        assert!(description.starts_with("CPU"));
        probe(&device).unwrap();
        pick(DeviceChoice::Auto).unwrap();
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_device_this_build_lacks_is_refused_with_the_reason() {
        assert!(pick(DeviceChoice::Cuda).unwrap_err().to_string().contains("--features cuda"));
        assert!(available().iter().any(|(name, found)| *name == "cuda" && found.is_err()));
    }
}
