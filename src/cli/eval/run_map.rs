//! The map layers of a run on the LiDAR's grid, where maps are scored.
//!
//! *In*: what a `results` sink wrote of a sample's map, in the vehicle's frame. *Out*: probabilities in 65535ths, class by class, rows along LiDAR x, as
//! `eval map` reads them. *Invariant*: a cell asks the one below its middle; what no map covers, and a sample without one, is 0.

use super::files::{decode, read};
use super::nuscenes_map::{MAP_CELLS, MAP_HALF_M, layers_of};
use super::run_results::{MapCells, MapFile};
use crate::eval::nuscenes::map_iou::MAP_CLASSES;
use crate::formats::nuscenes::{Tables, motion};
use crate::types::{Error, FrameId, Result, num};
use nalgebra::Point3;

/// Levels of the six classes around the LiDAR of a sample (a row).
///
/// # Errors
/// Where the sample has no LiDAR key frame with a mounting, or the picture cannot be read or is not what the line says.
pub(super) fn on_lidar_grid(tables: &Tables, row: usize, found: Option<&MapFile>) -> Result<Vec<u16>> {
    let mut levels = vec![0; MAP_CELLS * MAP_CELLS * MAP_CLASSES.len()];
    let Some(found) = found else { return Ok(levels) };
    let drawn = Drawn::open(found)?;
    let mounted = tables.key_frame(row, "LIDAR_TOP").and_then(|d| tables.calibrated.get(&d.calibrated_sensor_token));
    let mounted = mounted.ok_or_else(|| Error::mismatch("a LIDAR_TOP key frame", "none", format!("sample row {row}")))?;
    let mount = motion(FrameId::vehicle(), FrameId::new("LIDAR_TOP"), mounted.translation, mounted.rotation)?.isometry;
    let middle = |cell: usize| (cell as f64 + 0.5) * 2.0 * MAP_HALF_M / MAP_CELLS as f64 - MAP_HALF_M;
    let place = |at: usize| {
        let p = mount * Point3::new(middle(at / MAP_CELLS), middle(at % MAP_CELLS), 0.0);
        let [x, y] = found.origin;
        num::cell((p.x - x) / found.cell, drawn.rows).zip(num::cell((p.y - y) / found.cell, drawn.columns))
    };
    let places: Vec<Option<(usize, usize)>> = (0..MAP_CELLS * MAP_CELLS).map(place).collect();
    for (class, out) in levels.chunks_exact_mut(MAP_CELLS * MAP_CELLS).enumerate() {
        let means = |layer: &str| MAP_CLASSES.get(class) == Some(&layer) || layers_of(class).contains(&layer);
        let layers: Vec<usize> = found.layers.iter().enumerate().filter(|(_, l)| means(l)).map(|(at, _)| at).collect();
        for (level, (r, c)) in out.iter_mut().zip(&places).filter_map(|(level, place)| Some((level, (*place)?))) {
            *level = layers.iter().map(|layer| drawn.level(*layer, r, c)).max().unwrap_or(0);
        }
    }
    Ok(levels)
}

/// A sample's layers as levels.
struct Drawn {
    values: Vec<u16>,
    rows: usize,
    columns: usize,
    bits: bool,
}

