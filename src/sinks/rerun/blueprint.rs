//! The arrangement of the viewer, made from the pipeline's layout.
//!
//! The world in three dimensions on the left, a grid of pictures with readable titles on the right, plots and the log below.
//! Written component by component, since the library's own builder cannot place the eye of a 3D view.

use super::frames::{above_path, is_picture};
use super::outcomes::{picture_path, projection_path, vehicle_path};
use super::pen::{Pen, in_world, outdoors};
use crate::runtime::{Layout, SensorInfo};
use crate::types::{Error, Modality, OutcomeKind, Result, num};
use ::rerun::datatypes::{Bool, Float32, UInt32, Uuid};
use ::rerun::external::re_log_types::BlueprintActivationCommand;
use ::rerun::external::re_sdk_types::blueprint::{archetypes as ba, components as bc};
use ::rerun::{EntityPath, RecordingStream, RecordingStreamBuilder, RecordingStreamResult};

/// A view or a container of views.
enum Node {
    View { class: &'static str, title: String, origin: String, contents: Vec<String>, eye: Option<[[f32; 3]; 2]> },
    Group { kind: bc::ContainerKind, children: Vec<Node>, shares: Vec<f32>, columns: Option<usize> },
}

/// Sends the arrangement and makes it the active one.
pub fn send(pen: &Pen, layout: &Layout) -> Result<()> {
    let failed = |e: ::rerun::RecordingStreamError| Error::mismatch("a blueprint", e.to_string(), "rerun");
    let (stream, storage) = RecordingStreamBuilder::new("sensorium").blueprint().memory().map_err(failed)?;
    stream.set_time_sequence("blueprint", 0);
    write(&stream, &arrange(pen, layout)).map_err(failed)?;
    let Some(info) = stream.store_info() else { return Ok(()) };
    let command = BlueprintActivationCommand { blueprint_id: info.store_id, make_active: true, make_default: true };
    pen.stream.send_blueprint(storage.take(), command);
    Ok(())
}

fn view(class: &'static str, title: impl Into<String>, origin: &EntityPath) -> Node {
    let origin = origin.to_string();
    Node::View { class, title: title.into(), contents: vec![format!("{origin}/**")], origin, eye: None }
}

/// The outcomes of all stages: stage, kind, and the picture they lie in.
fn outcomes(layout: &Layout) -> impl Iterator<Item = (&str, OutcomeKind, Option<&SensorInfo>)> {
    let sensor = |id| layout.sensors.iter().find(|s| Some(s.id) == id);
    layout.stages.iter().flat_map(move |(name, info)| info.outcomes.iter().map(move |(kind, id)| (name.as_ref(), *kind, sensor(*id))))
}

/// Whether the pictures of this stage come from random parameters, which their titles must say.
fn untrained(layout: &Layout, stage: &str) -> bool {
    layout.stages.iter().any(|(name, info)| name.as_ref() == stage && info.weights.as_ref().is_some_and(|w| !w.trained))
}

fn has(layout: &Layout, wanted: OutcomeKind) -> bool {
    outcomes(layout).any(|(_, kind, _)| kind == wanted)
}

fn arrange(pen: &Pen, layout: &Layout) -> Node {
    let mut top = Vec::new();
    let mut shares = Vec::new();
    let mut spaces = spaces(pen, layout);
    let pictures = pictures(pen, layout);
    if let Some(first) = spaces.pop() {
        let node = if spaces.is_empty() { first } else { group(bc::ContainerKind::Tabs, [first].into_iter().chain(spaces).collect(), &[]) };
        top.push(node);
        shares.push(if pictures.len() > 6 { 0.8 } else { 1.0 });
    }
    if !pictures.is_empty() {
        let columns = match pictures.len() {
            1 => 1,
            2..=3 if !top.is_empty() => 1,
            2..=4 => 2,
            5..=8 => 2,
            _ => 3,
        };
        top.push(Node::Group { kind: bc::ContainerKind::Grid, children: pictures, shares: Vec::new(), columns: Some(columns) });
        shares.push(1.0);
    }
    let upper = group(bc::ContainerKind::Horizontal, top, &shares);
    group(bc::ContainerKind::Vertical, vec![upper, plots(layout)], &[3.2, 1.0])
}

fn group(kind: bc::ContainerKind, children: Vec<Node>, shares: &[f32]) -> Node {
    Node::Group { kind, children, shares: shares.to_vec(), columns: None }
}

/// The views in three dimensions, the main one last. Voxels would hide the rest, so they have one of their own.
fn spaces(pen: &Pen, layout: &Layout) -> Vec<Node> {
    let sensors = layout.sensors.iter().any(|s| s.modality == Modality::Ego || in_world(s.modality, s.calibration.intrinsics.is_some()));
    let solid =
        |kind| matches!(kind, OutcomeKind::Boxes3 | OutcomeKind::Cloud | OutcomeKind::Voxels | OutcomeKind::Map | OutcomeKind::Trajectory);
    if !sensors && !outcomes(layout).any(|(_, kind, _)| solid(kind)) {
        return Vec::new();
    }
    let eye = if outdoors(layout) { [[-16.0, 0.0, 11.0], [9.0, 0.0, 0.0]] } else { [[-2.2, 0.5, 0.9], [1.6, 0.0, -0.1]] };
    let vehicle = super::pen::path(&["world", "vehicle"]);
    let mut shown = vec!["/world/**".to_owned()];
    let mut nodes = Vec::new();
    for (stage, kind, camera) in outcomes(layout) {
        match (kind, camera) {
            (OutcomeKind::Voxels, _) => {
                let at = vehicle_path(stage, "voxels").to_string();
                shown.push(format!("- {at}/**"));
                let (title, origin) = (format!("{stage}: voxels"), vehicle.to_string());
                nodes.push(Node::View { class: "3D", title, origin, contents: vec![format!("{at}/**")], eye: Some(eye) });
            }
            // Dots on a picture are for the flat view.
            (OutcomeKind::Projection, Some(camera)) => shown.push(format!("- {}/**", projection_path(pen.sensor(camera.id), stage))),
            _ => {}
        }
    }
    nodes.push(Node::View { class: "3D", title: "world".into(), origin: vehicle.to_string(), contents: shown, eye: Some(eye) });
    nodes
}

/// One flat view for each camera and each picture that a stage makes; projected points lie over their camera.
fn pictures(pen: &Pen, layout: &Layout) -> Vec<Node> {
    let mut nodes = Vec::new();
    for sensor in layout.sensors.iter().filter(|s| is_picture(s.modality)) {
        let over: Vec<&str> = outcomes(layout)
            .filter(|(_, kind, camera)| *kind == OutcomeKind::Projection && camera.is_some_and(|c| c.id == sensor.id))
            .map(|(stage, _, _)| stage)
            .collect();
        let with = if over.is_empty() { String::new() } else { format!(" + {}", over.join(", ")) };
        let mut node = view("2D", format!("{}{with}", picture_title(sensor)), &pen.sensor(sensor.id));
        if let Node::View { contents, .. } = &mut node
            && matches!(sensor.modality, Modality::Rgb | Modality::Thermal)
            && sensor.calibration.intrinsics.is_some()
        {
            contents.extend(boxed(pen, layout));
        }
        nodes.push(node);
    }
    for sensor in layout.sensors.iter().filter(|s| s.modality == Modality::Map) {
        nodes.push(view("2D", format!("{}: map", sensor.id), &above_path(sensor.id)));
    }
    for (stage, kind, camera) in outcomes(layout) {
        let name = match kind {
            OutcomeKind::Fused => "fused",
            OutcomeKind::Segmentation => "segmentation",
            OutcomeKind::Confidence => "confidence",
            OutcomeKind::Map => "map",
            OutcomeKind::Matches => {
                nodes.push(view("TextDocument", format!("{stage}: pairs"), &picture_path(stage, "matches")));
                continue;
            }
            _ => continue,
        };
        let of = camera.map_or_else(String::new, |c| format!(" of {}", c.id));
        let of = format!("{of}{}", if untrained(layout, stage) { " (untrained)" } else { "" });
        nodes.push(view("2D", format!("{stage}: {name}{of}"), &picture_path(stage, name)));
    }
    nodes
}

/// What draws boxes in space, so that cameras show them too.
fn boxed(pen: &Pen, layout: &Layout) -> Vec<String> {
    let truth = layout.sensors.iter().filter(|s| s.modality == Modality::Boxes).map(|s| pen.sensor(s.id));
    let found = outcomes(layout).filter(|(_, kind, _)| *kind == OutcomeKind::Boxes3).map(|(stage, _, _)| vehicle_path(stage, "boxes"));
    truth.chain(found).map(|at| format!("{at}/**")).collect()
}

/// `front: colour`; just `thermal` where the sensor is called what it is.
fn picture_title(sensor: &SensorInfo) -> String {
    let (name, kind) = (sensor.id.name(), kind_name(sensor.modality));
    if name.eq_ignore_ascii_case(kind) { name.to_owned() } else { format!("{name}: {kind}") }
}

const fn kind_name(modality: Modality) -> &'static str {
    match modality {
        Modality::Rgb => "colour",
        Modality::Depth => "depth",
        Modality::Thermal => "thermal",
        Modality::Labels => "labels",
        _ => "fragment",
    }
}

