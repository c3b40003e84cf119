//! Calls and batch commands about single actors.
//!
//! *Invariant*: a batch never fails as a whole; each command has its own result, and actor id 0 in a spawn's follow-ups is the
//! actor just spawned.

use super::super::axes;
use super::super::call::Call;
use super::super::command::Command;
use super::super::pack::Wire;
use super::super::physics::{AckermannControllerSettings, TelemetryData, VehicleLightState, WheelTelemetry};
use super::super::rpc::Reply;
use super::super::structs::{Transform, Vector3D};
use super::episode::{Episode, Role};
use super::link::Outcome;
use super::simulator::{Order, Said, Simulator};
use crate::types::num;

/// Commands that one batch may hold.
const MOST_COMMANDS: usize = 20_000;

impl<S: Simulator> Episode<S> {
    fn of<T: Wire>(&self, value: &T) -> Outcome {
        Ok(Reply::of(value, self.version))
    }
    /// Calls about one actor.
    pub fn about_actor(&mut self, call: Call) -> Outcome {
        match call {
            Call::GetActorBoundingBox { id } => self.entry(id).map(|e| e.actor.bounding_box.clone()).and_then(|b| self.of(&b)),
            Call::SetActorLocation { id, location } => self.relocate(id, location),
            Call::SetActorTransform { id, transform } => self.order(id, Order::Transform(transform)),
            Call::SetActorTargetVelocity { id, vector } => self.order(id, Order::Velocity(vector)),
            Call::SetActorTargetAngularVelocity { id, vector } => self.order(id, Order::AngularVelocity(vector)),
            Call::EnableActorConstantVelocity { id, vector } => self.order(id, Order::ConstantVelocity(Some(vector))),
            Call::DisableActorConstantVelocity { id } => self.order(id, Order::ConstantVelocity(None)),
            Call::AddActorImpulse { id, vector } => self.order(id, Order::Impulse(vector)),
            Call::AddActorForce { id, vector } => self.order(id, Order::Force(vector)),
            Call::SetActorSimulatePhysics { id, enabled } => self.order(id, Order::Physics(enabled)),
            Call::SetActorCollisions { id, enabled } => self.order(id, Order::Collisions(enabled)),
            Call::SetActorAutopilot { id, enabled } => self.order(id, Order::Autopilot(enabled)),
            Call::ApplyControlToVehicle { id, control } => self.order(id, Order::Vehicle(control.clamped())),
            Call::ApplyAckermannControlToVehicle { id, control } => self.order(id, Order::Ackermann(control)),
            Call::ApplyControlToWalker { id, control } => self.order(id, Order::Walker(control)),
            Call::ApplyPhysicsControl { id, physics } => self.order(id, Order::Setup(Box::new(physics))),
            Call::SetVehicleLightState { id, lights } => self.lamps(id, lights.flags),
            // Flat ground, whole cars: turning over, gravity and doors change nothing that is seen.
            Call::AddActorAngularImpulse { id, .. }
            | Call::AddActorTorque { id, .. }
            | Call::SetActorEnableGravity { id, .. }
            | Call::OpenVehicleDoor { id, .. }
            | Call::CloseVehicleDoor { id, .. }
            | Call::ShowVehicleDebugTelemetry { id, .. }
            | Call::RestorePhysxPhysics { id }
            | Call::ApplyAckermannControllerSettings { id, .. }
            | Call::SetWheelSteerDirection { id, .. }
            | Call::SetWheelPitchAngle { id, .. } => self.entry(id).map(|_| Reply::Nothing),
            Call::GetAckermannControllerSettings { id } => {
                let _there = self.entry(id)?;
                let gains =
                    AckermannControllerSettings { speed_kp: 0.15, speed_kd: 0.25, accel_kp: 0.01, accel_kd: 0.01, ..Default::default() };
                self.of(&gains)
            }
            Call::GetPhysicsControl { id } => {
                let setup = self.sim.setup(id).ok_or_else(|| format!("actor {id} is not a vehicle"))?;
                self.of(&setup)
            }
            Call::GetVehicleLightState { id } => match self.entry(id)?.role {
                Role::Vehicle { lights } => self.of(&VehicleLightState { flags: lights }),
                _ => Err(format!("actor {id} is not a vehicle")),
            },
            Call::GetVehicleLightStates {} => {
                let all = self
                    .actors
                    .values()
                    .filter_map(|e| if let Role::Vehicle { lights } = e.role { Some((e.actor.id, lights)) } else { None });
                self.of(&all.collect::<Vec<(u32, u32)>>())
            }
            Call::GetWheelSteerAngle { id, wheel } => {
                let most = self.sim.setup(id).and_then(|s| s.wheels.get(usize::from(wheel)).map(|w| w.max_steer_angle));
                let most = most.ok_or_else(|| format!("actor {id} has no wheel {wheel}"))?;
                let steer = if wheel < 2 { self.motion(id).control.steer } else { 0.0 };
                self.of(&(steer * most))
            }
            Call::GetWheelPitchAngle { id, .. } => self.entry(id).map(|_| ()).and_then(|()| self.of(&0.0_f32)),
            Call::GetTelemetryData { id } => self.telemetry(id),
            Call::GetActorBoneNames { id } | Call::GetActorSocketNames { id } | Call::GetActorComponentNames { id } => {
                let _there = self.entry(id)?;
                self.of(&Vec::<String>::new())
            }
            Call::GetActorBoneWorldTransforms { id }
            | Call::GetActorBoneRelativeTransforms { id }
            | Call::GetActorSocketWorldTransforms { id }
            | Call::GetActorSocketRelativeTransforms { id }
            | Call::GetVehicleBoneWorldTransforms { id } => {
                let _there = self.entry(id)?;
                self.of(&Vec::<Transform>::new())
            }
            other => self.unavailable(&other),
        }
    }
    fn telemetry(&self, id: u32) -> Outcome {
        let setup = self.sim.setup(id).ok_or_else(|| format!("actor {id} is not a vehicle"))?;
        let motion = self.motion(id);
        let speed = num::f32(axes::vector(&motion.velocity).norm());
        let c = &motion.control;
        let radius = setup.wheels.first().map_or(0.35, |w| (w.radius / 100.0).max(0.05));
        let wheels =
            setup.wheels.iter().map(|w| WheelTelemetry { tire_friction: w.tire_friction, omega: speed / radius, ..Default::default() });
        let data = TelemetryData {
            speed,
            steer: c.steer,
            throttle: c.throttle,
            brake: c.brake,
            gear: c.gear,
            wheels: wheels.collect(),
            ..Default::default()
        };
        self.of(&data)
    }
    fn relocate(&mut self, id: u32, location: Vector3D) -> Outcome {
        let _there = self.entry(id)?;
        let rotation = self.pose(id).rotation;
        self.order(id, Order::Transform(Transform { location, rotation }))
    }
    fn lamps(&mut self, id: u32, flags: u32) -> Outcome {
        if let Some(Role::Vehicle { lights }) = self.actors.get_mut(&id).map(|e| &mut e.role) {
            *lights = flags;
        }
        self.order(id, Order::Lights(flags))
    }
    /// Tells a body; what has none is only moved.
    fn order(&mut self, id: u32, order: Order) -> Outcome {
        let entry = self.entry(id)?;
        if let Order::Transform(at) = &order
            && !axes::finite(at)
        {
            return Err("the transform is not finite".into());
        }
        match (&entry.role, order) {
            (Role::Sensor(_) | Role::Spectator, Order::Transform(at)) => self.place(id, at),
            (Role::Sensor(_) | Role::Spectator | Role::Light(_) | Role::Sign(_), _) => {}
            (_, order) => self.sim.order(id, order)?,
        }
        Ok(Reply::Nothing)
    }
    /// Every command in turn, then perhaps a step.
    pub fn batch(&mut self, commands: Vec<Command>, do_tick: bool) -> Reply {
        let results = commands.into_iter().enumerate().map(|(n, c)| {
            if n >= MOST_COMMANDS {
                return Err(format!("a batch holds at most {MOST_COMMANDS} commands"));
            }
            self.command(c, None)
        });
        let results = results.collect();
        if do_tick && self.settings.synchronous_mode {
            self.tick(self.step_seconds());
        }
        Reply::Batch(results)
    }
    fn command(&mut self, command: Command, spawned: Option<u32>) -> Said<u32> {
        let meant = |id: u32| if id == 0 { spawned.unwrap_or(0) } else { id };
        if let Command::SpawnActor { description, transform, parent, do_after, .. } = command {
            let actor = self.spawn(description, &transform, parent.map(meant))?;
            for next in do_after {
                self.command(next, Some(actor.id))?;
            }
            return Ok(actor.id);
        }
        let id = command.actor().map(meant).unwrap_or(0);
        let done = match command {
            Command::DestroyActor { .. } => self.destroy(id).map(|()| Reply::Nothing),
            Command::ApplyVehicleControl { control, .. } => self.order(id, Order::Vehicle(control.clamped())),
            Command::ApplyVehicleAckermannControl { control, .. } => self.order(id, Order::Ackermann(control)),
            Command::ApplyWalkerControl { control, .. } => self.order(id, Order::Walker(control)),
            Command::ApplyVehiclePhysicsControl { physics, .. } => self.order(id, Order::Setup(Box::new(physics))),
            Command::ApplyTransform { transform, .. } => self.order(id, Order::Transform(transform)),
            Command::ApplyWalkerState { transform, .. } => self.order(id, Order::Transform(transform)),
            Command::ApplyLocation { location, .. } => self.relocate(id, location),
            Command::ApplyTargetVelocity { vector, .. } => self.order(id, Order::Velocity(vector)),
            Command::ApplyTargetAngularVelocity { vector, .. } => self.order(id, Order::AngularVelocity(vector)),
            Command::ApplyImpulse { vector, .. } => self.order(id, Order::Impulse(vector)),
            Command::ApplyForce { vector, .. } => self.order(id, Order::Force(vector)),
            Command::SetSimulatePhysics { enabled, .. } => self.order(id, Order::Physics(enabled)),
            Command::SetAutopilot { enabled, .. } => self.order(id, Order::Autopilot(enabled)),
            Command::SetVehicleLightState { flags, .. } => self.lamps(id, flags),
            Command::SetTrafficLightState { state, .. } => self.call(Call::SetTrafficLightState { id, state }),
            Command::ConsoleCommand { line } => Err(format!("this server has no console for {}", super::super::pack::quoted(&line))),
            Command::ApplyAngularImpulse { .. }
            | Command::ApplyTorque { .. }
            | Command::SetEnableGravity { .. }
            | Command::ShowDebugTelemetry { .. } => self.entry(id).map(|_| Reply::Nothing),
            Command::SpawnActor { .. } => Err("a spawn inside itself".into()),
        };
        done.map(|_| id)
    }
}
