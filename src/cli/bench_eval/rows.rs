//! A made-up root whose `sample_data` and `ego_pose` have as many rows as the official ones: 437 files a sample.
//!
//! *In*: a folder, a number of samples. *Out*: tables only; no file is behind the rows. *Invariant*: every link leads somewhere, every channel is a
//! chain through its scene.

use super::make::{CHANNELS, PERIOD, SCENE, Sheet, mounting, small, token};
use crate::types::{Error, Result};
use std::path::Path;

/// Files of a sample, all sensors together, as in the official trainval: 2,631,083 of 34,149 samples are 77; the bar asks for more.
pub(super) const FILES: usize = 437;

/// Writes the tables.
pub(super) fn many(folder: &Path, samples: usize) -> Result<()> {
    let tables = folder.join("v1.0-bench");
    std::fs::create_dir_all(&tables).map_err(|e| Error::io("create", &tables, e))?;
    small(&tables)?;
    let sheet = |name: &str| Sheet::new(&tables, name);
    let (mut scenes, mut rows, mut data, mut poses) = (sheet("scene")?, sheet("sample")?, sheet("sample_data")?, sheet("ego_pose")?);
    let of_channel = |channel: usize| FILES / CHANNELS.len() + usize::from(channel < FILES % CHANNELS.len());
    for scene in 0..samples.div_ceil(SCENE) {
        let count = SCENE.min(samples - scene * SCENE);
        let sample = |at: usize| token(2, scene, at, 0);
        scenes.add(&format!(
            r#"{{"token":"{}","log_token":"log","nbr_samples":{count},"name":"bench-{scene:04}","description":"made up","first_sample_token":"{}","last_sample_token":"{}"}}"#,
            token(1, scene, 0, 0),
            sample(0),
            sample(count - 1)
        ))?;
        for at in 0..count {
            let start = 1_700_000_000_000_000 + (scene * 100 + at) * PERIOD;
            let (prev, next) =
                (if at == 0 { String::new() } else { sample(at - 1) }, if at + 1 == count { String::new() } else { sample(at + 1) });
            rows.add(&format!(
                r#"{{"token":"{}","timestamp":{start},"prev":"{prev}","next":"{next}","scene_token":"{}"}}"#,
                sample(at),
                token(1, scene, 0, 0)
            ))?;
            for (channel, name) in CHANNELS.iter().enumerate() {
                let files = of_channel(channel);
                for file in 0..files {
                    // The last file of a sample is its key frame; those before it are sweeps.
                    let (place, key) = (at * files + file, file + 1 == files);
                    let own = |place: usize| token(7, scene, channel, place);
                    let (prev, next) = (
                        if place == 0 { String::new() } else { own(place - 1) },
                        if place + 1 == count * files { String::new() } else { own(place + 1) },
                    );
                    let (time, own) = (start + file * 10_000 + channel * 100, own(place));
                    data.add(&format!(
                        r#"{{"token":"{own}","sample_token":"{}","ego_pose_token":"{own}","calibrated_sensor_token":"{}","timestamp":{time},"fileformat":"jpg","is_key_frame":{key},"height":900,"width":1600,"filename":"sweeps/{name}/n000-2026-01-01-00-00-00+0000__{name}__{time}.jpg","prev":"{prev}","next":"{next}"}}"#,
                        sample(at),
                        mounting(channel)
                    ))?;
                    poses.add(&format!(
                        r#"{{"token":"{own}","timestamp":{time},"rotation":[0.5720320396729045,-0.0016977771610471074,0.011798001930183783,-0.8201446642457809],"translation":[{}.25,1180.7652223822546,0.0]}}"#,
                        400 + at
                    ))?;
                }
            }
        }
    }
    for name in ["instance", "sample_annotation"] {
        sheet(name)?.end()?;
    }
    [scenes, rows, data, poses].into_iter().try_for_each(Sheet::end)
}
