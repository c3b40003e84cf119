//! Batch commands: one variant of a numbered list each, in an array of its own.
//!
//! *In / Out*: the bytes of one command. *Invariant*: the numbering is that of the version; 0.9.13 lacks the Ackermann
//! control, so there everything after it is one less. 0.9.16 clients send rubbish as a spawn's attachment: kept, never refused.

use super::pack::{Reader, Wire, Writer};
use super::physics::{VehicleAckermannControl, VehicleControl, VehiclePhysicsControl, WalkerControl};
use super::structs::{ActorDescription, LightColour, Transform, Vector3D};
use crate::types::{Error, Result};

macro_rules! commands {
    ($($number:literal $(#[$doc:meta])* $name:ident ( $($field:ident : $ty:ty),* ) ),* $(,)?) => {
        /// One command of a batch. Actor id 0 in a spawn's `do_after` means the actor just spawned.
        #[derive(Debug, Clone, PartialEq)]
        #[allow(missing_docs)] // the fields' names are the protocol's own
        pub enum Command {
            /// Spawn an actor, then do something with it.
            SpawnActor { description: ActorDescription, transform: Transform, parent: Option<u32>, attachment: u8, socket: String, do_after: Vec<Command> },
            $( $(#[$doc])* $name { $($field: $ty),* } ),*
        }
        impl Command {
            fn number(&self) -> u8 {
                match self { Self::SpawnActor { .. } => 0, $( Self::$name { .. } => $number ),* }
            }
            fn put_fields(&self, to: &mut Writer) {
                match self {
                    Self::SpawnActor { description, transform, parent, attachment, socket, do_after } => {
                        to.array(if to.version.sockets() { 6 } else { 4 });
                        to.put(description);
                        to.put(transform);
                        to.put(parent);
                        if to.version.sockets() {
                            to.put(attachment);
                            to.put(socket);
                        }
                        to.put(do_after);
                    }
                    $( Self::$name { $($field),* } => {
                        to.array([$(stringify!($field)),*].len());
                        $( to.put($field); )*
                    } ),*
                }
            }
            fn take_fields(number: u8, from: &mut Reader<'_>, depth: usize) -> Result<Self> {
                if number == 0 {
                    return Self::spawn(from, depth);
                }
                match number {
                    $( $number => {
                        let wanted = [$(stringify!($field)),*].len();
                        let len = from.array_of(wanted, stringify!($name))?;
                        let command = Self::$name { $($field: from.get()?),* };
                        from.skip_all(len - wanted)?;
                        Ok(command)
                    } ),*
                    other => Err(Error::mismatch("a known batch command", format!("number {other}"), "batch")),
                }
            }
        }
    };
}

commands! {
    1 /// Destroy it.
    DestroyActor(id: u32),
    2 /// Set pedals and wheel.
    ApplyVehicleControl(id: u32, control: VehicleControl),
    3 /// Set target speed and steer.
    ApplyVehicleAckermannControl(id: u32, control: VehicleAckermannControl),
    4 /// Walk.
    ApplyWalkerControl(id: u32, control: WalkerControl),
    5 /// Set engine, body, wheels.
    ApplyVehiclePhysicsControl(id: u32, physics: VehiclePhysicsControl),
    6 /// Put it there.
    ApplyTransform(id: u32, transform: Transform),
    7 /// Put a walker there, walking.
    ApplyWalkerState(id: u32, transform: Transform, speed: f32),
    8 /// Velocity, m/s.
    ApplyTargetVelocity(id: u32, vector: Vector3D),
    9 /// Angular velocity, degrees/s.
    ApplyTargetAngularVelocity(id: u32, vector: Vector3D),
    10 /// Impulse.
    ApplyImpulse(id: u32, vector: Vector3D),
    11 /// Force.
    ApplyForce(id: u32, vector: Vector3D),
    12 /// Angular impulse.
    ApplyAngularImpulse(id: u32, vector: Vector3D),
    13 /// Torque.
    ApplyTorque(id: u32, vector: Vector3D),
    14 /// Whether it moves by physics.
    SetSimulatePhysics(id: u32, enabled: bool),
    15 /// Whether it falls.
    SetEnableGravity(id: u32, enabled: bool),
    16 /// Whether the world drives it.
    SetAutopilot(id: u32, enabled: bool),
    17 /// Whether telemetry is drawn.
    ShowDebugTelemetry(id: u32, enabled: bool),
    18 /// Lamps; a bare number here.
    SetVehicleLightState(id: u32, flags: u32),
    19 /// Put it there, heading kept.
    ApplyLocation(id: u32, location: Vector3D),
    20 /// A line for the engine's console.
    ConsoleCommand(line: String),
    21 /// Colour of a traffic light.
    SetTrafficLightState(id: u32, state: LightColour),
}

/// Spawns inside the follow-ups of spawns: more than a client ever writes.
const DEEPEST: usize = 8;
/// Number of the command that 0.9.13 lacks.
const ACKERMANN: u8 = 3;

impl Command {
    fn spawn(from: &mut Reader<'_>, depth: usize) -> Result<Self> {
        let long = from.version.sockets();
        let least = if long { 6 } else { 4 };
        let len = from.array_of(least, "SpawnActor")?;
        let (description, transform, parent) = (from.get()?, from.get()?, from.get()?);
        let (attachment, socket) = if long { (from.get()?, from.get()?) } else { (0, String::new()) };
        let count = from.array()?;
        let mut do_after = Vec::new();
        for _ in 0..count {
            do_after.push(Self::read(from, depth + 1)?);
        }
        from.skip_all(len - least)?;
        Ok(Self::SpawnActor { description, transform, parent, attachment, socket, do_after })
    }
    fn read(from: &mut Reader<'_>, depth: usize) -> Result<Self> {
        if depth > DEEPEST {
            return Err(Error::mismatch(format!("commands at most {DEEPEST} deep"), "deeper ones", "batch"));
        }
        let outer = from.array_of(1, "a command")?;
        let inner = from.array_of(2, "a command's variant")?;
        let number = from.get::<u8>()?;
        let number = if from.version.ackermann() || number < ACKERMANN { number } else { number.saturating_add(1) };
        let command = Self::take_fields(number, from, depth).map_err(|e| e.at("batch command"))?;
        from.skip_all(inner - 2)?;
        from.skip_all(outer - 1)?;
        Ok(command)
    }
    /// The actor that it is about, if it is about one.
    pub fn actor(&self) -> Option<u32> {
        match self {
            Self::SpawnActor { .. } | Self::ConsoleCommand { .. } => None,
            Self::DestroyActor { id }
            | Self::ApplyVehicleControl { id, .. }
            | Self::ApplyVehicleAckermannControl { id, .. }
            | Self::ApplyWalkerControl { id, .. }
            | Self::ApplyVehiclePhysicsControl { id, .. }
            | Self::ApplyTransform { id, .. }
            | Self::ApplyWalkerState { id, .. }
            | Self::ApplyTargetVelocity { id, .. }
            | Self::ApplyTargetAngularVelocity { id, .. }
            | Self::ApplyImpulse { id, .. }
            | Self::ApplyForce { id, .. }
            | Self::ApplyAngularImpulse { id, .. }
            | Self::ApplyTorque { id, .. }
            | Self::SetSimulatePhysics { id, .. }
            | Self::SetEnableGravity { id, .. }
            | Self::SetAutopilot { id, .. }
            | Self::ShowDebugTelemetry { id, .. }
            | Self::SetVehicleLightState { id, .. }
            | Self::ApplyLocation { id, .. }
            | Self::SetTrafficLightState { id, .. } => Some(*id),
        }
    }
}

impl Wire for Command {
    fn put(&self, to: &mut Writer) {
        let number = self.number();
        let shift = u8::from(!to.version.ackermann() && number > ACKERMANN);
        to.array(1);
        to.array(2);
        to.put(&(number - shift));
        self.put_fields(to);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self> {
        Self::read(from, 0)
    }
}
