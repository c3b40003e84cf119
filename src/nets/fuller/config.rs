//! Sizes of FULLER: what the architecture fixes per preset, and the extents that a configuration file may change.
//!
//! *In*: a preset's name and an optional TOML table. *Out*: [`FullerConfig`], checked. *Invariant*: after [`FullerConfig::checked`] every
//! grid has at least one cell, the three grids fit each other, and no count is zero.

use super::extents::Extents;
use super::kinds::{Level, LidarKind, ObjectKind, Sensors, THREE, TWO, ViewKind, levels};
use crate::nets::blocks::SwinConfig;
use crate::types::{Error, Result, nearest, num};

/// Most cells of a plane; the published camera grid has 65,536.
const MOST_CELLS: usize = 1 << 22;
/// Each looks at every other one.
const MOST_PROPOSALS: usize = 10_000;

/// All sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct FullerConfig {
    /// The image encoder.
    pub swin: SwinConfig,
    /// Channels of the image pyramid.
    pub pyramid: usize,
    /// Channels that are lifted into space.
    pub context: usize,
    /// Channels of the sparse encoder's four stages.
    pub sparse: [usize; 4],
    /// Channels after fusion.
    pub fused: usize,
    /// The decoder's two levels.
    pub second: [Level; 2],
    /// Channels of each of the decoder's outputs.
    pub neck: usize,
    /// The three levels over the pillars' picture.
    pub pillar_second: [Level; 3],
    /// Channels of each of their outputs.
    pub pillar_neck: usize,
    /// Channels of TransFusion.
    pub hidden: usize,
    /// Channels inside TransFusion's feed-forward layer.
    pub feed_forward: usize,
    /// Channels of each prediction branch.
    pub branch: usize,
    /// Channels inside the map head.
    pub map_hidden: usize,
    /// What a file may change.
    pub extents: Extents,
}

impl FullerConfig {
    /// The published sizes on the grid of the published map network.
    pub const BASE: Self = Self {
        swin: SwinConfig::TINY,
        pyramid: 256,
        context: 80,
        sparse: [16, 32, 64, 128],
        fused: 256,
        second: levels([128, 256], [5, 5], [1, 2], TWO),
        neck: 256,
        pillar_second: levels([64, 128, 256], [3, 5, 5], [2, 2, 2], THREE),
        pillar_neck: 128,
        hidden: 128,
        feed_forward: 256,
        branch: 64,
        map_hidden: 512,
        extents: Extents {
            point_range: [-51.2, -51.2, -5.0, 51.2, 51.2, 3.0],
            voxel_size: [0.1, 0.1, 0.2],
            max_points_per_voxel: 10,
            max_voxels: 120_000,
            pillar_size: [0.2, 0.2, 8.0],
            max_points_per_pillar: 20,
            max_pillars: 60_000,
            camera_bev_x: [-51.2, 51.2, 0.4],
            camera_bev_y: [-51.2, 51.2, 0.4],
            camera_bev_z: [-10.0, 10.0, 20.0],
            camera_depth: [1.0, 60.0, 0.5],
            proposals: 200,
            map_x: [-50.0, 50.0, 0.5],
            map_y: [-50.0, 50.0, 0.5],
            post_center_range: [-61.2, -61.2, -10.0, 61.2, 61.2, 10.0],
            center_head_max: 500,
            center_head_score: 0.1,
            view: ViewKind::Lss,
            object_head: ObjectKind::Transfusion,
            map_head: true,
            lidar_encoder: LidarKind::Sparse,
            sensors: Sensors::Both,
            camera_decoder: [160, 320, 640],
        },
    };

    /// Ours, narrow, for live use: six cameras of 64x176 on a grid of 64x64 cells of 1.6 m.
    pub const TINY: Self = Self {
        swin: SwinConfig { embedding: 24, depths: [2, 2, 2, 2], heads: [2, 3, 6, 12], window: 7 },
        pyramid: 48,
        context: 16,
        sparse: [8, 8, 16, 24],
        fused: 40,
        second: levels([28, 40], [2, 2], [1, 2], TWO),
        neck: 32,
        pillar_second: levels([32, 48, 64], [1, 2, 2], [2, 2, 2], THREE),
        pillar_neck: 24,
        hidden: 40,
        feed_forward: 80,
        branch: 24,
        map_hidden: 16,
        extents: Extents {
            voxel_size: [0.2, 0.2, 0.2],
            max_voxels: 30_000,
            pillar_size: [0.4, 0.4, 8.0],
            max_pillars: 20_000,
            camera_bev_x: [-51.2, 51.2, 0.8],
            camera_bev_y: [-51.2, 51.2, 0.8],
            camera_depth: [1.0, 60.0, 1.0],
            proposals: 100,
            map_x: [-50.0, 50.0, 1.0],
            map_y: [-50.0, 50.0, 1.0],
            camera_decoder: [24, 32, 48],
            ..Self::BASE.extents
        },
    };

