//! The table of calls: name, arguments, whether the client waits, what is answered.
//!
//! *In / Out*: a method name and packed arguments to a [`Call`] and back. *Invariant*: the arguments behind a name are exactly
//! those of the peer's version; one more or less is refused as the simulator refuses it.

use super::command::Command;
use super::pack::{Reader, Wire, Writer, quoted};
use super::physics::{
    AckermannControllerSettings, OpendriveGenerationParameters, VehicleAckermannControl, VehicleControl, VehicleLightState,
    VehiclePhysicsControl, WalkerControl,
};
use super::structs::{ActorDescription, EpisodeSettings, LightColour, Raw, Transform, Vector3D, WeatherParameters};
// What is answered: the tests read every answer by this table.
#[cfg(test)]
use super::{
    pack::Bytes,
    physics::TelemetryData,
    structs::{Actor, ActorDefinition, BoundingBox, EnvironmentObject, EpisodeInfo, LabelledPoint, LightState, MapInfo},
    token::Token,
};
use crate::types::{Error, Result};

/// A last argument that only some versions send.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tail<T>(pub Option<T>);

/// The arguments of a call, behind the meta argument.
struct Args<'r, 'a> {
    from: &'r mut Reader<'a>,
    left: usize,
}

trait Arg: Sized {
    fn count(&self) -> usize;
    fn put(&self, to: &mut Writer);
    fn next(args: &mut Args<'_, '_>) -> Result<Self>;
}

impl<T: Wire> Arg for T {
    fn count(&self) -> usize {
        1
    }
    fn put(&self, to: &mut Writer) {
        to.put(self);
    }
    fn next(args: &mut Args<'_, '_>) -> Result<Self> {
        args.left = args.left.checked_sub(1).ok_or_else(|| Error::mismatch("one more argument", "the last", "call"))?;
        args.from.get()
    }
}

impl<T: Wire> Arg for Tail<T> {
    fn count(&self) -> usize {
        usize::from(self.0.is_some())
    }
    fn put(&self, to: &mut Writer) {
        if let Some(value) = &self.0 {
            to.put(value);
        }
    }
    fn next(args: &mut Args<'_, '_>) -> Result<Self> {
        if args.left == 0 {
            return Ok(Self(None));
        }
        T::next(args).map(|v| Self(Some(v)))
    }
}

/// Nothing is answered but success.
#[cfg(test)]
struct Nothing;

macro_rules! calls {
    ($($mode:ident $variant:ident = $method:literal ( $($arg:ident : $ty:ty),* ) -> $reply:ty;)*) => {
        /// One call of a client. The official names are the variants' in small letters.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs, clippy::large_enum_variant)] // the names are the protocol's own; calls live for microseconds
        pub enum Call { $( $variant { $($arg: $ty),* } ),* }

        impl Call {
            /// Every method's name.
            pub const METHODS: &[&str] = &[$($method),*];

            /// The official name.
            pub const fn method(&self) -> &'static str {
                match self { $( Self::$variant { .. } => $method ),* }
            }
            /// Whether the official client waits for the answer.
            pub const fn waits(&self) -> bool {
                match self { $( Self::$variant { .. } => calls!(@$mode) ),* }
            }
            /// The argument list, meta argument first.
            #[allow(unused_variables)]
            pub(crate) fn put_args(&self, to: &mut Writer) {
                match self { $( Self::$variant { $($arg),* } => {
                    let counts: &[usize] = &[1, $( $arg.count() ),*];
                    to.array(counts.iter().sum());
                    to.array(1);
                    to.put(&!self.waits());
                    $( Arg::put($arg, to); )*
                } ),* }
            }
            fn read(method: &str, args: &mut Args<'_, '_>) -> Result<Option<Self>> {
                Ok(Some(match method {
                    $( $method => Self::$variant { $($arg: Arg::next(args)?),* }, )*
                    _ => return Ok(None),
                }))
            }
            /// Reads the value that answers `method` and packs it again: the answer's form is understood.
            #[cfg(test)]
            pub(crate) fn echo(method: &str, from: &mut Reader<'_>, to: &mut Writer) -> Result<()> {
                match method { $( $method => { let value: $reply = from.get()?; to.put(&value); Ok(()) } )* _ => panic!("{method}") }
            }
        }
    };
    (@wait) => { true };
    (@drop) => { false };
}

#[cfg(test)]
impl Wire for Nothing {
    fn put(&self, _to: &mut Writer) {}
    fn take(_from: &mut Reader<'_>) -> Result<Self> {
        panic!("an answer without a value has none")
    }
}

