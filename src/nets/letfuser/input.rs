//! What LeTFuser is given: a look of its cameras, and what the vehicle knows of itself and its route.
//!
//! *Invariant*: a checked look has the geometry's width and a height that is a multiple of 16; commands are 1 to 6.

use super::control::Measured;
use crate::nets::{Inputs, to_host};
use crate::types::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};

/// Pictures and depths of left | front | right side by side.
#[derive(Debug, Clone)]
pub struct Look {
    /// `[batch, 3, H, W]`, 0..255.
    pub rgb: Tensor<4>,
    /// `[batch][H][W]` as CARLA normalises it (1 is 1000 m); a pixel that is not finite draws nothing on the map.
    pub depth: Vec<f32>,
}

/// What the vehicle knows, one entry for each picture.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Vehicle {
    /// Next route point: right, backward, metres.
    pub route: Vec<[f32; 2]>,
    /// Forward speed, m/s.
    pub speed: Vec<f32>,
    /// 1 left, 2 right, 3 straight, 4 follow lane, 5 change left, 6 change right.
    pub command: Vec<u8>,
}

impl Look {
    pub(super) fn of(inputs: &Inputs<'_>) -> Result<Self> {
        let rgb = inputs.tensor::<4>("rgb")?;
        // The driving code hands depth over without its channel axis.
        let depth = match inputs.axes("depth") {
            Some(3) => inputs.tensor::<3>("depth")?.unsqueeze_dim(1),
            _ => inputs.tensor::<4>("depth")?,
        };
        let [batch, _, height, width] = rgb.dims();
        if depth.dims() != [batch, 1, height, width] {
            return Err(Error::mismatch(
                format!("[{batch}, 1, {height}, {width}] like `rgb`"),
                format!("{:?}", depth.dims()),
                "input `depth`",
            ));
        }
        let depth = to_host(depth)?.try_into_vec::<f32>().map_err(|e| Error::unavailable("input `depth`", e.to_string()))?;
        Ok(Self { rgb, depth })
    }

    pub(super) fn batch(&self) -> usize {
        self.rgb.dims()[0]
    }
    pub(super) fn height(&self) -> usize {
        self.rgb.dims()[2]
    }
    pub(super) fn width(&self) -> usize {
        self.rgb.dims()[3]
    }

    pub(super) fn check(&self, wanted: usize) -> Result<()> {
        let [batch, channels, height, width] = self.rgb.dims();
        if channels != 3 || width != wanted || height == 0 || !height.is_multiple_of(16) || height > 4096 {
            let wanted = format!("[batch, 3, H, {wanted}], H a multiple of 16");
            return Err(Error::mismatch(wanted, format!("{:?}", self.rgb.dims()), "input `rgb`"));
        }
        if self.depth.len() != batch * height * width {
            return Err(Error::mismatch(
                format!("{batch} depth pictures of {width}x{height}"),
                format!("{} depths", self.depth.len()),
                "input `depth`",
            ));
        }
        Ok(())
    }
}

impl Vehicle {
    pub(super) fn of(inputs: &Inputs<'_>, batch: usize) -> Result<Self> {
        let route = to_host(inputs.tensor::<2>("target_point")?)?;
        let route = route.as_slice::<f32>().unwrap_or_default().as_chunks::<2>().0.to_vec();
        let speed = to_host(inputs.tensor::<1>("velocity")?)?.as_slice::<f32>().unwrap_or_default().to_vec();
        let command = inputs.whole_numbers("command")?;
        let found = command.iter().map(|c| u8::try_from(*c).unwrap_or(0)).collect();
        let vehicle = Self { route, speed, command: found };
        let sizes = (inputs.tensor::<2>("target_point")?.dims(), vehicle.speed.len(), command.len());
        if sizes != ([batch, 2], batch, batch) {
            let found = format!("{:?}, [{}] and [{}]", sizes.0, sizes.1, sizes.2);
            return Err(Error::mismatch(
                format!("[{batch}, 2], [{batch}] and [{batch}]"),
                found,
                "inputs `target_point`, `velocity`, `command`",
            ));
        }
        Ok(vehicle)
    }

    pub(super) fn measured(&self, batch: usize, device: &Device) -> Result<Measured> {
        if [self.route.len(), self.speed.len(), self.command.len()] != [batch; 3] {
            let found = format!("{} route points, {} speeds, {} commands", self.route.len(), self.speed.len(), self.command.len());
            return Err(Error::mismatch(format!("one of each for each of {batch} pictures"), found, "what the vehicle knows"));
        }
        if let Some(command) = self.command.iter().find(|c| !(1..=6).contains(*c)) {
            return Err(Error::mismatch("a command from 1 (left) to 6 (change right)", command.to_string(), "input `command`"));
        }
        let one_hot = self.command.iter().flat_map(|c| (1..=6_u8).map(move |k| f32::from(u8::from(k == *c)))).collect();
        let upload = |values: Vec<f32>, columns: usize| Tensor::from_data(TensorData::new(values, [batch, columns]), device);
        Ok(Measured { route: upload(self.route.concat(), 2), speed: upload(self.speed.clone(), 1), command: upload(one_hot, 6) })
    }
}