    /// These sizes with what a configuration file changes.
    ///
    /// # Errors
    /// A key is unknown or has a value that makes no sense.
    pub fn with(mut self, changes: &toml::Table) -> Result<Self> {
        let wrong = |e: String| Error::mismatch("values of FULLER's keys", e.trim().replace('\n', " "), "--config");
        let mut table = toml::Table::try_from(&self.extents).map_err(|e| wrong(e.to_string()))?;
        for (key, value) in changes {
            if !table.contains_key(key) {
                let names: Vec<&str> = table.keys().map(String::as_str).collect();
                let hint = nearest(key, names.iter().copied()).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                return Err(Error::mismatch(format!("one of {}", names.join(", ")), format!("key `{key}`{hint}"), "--config"));
            }
            table.insert(key.clone(), whole_as_float(value, table.get(key)));
        }
        self.extents = serde_path_to_error::deserialize(table).map_err(|e| wrong(e.to_string()))?;
        self.checked()
    }

    /// These sizes, if they fit each other.
    ///
    /// # Errors
    /// A grid is empty or far too large, a count is zero, or the camera's and the LiDAR's grids differ.
    pub fn checked(self) -> Result<Self> {
        let e = &self.extents;
        within("camera_bev", self.camera_grid())?;
        match e.lidar_encoder {
            LidarKind::Sparse => within("point_range / voxel_size", self.voxel_grid())?,
            LidarKind::Pillars => self.pillars_within()?,
        }
        let counts = [e.max_points_per_voxel, e.max_voxels, e.max_points_per_pillar, e.max_pillars, e.proposals, e.center_head_max];
        if e.camera_decoder.iter().any(|n| !(1..=4096).contains(n)) {
            return Err(Error::mismatch("1 to 4096 channels", format!("{:?}", e.camera_decoder), "camera_decoder"));
        }
        let depths = self.depths();
        let map = self.map_grid();
        if counts.iter().any(|n| !(1..=10_000_000).contains(n))
            || !(1..=4096).contains(&depths)
            || map.iter().any(|n| !(1..=8192).contains(n))
        {
            let found = format!("counts {counts:?}, {depths} depths, a map of {map:?}");
            return Err(Error::mismatch("counts of at least 1, 1 to 4096 depths, a map of 1 to 8192 cells", found, "--config"));
        }
        // Planes of hundreds of channels: more cells would not fit into memory.
        let planes =
            [("camera_bev", self.camera_grid().iter().product()), ("map", map[0] * map[1]), ("heads' grid", self.bev()[0] * self.bev()[1])];
        if let Some((name, cells)) = planes.into_iter().find(|(_, cells): &(_, usize)| *cells > MOST_CELLS) {
            return Err(Error::mismatch(format!("at most {MOST_CELLS} cells"), cells.to_string(), name));
        }
        if e.proposals > MOST_PROPOSALS {
            return Err(Error::mismatch(format!("at most {MOST_PROPOSALS}"), e.proposals.to_string(), "proposals"));
        }
        if e.lidar_encoder == LidarKind::Sparse && e.sensors != Sensors::Camera && self.sparse_levels() == 0 {
            let found = self.voxel_grid()[2].to_string();
            return Err(Error::mismatch("at least 24 voxels along z, of which four halvings leave one", found, "point_range / voxel_size"));
        }
        if let Some(bad) = e.post_center_range.iter().chain([&e.center_head_score]).find(|v| !v.is_finite()) {
            return Err(Error::mismatch("finite numbers", bad.to_string(), "post_center_range, center_head_score"));
        }
        let [x, y, _] = self.camera_grid();
        let halved = [x, y].map(|n| n.div_ceil(2));
        let (what, divisor) = match e.lidar_encoder {
            LidarKind::Sparse => ("voxel", 8),
            LidarKind::Pillars => ("pillar", 4),
        };
        if halved != self.bev() {
            let found = format!("{halved:?} cells of the camera against {:?} of the LiDAR", self.bev());
            let wanted = format!("a camera grid that, halved, equals the {what} grid divided by {divisor}");
            return Err(Error::mismatch(wanted, found, "--config"));
        }
        if e.sensors == Sensors::Camera && halved.iter().any(|n| !n.is_multiple_of(2)) {
            // Its decoder halves and doubles.
            let wanted = "a camera grid of multiples of 4 along x and y, or one less, where there is no LiDAR";
            return Err(Error::mismatch(wanted, format!("{:?}", self.camera_grid()), "camera_bev"));
        }
        let [x, y, z] = self.pillar_grid();
        if e.lidar_encoder == LidarKind::Pillars && (z != 1 || [x, y].iter().any(|n| !n.is_multiple_of(8))) {
            let wanted = "a pillar grid of multiples of 8 along x and y and of one cell along z";
            return Err(Error::mismatch(wanted, format!("{:?}", self.pillar_grid()), "point_range / pillar_size"));
        }
        Ok(self)
    }