impl Drawn {
    fn open(map: &MapFile) -> Result<Self> {
        let (file, bits, layers) = match &map.cells {
            MapCells::Probabilities(file) => (file.as_path(), false, map.layers.len()),
            MapCells::Bits(file) => (file.as_path(), true, 1),
        };
        let picture = decode(&read(file)?, file)?.into_luma16();
        let (height, columns) = (num::usize(picture.height()), num::usize(picture.width()));
        let rows = height.checked_div(layers).filter(|rows| rows * layers == height).ok_or_else(|| {
            Error::mismatch(format!("{layers} layers of one height"), format!("{height} rows"), file.display().to_string())
        })?;
        Ok(Self { values: picture.into_raw(), rows, columns, bits })
    }
    fn level(&self, layer: usize, row: usize, column: usize) -> u16 {
        let of = |layer: usize| self.values.get((layer * self.rows + row) * self.columns + column).copied().unwrap_or(0);
        match self.bits {
            true if of(0) >> layer.min(15) & 1 == 1 => u16::MAX,
            true => 0,
            false => of(layer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::eval::nuscenes_map::{count_cells, location, map_file, patch};
    use crate::formats::nuscenes::map::{Patch, VectorMap};
    use crate::formats::nuscenes::{Choice, Faults, yaw};
    use crate::sources::nuscenes::Root;
    use std::path::Path;

    /// The true map, drawn in the vehicle's frame and written as a sink writes it, is scored as nearly perfect, and shifted by 3 m it is not;
    /// with probabilities it is so at the thresholds between them.
    #[test]
    fn map_layers_of_the_vehicle_meet_the_lidars_grid() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nuscenes-eval/root");
        let root = Root::open(&root, None).unwrap();
        let tables = root.tables(&Choice::all(), &mut Faults::default()).unwrap();
        let row = 3;
        let name = map_file(location(&tables, row).unwrap());
        let map = VectorMap::read(&root.bytes(&name).unwrap(), &name, &mut Faults::default());
        let key = tables.key_frame(row, "LIDAR_TOP").unwrap();
        let ego = tables.ego_poses.get(&key.ego_pose_token).unwrap();
        let pose = motion(FrameId::world(), FrameId::vehicle(), ego.translation, ego.rotation).unwrap().isometry;
        let window =
            Patch { centre: [ego.translation[0], ego.translation[1]], size: [110.0; 2], angle: yaw(&pose.rotation), canvas: [440; 2] };
        let side = 440;
        let (mut bits, mut levels) = (vec![0_u16; side * side], vec![24_000_u16; 6 * side * side]);
        for class in 0..6 {
            for layer in layers_of(class) {
                for (at, _) in map.mask(layer, &window).iter().enumerate().filter(|(_, set)| **set > 0) {
                    let cell = at % side * side + at / side;
                    bits[cell] |= 1 << class;
                    levels[class * side * side + cell] = 34_000;
                }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, values: Vec<u16>| {
            let file = folder.path().join(name);
            let height = u32::try_from(values.len() / side).unwrap();
            image::ImageBuffer::<image::Luma<u16>, _>::from_raw(440, height, values).unwrap().save(&file).unwrap();
            file
        };
        let (bits, levels) = (MapCells::Bits(save("bits.png", bits)), MapCells::Probabilities(save("levels.png", levels)));
        let layers = MAP_CLASSES.map(str::to_owned).to_vec();
        let found = |cells: &MapCells, origin: [f64; 2]| MapFile { cells: cells.clone(), layers: layers.clone(), origin, cell: 0.25 };
        let ious = |found: &MapFile| {
            let levels = on_lidar_grid(&tables, row, Some(found)).unwrap();
            let counts = count_cells(&map, &patch(&tables, row).unwrap(), &levels);
            [0, 2].map(|class| counts.ious(class))
        };
        let [drivable, walkway] = ious(&found(&bits, [-55.0; 2]));
        // The truth's cells are rounded to their corners, BEVFusion's way: a quarter of a metre that no map of cell middles can have.
        assert!(drivable[3] > 0.94 && walkway[3] > 0.81, "{drivable:?} {walkway:?}");
        let shifted = ious(&found(&bits, [-52.0, -55.0 + 3.0]));
        assert!(shifted[0][3] < 0.85 && shifted[1][3] < 0.5, "{shifted:?}");
        // 34000 and 24000 of 65535 lie at 0.519 and 0.366.
        for (of_bits, of_levels) in [drivable, walkway].iter().zip(ious(&found(&levels, [-55.0; 2]))) {
            assert_eq!(of_bits[1..4], of_levels[1..4]);
            assert!(of_levels[0] < 0.7 && of_levels[4..] == [0.0; 3], "{of_levels:?}");
        }
        assert_eq!(on_lidar_grid(&tables, row, None).unwrap().iter().max(), Some(&0));
        assert!(on_lidar_grid(&tables, row, Some(&MapFile { layers: vec![String::new(); 7], ..found(&levels, [0.0; 2]) })).is_err());
    }
}
