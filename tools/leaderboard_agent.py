"""Sensorium as an agent of the CARLA leaderboard (1.0 and 2.x), for local evaluations.

The leaderboard loads this file (TEAM_AGENT) and its configuration (TEAM_CONFIG), a JSON file with either

    {"command": ["sensorium", "agent", "--port", "0", "--preset", "base", "--weights", "best_model.pth"]}
    {"host": "127.0.0.1", "port": 2600}

The first starts `sensorium agent` itself and ends it in destroy(); the second talks to one that runs. Everything that decides happens there;
here readings go out and a control comes back. The network wants depth cameras, which the public leaderboard forbids: run it with a sensor
wrapper that passes `sensor.camera.depth` on. Needs NumPy and the leaderboard's own Python environment (3.7 or later).
"""
import json
import math
import socket
import struct
import subprocess

import carla
from leaderboard.autoagents.autonomous_agent import AutonomousAgent, Track


def get_entry_point():
    return "SensoriumAgent"


class SensoriumAgent(AutonomousAgent):
    """One object a route."""

    def setup(self, path_to_conf_file):
        with open(path_to_conf_file, encoding="utf-8") as file:
            conf = json.load(file)
        self.track = Track.SENSORS
        self.process, self.socket, self.planned = None, None, False
        port = conf.get("port", 2600)
        if "command" in conf:
            self.process = subprocess.Popen(conf["command"], stdout=subprocess.PIPE)
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("sensorium agent ended with %s; its reason is above" % self.process.wait())
            port = json.loads(line)["port"]
        self.socket = socket.create_connection((conf.get("host", "127.0.0.1"), port), timeout=conf.get("timeout", 60.0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        told = self.ask({"verb": "setup"})
        self.mounted = told["sensors"]
        print("driver: %s" % told["driver"], flush=True)

    def sensors(self):
        # The speedometer is the leaderboard's own invention; no simulator has it.
        return self.mounted + [{"type": "sensor.speedometer", "id": "speed", "reading_frequency": 20}]

    def run_step(self, input_data, timestamp):
        if not self.planned:
            # `_global_plan` is thinned by set_global_plan: positions as GNSS, and a road option.
            points = [[at["lat"], at["lon"], int(getattr(option, "value", option))] for at, option in self._global_plan]
            self.ask({"verb": "plan", "points": points})
            self.planned = True
        pictures, pixels = [], []
        for spec in self.mounted:
            if spec["type"].startswith("sensor.camera."):
                image = input_data[spec["id"]][1]
                pictures.append({"id": spec["id"], "width": image.shape[1], "height": image.shape[0], "fov": spec["fov"]})
                pixels.append(image.tobytes())
        gps, compass = input_data["gps"][1], float(input_data["imu"][1][-1])
        said = self.ask({
            "verb": "step",
            "timestamp": timestamp,
            "gps": [float(gps[0]), float(gps[1])],
            "compass": compass if math.isfinite(compass) else None,
            "speed": float(input_data["speed"][1]["speed"]),
            "pictures": pictures,
        }, pixels)
        control = carla.VehicleControl()
        control.steer, control.throttle, control.brake = said["steer"], said["throttle"], said["brake"]
        control.manual_gear_shift = False
        return control

    def destroy(self):
        if getattr(self, "socket", None):
            self.socket.close()
            self.socket = None
        if getattr(self, "process", None):
            self.process.terminate()
            self.process.wait(timeout=30)
            self.process.stdout.close()
            self.process = None

    def ask(self, head, payload=()):
        """Length, head, pixels; then the answer's length and head."""
        text = json.dumps(head, allow_nan=False).encode()
        self.socket.sendall(struct.pack("<I", len(text)) + text)
        for part in payload:
            self.socket.sendall(part)
        said = json.loads(self.take(struct.unpack("<I", self.take(4))[0]))
        if "error" in said:
            raise RuntimeError("sensorium: " + said["error"])
        return said

    def take(self, count):
        parts = b""
        while len(parts) < count:
            part = self.socket.recv(count - len(parts))
            if not part:
                raise RuntimeError("sensorium agent closed the connection")
            parts += part
        return parts
