//! Video files through OpenCV (feature `opencv`): what the sink writes, the source reads.
#![cfg(feature = "opencv")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::Command;

fn run(folder: &Path, config: &str) -> serde_json::Value {
    std::fs::write(folder.join("c.toml"), config).unwrap();
    let arguments = ["run", "c.toml", "--viewer", "none", "--report", "report.json"];
    let out = Command::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).current_dir(folder).output().unwrap();
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap()
}

#[test]
fn a_written_video_is_read_again_frame_by_frame() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/irvis");
    let write = format!(
        "name = 'write'\nmode = 'offline'\n[source.pairs]\nkind = 'ir_visible'\nroot = {pairs:?}\n\
         [sink.film]\nkind = 'video'\npath = 'film.avi'\nwhat = 'visible'\nrate_hz = 10\n"
    );
    let written = run(folder.path(), &write);
    let read = run(
        folder.path(),
        "name = 'read'\nmode = 'offline'\n[source.film]\nkind = 'video'\npath = 'film.avi'\n[sink.none]\nkind = 'null'\n",
    );
    assert_eq!(written["bundles"], read["bundles"]);
    assert_eq!(read["sensors"][0]["sensor"], "camera");
    assert_eq!(read["sensors"][0]["used"], 10);
}
