//! Infrared and visible in one colour picture, without a network.
//!
//! *In*: a thermal and a colour picture of equal size, aligned. *Out*: `Outcome::Fused` in the visible camera's picture.
//! *Invariant*: same size as the inputs; the same pair gives the same picture. Method: [`crate::heads::fuse_image`].

use super::pick;
use crate::heads::fuse_image::{Fusion, FusionMethod};
use crate::runtime::{Cx, Outlet, Stage, StageInfo};
use crate::types::{Outcome, OutcomeKind, Packet, Pool, Result, RgbImage, SensorId};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Pictures that may be on their way at once before a buffer must be allocated.
const IDLE: usize = 16;

/// Which pair, by which method.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FuseClassicalConfig {
    /// The thermal camera.
    pub infrared: SensorId,
    /// The colour camera, aligned to it pixel by pixel.
    pub visible: SensorId,
    /// `pyramid` (default) or `gff`.
    #[serde(default)]
    pub method: FusionMethod,
}

impl FuseClassicalConfig {
    /// The stage.
    ///
    /// # Errors
    /// Never today.
    pub fn build(self) -> Result<FuseClassical> {
        Ok(FuseClassical { config: self, fusion: Fusion::default(), pool: Pool::new(IDLE) })
    }
}

/// See [`FuseClassicalConfig`].
#[derive(Debug)]
pub struct FuseClassical {
    config: FuseClassicalConfig,
    fusion: Fusion,
    pool: Pool<u8>,
}

impl Stage for FuseClassical {
    fn info(&self) -> StageInfo {
        let requires = vec![self.config.infrared, self.config.visible];
        StageInfo { requires, outcomes: vec![(OutcomeKind::Fused, Some(self.config.visible))], ..StageInfo::default() }
    }
    fn process(&mut self, mut packet: Packet, out: &mut Outlet<'_>, _cx: &Cx) -> Result<()> {
        let frames = packet.bundle.frame(self.config.infrared).zip(packet.bundle.frame(self.config.visible));
        if let Some((infrared, visible)) = frames {
            let (thermal, rgb) = (pick::thermal(infrared)?, pick::rgb(visible)?);
            let mut data = self.pool.take(rgb.data().len());
            let place = format_args!("sensors `{}` and `{}`", infrared.sensor, visible.sensor);
            self.fusion.fuse(self.config.method, thermal, rgb, &mut data).map_err(|e| e.at(place.to_string()))?;
            let fused = RgbImage::new(rgb.width(), rgb.height(), data)?;
            packet.outcomes.push((out.stage(), Outcome::Fused(Arc::new(fused))));
        }
        out.send(packet);
        Ok(())
    }
}