    /// Whether the grid of pillars can be drawn.
    ///
    /// # Errors
    /// It has no cell along an axis, or far too many.
    pub fn pillars_within(&self) -> Result<()> {
        within("point_range / pillar_size", self.pillar_grid())
    }

    /// Voxels along x, y, z.
    pub fn voxel_grid(&self) -> [usize; 3] {
        grid(&self.extents.point_range, &self.extents.voxel_size)
    }
    /// Pillars along x, y, z.
    pub fn pillar_grid(&self) -> [usize; 3] {
        grid(&self.extents.point_range, &self.extents.pillar_size)
    }
    /// Cells of the camera's grid along x, y, z.
    pub fn camera_grid(&self) -> [usize; 3] {
        [self.extents.camera_bev_x, self.extents.camera_bev_y, self.extents.camera_bev_z].map(steps)
    }
    /// Depths at which a pixel may lie: the nearest and every step below the farthest.
    pub fn depths(&self) -> usize {
        let [near, far, step] = self.extents.camera_depth;
        let count = ((far - near) / step).ceil();
        if step > 0.0 && count.is_finite() { usize::try_from(num::round_i64(count)).unwrap_or(0) } else { 0 }
    }
    /// Levels along z that the sparse encoder leaves; each has channels of its own in the ground plan.
    pub fn sparse_levels(&self) -> usize {
        let [.., z] = self.voxel_grid();
        // One cell more than there are voxels; kernels of 3 with stride 2, the last two without padding.
        [2, 2, 0, 0].into_iter().fold(z + 1, |z, padding| (z + padding).checked_sub(3).map_or(0, |n| n / 2 + 1))
    }
    /// Cells of the map along x, y.
    pub fn map_grid(&self) -> [usize; 2] {
        [self.extents.map_x, self.extents.map_y].map(steps)
    }
    /// Cells of the heads' grid along x, y: what three halvings of the voxel grid, or two of the pillars', leave.
    pub fn bev(&self) -> [usize; 2] {
        let ([x, y, _], halvings) = match self.extents.lidar_encoder {
            LidarKind::Sparse => (self.voxel_grid(), 3),
            LidarKind::Pillars => (self.pillar_grid(), 2),
        };
        [x, y].map(|n| (0..halvings).fold(n, |n, _| n.div_ceil(2)))
    }
    /// Metres of a voxel or pillar along x, y, and how many of them a heads' cell is long.
    pub const fn unit(&self) -> ([f64; 2], f64) {
        let e = &self.extents;
        match e.lidar_encoder {
            LidarKind::Sparse => ([e.voxel_size[0], e.voxel_size[1]], 8.0),
            LidarKind::Pillars => ([e.pillar_size[0], e.pillar_size[1]], 4.0),
        }
    }
    /// Metres of a heads' cell along x, y.
    pub fn cell(&self) -> [f64; 2] {
        let (edges, stride) = self.unit();
        edges.map(|edge| edge * stride)
    }
    /// Channels of the ground plan that the LiDAR branch gives.
    pub fn lidar_channels(&self) -> usize {
        match self.extents.lidar_encoder {
            LidarKind::Sparse => self.sparse_levels() * self.sparse[3],
            LidarKind::Pillars => self.pillar_second.len() * self.pillar_neck,
        }
    }
    /// Channels of the ground plan that the heads read.
    pub fn head_channels(&self) -> usize {
        match (self.extents.sensors, self.extents.lidar_encoder) {
            (Sensors::Camera, _) => self.fused,
            // As published, SECOND over the pillars is the decoder itself.
            (Sensors::Lidar, LidarKind::Pillars) => self.lidar_channels(),
            _ => self.second.len() * self.neck,
        }
    }
}

/// Whole numbers where floats are wanted become floats: `[-54, 54, 1]` means what it says.
fn whole_as_float(value: &toml::Value, default: Option<&toml::Value>) -> toml::Value {
    match (value, default) {
        (toml::Value::Integer(n), Some(toml::Value::Float(_))) => toml::Value::Float(*n as f64),
        (toml::Value::Array(values), Some(toml::Value::Array(defaults))) => {
            toml::Value::Array(values.iter().map(|v| whole_as_float(v, defaults.first())).collect())
        }
        _ => value.clone(),
    }
}

/// How many steps an axis has; 0 for nonsense.
pub fn steps([low, high, step]: [f64; 3]) -> usize {
    let count = (high - low) / step;
    if step > 0.0 && count.is_finite() { usize::try_from(num::round_i64(count)).unwrap_or(0) } else { 0 }
}

