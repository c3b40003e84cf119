"""Four official clients at once: one steps the world, three look through a camera of their own and must not miss a frame.

    python tools/carla_four_clients.py --port 2470 [--frames 100]

Needs the `carla` package. Exit 0 when every client saw every frame. Each client is a process, because a malformed message kills one.
"""
import argparse
import queue
import subprocess
import sys
import time

import carla


def connect(port):
    client = carla.Client("127.0.0.1", port)
    client.set_timeout(30.0)
    return client.get_world()


def look(port, frames, number):
    world = connect(port)
    blueprint = world.get_blueprint_library().find(("sensor.camera.rgb", "sensor.camera.depth", "sensor.camera.semantic_segmentation")[number])
    blueprint.set_attribute("image_size_x", "320")
    blueprint.set_attribute("image_size_y", "160")
    place = world.get_map().get_spawn_points()[number]
    place.location.z += 2.0
    camera, seen = world.spawn_actor(blueprint, place), queue.Queue()
    camera.listen(seen.put)
    try:
        last = seen.get(timeout=60.0).frame
        for _ in range(frames):
            image = seen.get(timeout=30.0)
            if image.frame != last + 1 or len(image.raw_data) != 320 * 160 * 4:
                raise SystemExit("FAIL client %d: frame %d after %d" % (number, image.frame, last))
            last = image.frame
    finally:
        camera.destroy()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=2470)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--look", type=int)
    args = parser.parse_args()
    if args.look is not None:
        return look(args.port, args.frames, args.look)
    world = connect(args.port)
    found, settings = world.get_settings(), world.get_settings()
    settings.synchronous_mode, settings.fixed_delta_seconds = True, 0.05
    world.apply_settings(settings)
    command = [sys.executable, __file__, "--port", str(args.port), "--frames", str(args.frames), "--look"]
    others = [subprocess.Popen(command + [str(n)]) for n in range(3)]
    try:
        ticks, began, last = 0, time.time(), 0
        while any(p.poll() is None for p in others):
            frame = world.tick()
            if ticks and frame != last + 1:
                raise SystemExit("FAIL the stepping client: frame %d after %d" % (frame, last))
            last, ticks = frame, ticks + 1
            if time.time() - began > 300:
                raise SystemExit("FAIL not done after 300 s")
        if any(p.returncode for p in others):
            raise SystemExit("FAIL clients ended with %s" % [p.returncode for p in others])
        print("ok: three clients saw %d frames each without a gap, a fourth made %d" % (args.frames, ticks))
    finally:
        for p in others:
            p.poll() is None and p.kill()
        world.apply_settings(found)


if __name__ == "__main__":
    main()