/// The row below: age, time in the stages, queues, the vehicle, the log.
fn plots(layout: &Layout) -> Node {
    let plot = |title: &str, parts: &[&str]| view("TimeSeries", title, &super::pen::path(parts));
    let mut nodes = vec![plot("age and skew, ms", &["metrics", "age"])];
    if !layout.stages.is_empty() {
        let stages = vec![plot("work, ms", &["metrics", "work"]), plot("wait, ms", &["metrics", "wait"])];
        nodes.push(group(bc::ContainerKind::Tabs, stages, &[]));
    }
    nodes.push(plot("queue depth", &["metrics", "queue"]));
    let mut vehicle = Vec::new();
    if has(layout, OutcomeKind::Control) || layout.sensors.iter().any(|s| s.modality == Modality::Control) {
        vehicle.push(plot("control", &["control"]));
    }
    if has(layout, OutcomeKind::Numbers) {
        vehicle.push(plot("numbers", &["numbers"]));
    }
    if layout.sensors.iter().any(|s| matches!(s.modality, Modality::Imu | Modality::Gnss | Modality::Ego)) {
        vehicle.push(plot("vehicle state", &["state"]));
    }
    if !vehicle.is_empty() {
        nodes.push(group(bc::ContainerKind::Tabs, vehicle, &[]));
    }
    nodes.push(view("TextLog", "log", &super::pen::path(&["log"])));
    let mut shares = vec![1.0; nodes.len()];
    if let Some(log) = shares.last_mut() {
        *log = 1.4;
    }
    group(bc::ContainerKind::Horizontal, nodes, &shares)
}