calls! {
    wait Version = "version"() -> String;
    wait GetAvailableMaps = "get_available_maps"() -> Vec<String>;
    wait LoadNewEpisode = "load_new_episode"(name: String, reset_settings: bool, layers: u16) -> Nothing;
    wait GetEpisodeInfo = "get_episode_info"() -> EpisodeInfo;
    wait GetMapInfo = "get_map_info"() -> MapInfo;
    wait GetMapData = "get_map_data"() -> String;
    wait GetRequiredFiles = "get_required_files"(folder: String) -> Vec<String>;
    wait RequestFile = "request_file"(name: String) -> Bytes;
    wait CopyOpendriveToFile = "copy_opendrive_to_file"(text: String, parameters: OpendriveGenerationParameters) -> Nothing;
    wait GetNavigationMesh = "get_navigation_mesh"() -> Bytes;
    wait GetActorDefinitions = "get_actor_definitions"() -> Vec<ActorDefinition>;
    wait GetEpisodeSettings = "get_episode_settings"() -> EpisodeSettings;
    wait SetEpisodeSettings = "set_episode_settings"(settings: EpisodeSettings) -> u64;
    wait TickCue = "tick_cue"() -> u64;
    wait GetWeatherParameters = "get_weather_parameters"() -> WeatherParameters;
    drop SetWeatherParameters = "set_weather_parameters"(weather: WeatherParameters) -> Nothing;
    wait GetImuiGravity = "get_imui_gravity"() -> f32;
    drop SetImuiGravity = "set_imui_gravity"(gravity: f32) -> Nothing;
    drop SetAnnotationsTraverseTranslucency = "set_annotations_traverse_translucency"(enabled: bool) -> Nothing;
    wait GetSpectator = "get_spectator"() -> Actor;
    wait GetActorsById = "get_actors_by_id"(ids: Vec<u32>) -> Vec<Actor>;
    wait SpawnActor = "spawn_actor"(description: ActorDescription, transform: Transform) -> Actor;
    wait SpawnActorWithParent = "spawn_actor_with_parent"(description: ActorDescription, transform: Transform, parent: u32, attachment: u8, socket: Tail<String>) -> Actor;
    wait DestroyActor = "destroy_actor"(id: u32) -> bool;
    wait GetSensorToken = "get_sensor_token"(stream: u32) -> Token;
    wait GetActorBoundingBox = "get_actor_bounding_box"(id: u32) -> BoundingBox;
    drop SetActorLocation = "set_actor_location"(id: u32, location: Vector3D) -> Nothing;
    drop SetActorTransform = "set_actor_transform"(id: u32, transform: Transform) -> Nothing;
    drop SetActorTargetVelocity = "set_actor_target_velocity"(id: u32, vector: Vector3D) -> Nothing;
    drop SetActorTargetAngularVelocity = "set_actor_target_angular_velocity"(id: u32, vector: Vector3D) -> Nothing;
    drop EnableActorConstantVelocity = "enable_actor_constant_velocity"(id: u32, vector: Vector3D) -> Nothing;
    drop DisableActorConstantVelocity = "disable_actor_constant_velocity"(id: u32) -> Nothing;
    drop AddActorImpulse = "add_actor_impulse"(id: u32, vector: Vector3D) -> Nothing;
    drop AddActorForce = "add_actor_force"(id: u32, vector: Vector3D) -> Nothing;
    drop AddActorAngularImpulse = "add_actor_angular_impulse"(id: u32, vector: Vector3D) -> Nothing;
    drop AddActorTorque = "add_actor_torque"(id: u32, vector: Vector3D) -> Nothing;
    wait SetActorSimulatePhysics = "set_actor_simulate_physics"(id: u32, enabled: bool) -> Nothing;
    wait SetActorCollisions = "set_actor_collisions"(id: u32, enabled: bool) -> Nothing;
    drop SetActorEnableGravity = "set_actor_enable_gravity"(id: u32, enabled: bool) -> Nothing;
    drop SetActorAutopilot = "set_actor_autopilot"(id: u32, enabled: bool) -> Nothing;
    drop ApplyControlToVehicle = "apply_control_to_vehicle"(id: u32, control: VehicleControl) -> Nothing;
    drop ApplyAckermannControlToVehicle = "apply_ackermann_control_to_vehicle"(id: u32, control: VehicleAckermannControl) -> Nothing;
    wait GetAckermannControllerSettings = "get_ackermann_controller_settings"(id: u32) -> AckermannControllerSettings;
    drop ApplyAckermannControllerSettings = "apply_ackermann_controller_settings"(id: u32, settings: AckermannControllerSettings) -> Nothing;
    drop ApplyControlToWalker = "apply_control_to_walker"(id: u32, control: WalkerControl) -> Nothing;
    wait GetPhysicsControl = "get_physics_control"(id: u32) -> VehiclePhysicsControl;
    drop ApplyPhysicsControl = "apply_physics_control"(id: u32, physics: VehiclePhysicsControl) -> Nothing;
    wait GetVehicleLightState = "get_vehicle_light_state"(id: u32) -> VehicleLightState;
    drop SetVehicleLightState = "set_vehicle_light_state"(id: u32, lights: VehicleLightState) -> Nothing;
    wait GetVehicleLightStates = "get_vehicle_light_states"() -> Vec<(u32, u32)>;
    wait GetWheelSteerAngle = "get_wheel_steer_angle"(id: u32, wheel: u8) -> f32;
    drop SetWheelSteerDirection = "set_wheel_steer_direction"(id: u32, wheel: u8, degrees: f32) -> Nothing;
    wait GetWheelPitchAngle = "get_wheel_pitch_angle"(id: u32, wheel: u8) -> f32;
    drop SetWheelPitchAngle = "set_wheel_pitch_angle"(id: u32, wheel: u8, degrees: f32) -> Nothing;
    drop OpenVehicleDoor = "open_vehicle_door"(id: u32, door: u8) -> Nothing;
    drop CloseVehicleDoor = "close_vehicle_door"(id: u32, door: u8) -> Nothing;
    drop ShowVehicleDebugTelemetry = "show_vehicle_debug_telemetry"(id: u32, enabled: bool) -> Nothing;
    wait GetTelemetryData = "get_telemetry_data"(id: u32) -> TelemetryData;
    drop RestorePhysxPhysics = "restore_physx_physics"(id: u32) -> Nothing;
    drop SetTrafficLightState = "set_traffic_light_state"(id: u32, state: LightColour) -> Nothing;
    drop SetTrafficLightGreenTime = "set_traffic_light_green_time"(id: u32, seconds: f32) -> Nothing;
    drop SetTrafficLightYellowTime = "set_traffic_light_yellow_time"(id: u32, seconds: f32) -> Nothing;
    drop SetTrafficLightRedTime = "set_traffic_light_red_time"(id: u32, seconds: f32) -> Nothing;
    drop FreezeAllTrafficLights = "freeze_all_traffic_lights"(frozen: bool) -> Nothing;
    drop ResetTrafficLightGroup = "reset_traffic_light_group"(id: u32) -> Nothing;
    wait ResetAllTrafficLights = "reset_all_traffic_lights"() -> Nothing;
    wait GetGroupTrafficLights = "get_group_traffic_lights"(id: u32) -> Vec<u32>;
    wait GetLightBoxes = "get_light_boxes"(id: u32) -> Vec<BoundingBox>;
    wait ApplyBatch = "apply_batch"(commands: Vec<Command>, do_tick: bool) -> Raw;
    wait CastRay = "cast_ray"(start: Vector3D, end: Vector3D) -> Vec<LabelledPoint>;
    wait ProjectPoint = "project_point"(location: Vector3D, direction: Vector3D, distance: f32) -> (bool, LabelledPoint);
    wait GetAllLevelBBs = "get_all_level_BBs"(tag: u8) -> Vec<BoundingBox>;
    wait GetEnvironmentObjects = "get_environment_objects"(tag: u8) -> Vec<EnvironmentObject>;
    drop EnableEnvironmentObjects = "enable_environment_objects"(ids: Vec<u64>, enabled: bool) -> Nothing;
    wait GetNamesOfAllObjects = "get_names_of_all_objects"() -> Vec<String>;
    wait ApplyColorTextureToObjects = "apply_color_texture_to_objects"(names: Vec<String>, parameter: Raw, texture: Raw) -> Nothing;
    wait LoadMapLayer = "load_map_layer"(layers: u16) -> Nothing;
    wait UnloadMapLayer = "unload_map_layer"(layers: u16) -> Nothing;
    wait QueryLightsState = "query_lights_state"(client: String) -> Vec<LightState>;
    drop UpdateLightsState = "update_lights_state"(client: String, lights: Raw, discard: Raw) -> Nothing;
    drop UpdateDayNightCycle = "update_day_night_cycle"(client: String, active: bool) -> Nothing;
    drop DrawDebugShape = "draw_debug_shape"(shape: Raw) -> Nothing;
    wait StartRecorder = "start_recorder"(name: String, additional: bool) -> String;
    drop StopRecorder = "stop_recorder"() -> Nothing;
    wait ReplayFile = "replay_file"(name: String, start: f64, duration: f64, follow: u32, sensors: bool, offset: Tail<Transform>) -> String;
    drop StopReplayer = "stop_replayer"(keep_actors: bool) -> Nothing;
    drop SetReplayerTimeFactor = "set_replayer_time_factor"(factor: f64) -> Nothing;
    drop SetReplayerIgnoreHero = "set_replayer_ignore_hero"(ignore: bool) -> Nothing;
    drop SetReplayerIgnoreSpectator = "set_replayer_ignore_spectator"(ignore: bool) -> Nothing;
    wait ShowRecorderFileInfo = "show_recorder_file_info"(name: String, all: bool) -> String;
    wait ShowRecorderCollisions = "show_recorder_collisions"(name: String, first: u8, second: u8) -> String;
    wait ShowRecorderActorsBlocked = "show_recorder_actors_blocked"(name: String, time: f64, distance: f64) -> String;
    wait GetActorBoneNames = "get_actor_bone_names"(id: u32) -> Vec<String>;
    wait GetActorSocketNames = "get_actor_socket_names"(id: u32) -> Vec<String>;
    wait GetActorComponentNames = "get_actor_component_names"(id: u32) -> Vec<String>;
    wait GetActorBoneWorldTransforms = "get_actor_bone_world_transforms"(id: u32) -> Vec<Transform>;
    wait GetActorBoneRelativeTransforms = "get_actor_bone_relative_transforms"(id: u32) -> Vec<Transform>;
    wait GetActorSocketWorldTransforms = "get_actor_socket_world_transforms"(id: u32) -> Vec<Transform>;
    wait GetActorSocketRelativeTransforms = "get_actor_socket_relative_transforms"(id: u32) -> Vec<Transform>;
    wait GetVehicleBoneWorldTransforms = "get_vehicle_bone_world_transforms"(id: u32) -> Vec<Transform>;
    wait GetActorComponentWorldTransform = "get_actor_component_world_transform"(id: u32, name: String) -> Transform;
    wait GetActorComponentRelativeTransform = "get_actor_component_relative_transform"(id: u32, name: String) -> Transform;
    wait GetGbufferToken = "get_gbuffer_token"(id: u32, texture: u32) -> Bytes;
    drop EnableSensorForRos = "enable_sensor_for_ros"(stream: u32) -> Nothing;
    drop DisableSensorForRos = "disable_sensor_for_ros"(stream: u32) -> Nothing;
    wait IsSensorEnabledForRos = "is_sensor_enabled_for_ros"(stream: u32) -> bool;
    wait IsTrafficManagerRunning = "is_traffic_manager_running"(port: u16) -> bool;
    wait GetTrafficManagerRunning = "get_traffic_manager_running"(port: u16) -> (String, u16);
    wait AddTrafficManagerRunning = "add_traffic_manager_running"(place: (String, u16)) -> bool;
    drop DestroyTrafficManager = "destroy_traffic_manager"(port: u16) -> Nothing;
}

impl Call {
    /// The call of this name with these packed arguments, and whether its client says that it waits.
    ///
    /// # Errors
    /// Where there is no such method, or its arguments are too few, too many or of another type, in the simulator's words.
    pub(crate) fn take(method: &str, from: &mut Reader<'_>) -> Result<(Self, bool)> {
        let count = from.array()?;
        if count == 0 {
            return Err(Error::mismatch("a meta argument", "none", method));
        }
        let fields = from.array_of(1, "the meta argument").map_err(|e| e.at(method))?;
        let discards: bool = from.get()?;
        from.skip_all(fields - 1)?;
        let mut args = Args { from, left: count - 1 };
        let missing = || {
            let what = format!("a function with name and {} arguments that this server has", count - 1);
            Error::mismatch(what, quoted(method), "call")
        };
        let call = Self::read(method, &mut args)?.ok_or_else(missing)?;
        let left = args.left;
        let socketed = !matches!(&call, Self::SpawnActorWithParent { socket, .. } if socket.0.is_some() != from.version.sockets());
        if left > 0 || !socketed {
            return Err(missing());
        }
        Ok((call, !discards))
    }
}