fn within(name: &str, grid: [usize; 3]) -> Result<()> {
    if grid.iter().any(|n| !(1..=16_384).contains(n)) {
        return Err(Error::mismatch("1 to 16384 cells along each axis", format!("{grid:?}"), name));
    }
    Ok(())
}

fn grid([x0, y0, z0, x1, y1, z1]: &[f64; 6], [dx, dy, dz]: &[f64; 3]) -> [usize; 3] {
    [steps([*x0, *x1, *dx]), steps([*y0, *y1, *dy]), steps([*z0, *z1, *dz])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_fit_and_files_change_them() {
        let base = FullerConfig::BASE.checked().unwrap();
        assert_eq!((base.bev(), base.voxel_grid(), base.camera_grid()), ([128, 128], [1024, 1024, 40], [256, 256, 1]));
        assert_eq!(FullerConfig::TINY.checked().unwrap().bev(), [64, 64]);
        let small: toml::Table =
            "point_range = [-12.8, -12.8, -5, 12.8, 12.8, 3]\ncamera_bev_x = [-12.8, 12.8, 0.4]\ncamera_bev_y = [-12.8, 12.8, 0.4]"
                .parse()
                .unwrap();
        assert_eq!(FullerConfig::BASE.with(&small).unwrap().bev(), [32, 32]);
        let say = |text: &str| FullerConfig::BASE.with(&text.parse().unwrap()).unwrap_err().to_string();
        assert!(say("voxel_sise = [1, 1, 1]").contains("did you mean `voxel_size`"));
        assert!(say("voxel_size = [0.1, 0.1]").contains("voxel_size"));
        assert!(say("voxel_size = [0.1, 0.0, 0.2]").contains("1 to 16384"));
        assert!(say("camera_bev_x = [-54.0, 54.0, 0.3]").contains("halved"));
        assert!(say("proposals = 0").contains("at least 1"));
        assert!(say("proposals = 1000000").contains("at most 10000"));
        assert!(say("map_x = [-50, 50, 0.02]\nmap_y = [-50, 50, 0.02]").contains("at most 4194304 cells"));
        // Two levels of 40 voxels along z, as published; other heights have others, and too few voxels none.
        let levels =
            |size: f64| FullerConfig::BASE.with(&format!("voxel_size = [0.1, 0.1, {size}]").parse().unwrap()).map(|c| c.sparse_levels());
        assert_eq!([0.2, 0.1, 0.05, 1.0 / 3.0].map(|size| levels(size).unwrap()), [2, 4, 9, 1]);
        // A low ceiling holds no pillar of 8 m, which matters to pillars alone.
        let low = "point_range = [-51.2, -51.2, -3, 51.2, 51.2, 0.6]\nvoxel_size = [0.1, 0.1, 0.1]";
        assert_eq!(FullerConfig::BASE.with(&low.parse().unwrap()).unwrap().pillar_grid()[2], 0);
        assert!(say(&format!("{low}\nlidar_encoder = \"pillars\"")).contains("pillar_size"));
        let odd = "point_range = [-12.8, -12.8, -5, 12, 12.8, 3]\ncamera_bev_x = [-12.8, 12, 0.4]\ncamera_bev_y = [-12.8, 12.8, 0.4]";
        assert_eq!(FullerConfig::BASE.with(&odd.parse().unwrap()).unwrap().bev(), [31, 32]);
        assert!(say(&format!("{odd}\nsensors = \"camera\"")).contains("multiples of 4"));
        assert!(say("center_head_score = nan").contains("finite numbers"));
        assert!(levels(0.4).unwrap_err().to_string().contains("at least 24 voxels along z"));
        // The farthest depth is left out, whether steps meet it or not.
        let depths = |text: &str| FullerConfig::BASE.with(&format!("camera_depth = {text}").parse().unwrap()).unwrap().depths();
        assert_eq!([depths("[1, 60, 0.5]"), depths("[1, 60, 0.7]"), depths("[1, 3, 3]")], [118, 85, 1]);
        let pillars = |text: &str| FullerConfig::BASE.with(&format!("lidar_encoder = \"pillars\"\n{text}").parse().unwrap());
        let whole = pillars("").unwrap();
        assert_eq!((whole.bev(), whole.cell(), whole.lidar_channels(), whole.head_channels()), ([128, 128], [0.8, 0.8], 384, 512));
        assert_eq!(pillars("sensors = \"lidar\"").unwrap().head_channels(), 384);
        assert!(pillars("pillar_size = [0.2, 0.2, 4]").unwrap_err().to_string().contains("one cell along z"));
        assert!(pillars("pillar_size = [0.1, 0.2, 8]").unwrap_err().to_string().contains("pillar grid divided by 4"));
    }
}