fn write(stream: &RecordingStream, root: &Node) -> RecordingStreamResult<()> {
    let mut next = 0;
    let (_, id) = node(stream, root, &mut next)?;
    let viewport = ba::ViewportBlueprint::new().with_root_container(bc::RootContainer(id));
    stream.log("viewport", &viewport.with_auto_layout(bc::AutoLayout(Bool(false))).with_auto_views(bc::AutoViews(Bool(false))))?;
    let panel = |state| ba::PanelBlueprint::new().with_state(state);
    stream.log("blueprint_panel", &panel(bc::PanelState::Collapsed))?;
    stream.log("selection_panel", &panel(bc::PanelState::Collapsed))?;
    let time = ba::TimePanelBlueprint::new().with_state(bc::PanelState::Collapsed);
    stream.log("time_panel", &time.with_timeline("sensor_time").with_play_state(bc::PlayState::Following))
}

/// Writes a node and what is below it; gives its path and number.
fn node(stream: &RecordingStream, node_: &Node, next: &mut u64) -> RecordingStreamResult<(String, Uuid)> {
    *next += 1;
    // Any distinct numbers do; these are marked as version 4, variant 1.
    let id = Uuid { bytes: (0x5e50_0000_0000_4000_8000_0000_0000_0000_u128 | u128::from(*next)).to_be_bytes() };
    match node_ {
        Node::View { class, title, origin, contents, eye } => {
            let at = format!("view/{id}");
            let looks = ba::ViewBlueprint::new(*class).with_display_name(title.as_str()).with_space_origin(origin.as_str());
            stream.log(at.as_str(), &looks)?;
            stream.log(format!("{at}/ViewContents"), &ba::ViewContents::new(contents.iter().map(String::as_str)))?;
            if let Some([position, target]) = *eye {
                let eye = ba::EyeControls3D::new().with_kind(bc::Eye3DKind::Orbital).with_position(position);
                stream.log(format!("{at}/EyeControls3D"), &eye.with_look_target(target).with_eye_up([0.0, 0.0, 1.0]))?;
            }
            Ok((at, id))
        }
        Node::Group { kind, children, shares, columns } => {
            let at = format!("container/{id}");
            let mut paths = Vec::with_capacity(children.len());
            for child in children {
                paths.push(node(stream, child, next)?.0);
            }
            let mut looks = ba::ContainerBlueprint::new(*kind).with_contents(paths.iter().map(String::as_str));
            let given = !shares.is_empty();
            looks = match kind {
                bc::ContainerKind::Horizontal if given => looks.with_col_shares(shares.iter().map(|s| bc::ColumnShare(Float32(*s)))),
                bc::ContainerKind::Vertical if given => looks.with_row_shares(shares.iter().map(|s| bc::RowShare(Float32(*s)))),
                _ => looks,
            };
            if let Some(columns) = columns {
                looks = looks.with_grid_columns(bc::GridColumns(UInt32(num::u32(*columns))));
            }
            stream.log(at.as_str(), &looks)?;
            Ok((at, id))
        }
    }
}
