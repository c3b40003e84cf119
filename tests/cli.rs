//! The program from outside: arguments, standard output, standard error, exit codes; every configuration that ships.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::{Command, Output};

fn sensorium(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sensorium")).args(arguments).current_dir(folder).env_remove("RUST_LOG").output().unwrap()
}
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
/// Runs in a folder of its own that sees the project's configurations and samples.
fn project() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["configs", "datasets"] {
        std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).unwrap();
    }
    folder
}
fn one_line_error(output: &Output, wanted: &str) {
    let err = text(&output.stderr);
    let lines: Vec<&str> = err.lines().filter(|l| l.starts_with("error:")).collect();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(lines.len() == 1 && lines[0].contains(wanted), "wanted `{wanted}` in one error line, found {err}");
}

#[test]
fn every_configuration_runs_and_its_account_adds_up() {
    let project = project();
    for name in [
        "demo",
        "ir_visible",
        "ir_visible_segmif",
        "rgbd",
        "kitti",
        "nuscenes",
        "nuscenes_fuller",
        "carla_letfuser",
        "fragments",
        "fragments_pairingnet",
        "all",
        "record",
        "replay",
    ] {
        let config = format!("configs/{name}.toml");
        let out = sensorium(&["run", &config, "--viewer", "none", "--report", "report.json"], project.path());
        assert_eq!(out.status.code(), Some(0), "{name}: {}{}", text(&out.stdout), text(&out.stderr));
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(project.path().join("report.json")).unwrap()).unwrap();
        assert_eq!(
            (report["version"].as_u64(), report["adds_up"].as_bool(), report["lost"].as_u64()),
            (Some(1), Some(true), Some(0)),
            "{name}"
        );
        assert!(report["bundles"].as_u64().unwrap() >= 2, "{name}");
        let run = project.path().join("runs").join(name).join("latest");
        for file in ["config.toml", "run.json", "report.json", "report.txt"] {
            assert!(run.join(file).is_file(), "{name}: {file}");
        }
    }
}

#[cfg(feature = "viewer")]
#[test]
fn the_demo_leaves_a_recording_for_the_viewer() {
    let project = project();
    let out = sensorium(&["run", "--frames", "2"], project.path());
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    let recording = std::fs::read(project.path().join("runs/demo/latest/run.rrd")).unwrap();
    assert!(recording.starts_with(b"RRF") && recording.len() > 100_000, "{} bytes", recording.len());
}

#[test]
fn a_recorded_run_gives_the_same_results_again() {
    let project = project();
    let results = |name: &str| {
        let out = sensorium(&["run", &format!("configs/{name}.toml"), "--viewer", "none"], project.path());
        assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
        let folder = project.path().join("runs").join(name).join("latest");
        let mut pictures = Vec::new();
        collect(&folder, &folder, &mut pictures);
        pictures.sort();
        pictures
    };
    let (first, again) = (results("record"), results("replay"));
    assert!(!first.is_empty());
    assert_eq!(first.iter().map(|p| &p.0).collect::<Vec<_>>(), again.iter().map(|p| &p.0).collect::<Vec<_>>());
    assert!(first == again, "the same frames gave other pictures");
}
fn collect(root: &Path, folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if entry.is_dir() {
            collect(root, &entry, into);
        } else if entry.extension().is_some_and(|e| e == "png") {
            into.push((entry.strip_prefix(root).unwrap().display().to_string(), std::fs::read(&entry).unwrap()));
        }
    }
}

#[test]
fn three_faults_are_listed_at_once_with_line_and_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let config = "name = \"x\"\nmoed = \"live\"\n[source.cam]\nkind = \"ir_visble\"\nroot = \"here\"\n[align]\nwindow_ms = \"wide\"\n";
    std::fs::write(folder.path().join("bad.toml"), config).unwrap();
    let out = sensorium(&["check", "bad.toml"], folder.path());
    let found = text(&out.stdout);
    assert_eq!(out.status.code(), Some(1), "{found}");
    for wanted in ["bad.toml:2", "did you mean `mode`?", "bad.toml:4", "did you mean `ir_visible`?", "bad.toml:7", "align.window_ms"] {
        assert!(found.contains(wanted), "wanted `{wanted}` in\n{found}");
    }
    let run = sensorium(&["run", "bad.toml"], folder.path());
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).lines().all(|l| l.starts_with("error:")), "{}", text(&run.stderr));
}

#[test]
fn errors_are_one_line_and_exit_2() {
    let project = project();
    one_line_error(&sensorium(&["run", "nowhere.toml"], project.path()), "nowhere.toml");
    one_line_error(&sensorium(&["rnu"], project.path()), "rnu");
    one_line_error(&sensorium(&["run", "configs/ir_visible.toml", "--set", "source.pairs.root=gone"], project.path()), "gone");
    one_line_error(&sensorium(&["run", "configs/ir_visible.toml", "--viewer", "fancy"], project.path()), "fancy");
    one_line_error(
        &sensorium(&["run", "configs/ir_visible.toml", "--set", "stage.fuse.infrared=infrred"], project.path()),
        "did you mean `infrared`?",
    );
    one_line_error(&sensorium(&["models", "show", "segmiff"], project.path()), "did you mean `segmif`?");
}

#[test]
fn check_explains_and_draws() {
    let project = project();
    let out = text(&sensorium(&["check", "configs/ir_visible.toml", "--explain", "--set", "align.window_ms=3"], project.path()).stdout);
    assert!(out.lines().any(|l| l.starts_with("align.window_ms = 3") && l.ends_with("command line")), "{out}");
    assert!(out.lines().any(|l| l.starts_with("align.deadline_ms") && l.ends_with("default")), "{out}");
    assert!(out.lines().any(|l| l.starts_with("name = ") && l.contains("configs/ir_visible.toml:2")), "{out}");
    let dot = text(&sensorium(&["check", "configs/ir_visible.toml", "--graph", "dot"], project.path()).stdout);
    assert!(dot.starts_with("digraph") && dot.contains("\"align\" -> \"fuse\" [label=\"block(4)\"]"), "{dot}");
}

#[test]
fn help_names_only_what_is_there() {
    let help = text(&sensorium(&["--help"], root()).stdout);
    for verb in ["run", "check", "doctor", "bench", "models", "eval", "forward", "world", "drive", "agent", "fragments"] {
        assert!(help.contains(verb), "{help}");
    }
    for later in ["train", "merge", "robustness", "replay"] {
        assert!(!help.lines().any(|l| l.trim_start().starts_with(later)), "{help}");
    }
}

#[test]
fn doctor_answers_in_json() {
    let project = project();
    let out = sensorium(&["doctor", "--format", "json"], project.path());
    let answer: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(answer["version"], 1);
    let cpu = answer["findings"].as_array().unwrap().iter().find(|f| f["what"] == "device cpu").unwrap();
    assert_eq!(cpu["works"], true);
}

#[test]
fn ctrl_c_finishes_the_sinks_and_exits_130() {
    let project = project();
    let arguments = ["run", "configs/ir_visible.toml", "--viewer", "none", "--mode", "live", "--set", "source.pairs.rate_hz=0.5"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_sensorium"))
        .args(arguments)
        .current_dir(project.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let mut out = String::new();
    std::io::Read::read_to_string(child.stdout.as_mut().unwrap(), &mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(out.contains("every frame is accounted for"), "{out}");
}
