"""Calls tools/leaderboard_agent.py as the leaderboard does, in a closed loop on `sensorium world serve` through the official client.

    python tools/leaderboard_agent_check.py --sensorium target/release/sensorium --port 2480 [--ticks 40]

Needs the `carla` and `numpy` packages and a server on the port. The leaderboard itself is not needed: the one module that an agent imports is
stood in for here, with the behaviour that the agent's contract documents (plan thinning, speedometer, forced manual_gear_shift, warm-up
ticks, a frame of every sensor in every step, 10 s at most). Exit 0 when everything held.
"""
import argparse
import enum
import importlib.util
import json
import os
import queue
import socket
import sys
import tempfile
import types

import carla
import numpy as np


class Track(enum.Enum):
    SENSORS = "SENSORS"
    MAP = "MAP"


class RoadOption(enum.IntEnum):
    VOID = -1
    LEFT = 1
    RIGHT = 2
    STRAIGHT = 3
    LANEFOLLOW = 4


class AutonomousAgent:
    """What the framework's base class promises: 1.0 sets up in the constructor, 2.x by a call of its own."""

    spacing = 50

    def __init__(self, *arguments):
        self._global_plan = None
        if len(arguments) == 1:
            self.setup(arguments[0])

    def set_global_plan(self, gps, world):
        keep, last, walked, before = [], None, 0.0, None
        for n, (at, option) in enumerate(world):
            walked += at.location.distance(last) if last is not None else 0.0
            last = at.location
            if n == 0 or n == len(world) - 1 or option != before or walked > self.spacing:
                keep.append(n)
                walked = 0.0
            before = option
        self._global_plan = [gps[n] for n in keep]

    def __call__(self, input_data, timestamp):
        control = self.run_step(input_data, timestamp)
        control.manual_gear_shift = False
        return control


def need(holds, words):
    if not holds:
        raise SystemExit("FAIL " + words)


def stand_in():
    module = types.ModuleType("leaderboard.autoagents.autonomous_agent")
    module.AutonomousAgent, module.Track = AutonomousAgent, Track
    for name in ("leaderboard", "leaderboard.autoagents"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules[module.__name__] = module


def route(world, start):
    """Way points two metres apart for 160 m, as transform and option, and the same in degrees."""
    here, world_plan, gps = world.get_map().get_waypoint(start.location), [], []
    for _ in range(80):
        option = RoadOption.STRAIGHT if here.is_junction else RoadOption.LANEFOLLOW
        place = world.get_map().transform_to_geolocation(here.transform.location)
        world_plan.append((here.transform, option))
        gps.append(({"lat": place.latitude, "lon": place.longitude, "z": place.altitude}, option))
        here = here.next(2.0)[0]
    return gps, world_plan


def value(kind, data):
    if kind.startswith("sensor.camera"):
        return np.frombuffer(data.raw_data, dtype=np.uint8).reshape(data.height, data.width, 4)
    if kind == "sensor.other.imu":
        a, g = data.accelerometer, data.gyroscope
        return np.array([a.x, a.y, a.z, g.x, g.y, g.z, data.compass])
    return np.array([data.latitude, data.longitude, data.altitude])


def drive(agent, world, ticks):
    """Spawns what the agent lists and steps; every control that it gave."""
    library, spawned, queues = world.get_blueprint_library(), [], {}
    start = world.get_map().get_spawn_points()[0]
    try:
        ego = world.spawn_actor(library.find("vehicle.tesla.model3"), start)
        spawned.append(ego)
        specs = agent.sensors()
        need(len({s["id"] for s in specs}) == len(specs), "ids are unique")
        for s in specs:
            if s["type"] == "sensor.speedometer":
                continue
            need(max(abs(s["x"]), abs(s["y"]), abs(s["z"])) <= 3.0, "%s is within 3 m of the vehicle" % s["id"])
            blueprint = library.find(s["type"])
            if s["type"].startswith("sensor.camera"):
                blueprint.set_attribute("image_size_x", str(s["width"]))
                blueprint.set_attribute("image_size_y", str(s["height"]))
                blueprint.set_attribute("fov", str(s["fov"]))
            at = carla.Transform(carla.Location(s["x"], s["y"], s["z"]), carla.Rotation(s["pitch"], s["yaw"], s["roll"]))
            sensor = world.spawn_actor(blueprint, at, attach_to=ego)
            queues[s["id"]] = (s["type"], queue.Queue())
            sensor.listen(queues[s["id"]][1].put)
            spawned.append(sensor)
        agent.set_global_plan(*route(world, start))
        for _ in range(20):
            world.tick()
        controls = []
        for _ in range(ticks):
            frame = world.tick()
            v, ahead = ego.get_velocity(), ego.get_transform().get_forward_vector()
            data = {"speed": (frame, {"speed": v.x * ahead.x + v.y * ahead.y + v.z * ahead.z})}
            for name, (kind, waiting) in queues.items():
                while True:
                    got = waiting.get(timeout=10.0)
                    if got.frame >= frame:
                        break
                need(got.frame == frame, "%s gave frame %d for %d" % (name, got.frame, frame))
                data[name] = (frame, value(kind, got))
            control = agent(data, world.get_snapshot().timestamp.elapsed_seconds)
            need(isinstance(control, carla.VehicleControl), "a control")
            need(0 <= control.throttle <= 1 and -1 <= control.steer <= 1 and 0 <= control.brake <= 1, "a control within its range: %s" % control)
            need(control.manual_gear_shift is False and not control.hand_brake, "no manual gear, no hand brake")
            ego.apply_control(control)
            controls.append((control.throttle, control.steer, control.brake))
        return controls
    finally:
        for actor in reversed(spawned):
            actor.destroy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sensorium", required=True)
    parser.add_argument("--port", type=int, default=2480)
    parser.add_argument("--ticks", type=int, default=40)
    args = parser.parse_args()
    stand_in()
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "leaderboard_agent.py")
    spec = importlib.util.spec_from_file_location("leaderboard_agent", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kind = getattr(module, module.get_entry_point())
    client = carla.Client("127.0.0.1", args.port)
    client.set_timeout(30.0)
    world = client.get_world()
    found = world.get_settings()
    settings = world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump({"command": [args.sensorium, "agent", "--port", "0", "--preset", "tiny"]}, file)
    try:
        # Leaderboard 2.x: constructor, then setup.
        agent = kind("127.0.0.1", args.port, False)
        agent.setup(file.name)
        need(agent.track == Track.SENSORS, "the track is SENSORS")
        port = agent.socket.getpeername()[1]
        controls = drive(agent, world, args.ticks)
        need(len(set(controls)) > 1, "controls follow what is seen")
        # Nonsense is answered in words, and the session goes on.
        try:
            agent.ask({"verb": "fly"})
            need(False, "an unknown verb is refused")
        except RuntimeError as refused:
            need("setup" in str(refused), "the refusal names the verbs: %s" % refused)
        agent.ask({"verb": "setup"})
        agent.destroy()
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2.0)
            need(False, "the service ends with its agent")
        except OSError:
            pass
        # Leaderboard 1.0: the constructor sets up. A route begins like any other: no memory of the last one.
        agent = kind(file.name)
        first = drive(agent, world, 3)
        agent.destroy()
        need(len(first) == 3, "a second agent drives")
        print("ok: %d controls through %s, sensors %s" % (len(controls), module.get_entry_point(), [s["id"] for s in agent.sensors()]))
    finally:
        world.apply_settings(found)
        os.unlink(file.name)


if __name__ == "__main__":
    main()
