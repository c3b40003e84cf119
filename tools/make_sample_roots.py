#!/usr/bin/env python3
"""Makes data set roots of the loose sample files in ../shared/data.

    python3 tools/make_sample_roots.py --shared ../shared/data --output runs/roots

writes runs/roots/nuscenes (v1.0-mini with all thirteen tables, one sample, readable by the public devkit too) and
runs/roots/kitti (object layout, training/{image_2,velodyne,calib,label_2}/000008.*). Standard library only.

nuScenes keeps the vehicle's pose for every file; the sample has it for the LiDAR's time only, and one matrix from the LiDAR
into each camera that already holds the motion in between. The cameras' poses follow from it:

    world<-ego(camera) = world<-ego(lidar) * ego<-lidar * inv(camera<-lidar) * inv(ego<-camera)

What the sample does not tell is left empty (attributes), or said to be the best (visibility), or black (the map mask).
"""
import argparse
import hashlib
import json
import math
import shutil
import struct
import zlib
from pathlib import Path

RAW_CATEGORY = {
    "car": "vehicle.car", "truck": "vehicle.truck", "bus": "vehicle.bus.rigid", "trailer": "vehicle.trailer",
    "construction_vehicle": "vehicle.construction", "pedestrian": "human.pedestrian.adult",
    "motorcycle": "vehicle.motorcycle", "bicycle": "vehicle.bicycle", "traffic_cone": "movable_object.trafficcone",
    "barrier": "movable_object.barrier", "other": "movable_object.pushable_pullable",
}
ATTRIBUTES = ["vehicle.moving", "vehicle.stopped", "vehicle.parked", "cycle.with_rider", "cycle.without_rider",
              "pedestrian.sitting_lying_down", "pedestrian.standing", "pedestrian.moving"]


def token(*parts):
    return hashlib.md5("/".join(parts).encode()).hexdigest()


def times(a, b):
    return [[sum(a[i][k] * b[k][j] for k in range(4)) for j in range(4)] for i in range(4)]


def inverse(m):
    """Inverse of a rigid motion."""
    r = [[m[j][i] for j in range(3)] for i in range(3)]
    t = [-sum(r[i][k] * m[k][3] for k in range(3)) for i in range(3)]
    return [r[i] + [t[i]] for i in range(3)] + [[0.0, 0.0, 0.0, 1.0]]


def translation(m):
    return [m[i][3] for i in range(3)]


def quaternion(m):
    """w, x, y, z of the rotation of a 4x4, by its largest component."""
    trace = m[0][0] + m[1][1] + m[2][2]
    if trace > 0:
        w = math.sqrt(1 + trace) / 2
        q = [w] + [(m[(i + 2) % 3][(i + 1) % 3] - m[(i + 1) % 3][(i + 2) % 3]) / (4 * w) for i in range(3)]
    else:
        i = max(range(3), key=lambda n: m[n][n])
        j, k = (i + 1) % 3, (i + 2) % 3
        big = math.sqrt(1 + m[i][i] - m[j][j] - m[k][k]) / 2
        q = [(m[k][j] - m[j][k]) / (4 * big), 0.0, 0.0, 0.0]
        q[1 + i], q[1 + j], q[1 + k] = big, (m[j][i] + m[i][j]) / (4 * big), (m[k][i] + m[i][k]) / (4 * big)
    length = math.sqrt(sum(v * v for v in q))
    return [v / length for v in q]


def turn(yaw, centre):
    c, s = math.cos(yaw), math.sin(yaw)
    return [[c, -s, 0.0, centre[0]], [s, c, 0.0, centre[1]], [0.0, 0.0, 1.0, centre[2]], [0.0, 0.0, 0.0, 1.0]]


def black_png(path, side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((side + 1) * side))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def fixed_tables(logfile):
    mask = token("mask") + ".png"
    return {
        "category": [{"token": token("category", n), "name": n, "description": ""} for n in RAW_CATEGORY.values()],
        "attribute": [{"token": token("attribute", n), "name": n, "description": ""} for n in ATTRIBUTES],
        "visibility": [{"token": str(i + 1), "level": level, "description": ""}
                       for i, level in enumerate(["v0-40", "v40-60", "v60-80", "v80-100"])],
        "log": [{"token": token("log"), "logfile": logfile, "vehicle": logfile[:4], "date_captured": logfile[5:15],
                 "location": "singapore-onenorth"}],
        "map": [{"token": token("map"), "log_tokens": [token("log")], "category": "semantic_prior",
                 "filename": "maps/" + mask}],
    }


def nuscenes(source, root):
    sample = json.loads((source / "sample.json").read_text())
    lidar_original = sample["lidar"]["original_name"]
    tables = fixed_tables(lidar_original.split("__")[0])
    here = {"sample_token": sample["token"], "scene_token": token("scene")}
    tables["scene"] = [{"token": here["scene_token"], "name": "scene-0061", "description": "one key frame", "log_token": token("log"),
                        "nbr_samples": 1, "first_sample_token": sample["token"], "last_sample_token": sample["token"]}]
    tables["sample"] = [{"token": sample["token"], "timestamp": sample["timestamp_us"], "scene_token": here["scene_token"],
                         "prev": "", "next": ""}]
    for name in ("sensor", "calibrated_sensor", "ego_pose", "sample_data", "instance", "sample_annotation"):
        tables[name] = []
    world_from_lidar = times(sample["ego2global"], sample["lidar"]["sensor2ego"])

    def add(channel, modality, entry, pose, time, size, data_token):
        calibrated = token("calibrated", channel)
        tables["sensor"].append({"token": token("sensor", channel), "channel": channel, "modality": modality})
        tables["calibrated_sensor"].append({
            "token": calibrated, "sensor_token": token("sensor", channel), "translation": translation(entry["sensor2ego"]),
            "rotation": quaternion(entry["sensor2ego"]), "camera_intrinsic": entry.get("intrinsics", [])})
        tables["ego_pose"].append({"token": data_token, "timestamp": time, "translation": translation(pose), "rotation": quaternion(pose)})
        filename = "samples/%s/%s" % (channel, entry["original_name"])
        tables["sample_data"].append({
            "token": data_token, "sample_token": sample["token"], "ego_pose_token": data_token, "calibrated_sensor_token": calibrated,
            "filename": filename, "fileformat": "jpg" if modality == "camera" else "pcd", "width": size[0], "height": size[1],
            "timestamp": time, "is_key_frame": True, "prev": "", "next": ""})
        (root / filename).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / entry["file"], root / filename)

    add("LIDAR_TOP", "lidar", sample["lidar"], sample["ego2global"], sample["timestamp_us"], (0, 0), token("data", "LIDAR_TOP"))
    for channel, camera in sample["cameras"].items():
        pose = times(times(world_from_lidar, inverse(camera["lidar2cam"])), inverse(camera["sensor2ego"]))
        add(channel, "camera", camera, pose, camera["timestamp_us"], (1600, 900), camera["sample_data_token"])
    for index, box in enumerate(sample["boxes"]):
        pose = times(world_from_lidar, turn(box["yaw"], box["center"]))
        instance, annotation = token("instance", str(index)), token("annotation", str(index))
        length, width, height = box["size_lwh"]
        tables["instance"].append({"token": instance, "category_token": token("category", RAW_CATEGORY[box["name"]]),
                                   "nbr_annotations": 1, "first_annotation_token": annotation, "last_annotation_token": annotation})
        tables["sample_annotation"].append({
            "token": annotation, "sample_token": sample["token"], "instance_token": instance, "visibility_token": "4",
            "attribute_tokens": [], "translation": translation(pose), "size": [width, length, height], "rotation": quaternion(pose),
            "prev": "", "next": "", "num_lidar_pts": box["num_lidar_pts"], "num_radar_pts": box["num_radar_pts"]})
    folder = root / "v1.0-mini"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "maps").mkdir(exist_ok=True)
    (root / "sweeps").mkdir(exist_ok=True)
    black_png(root / tables["map"][0]["filename"], 64)
    for name, records in tables.items():
        (folder / (name + ".json")).write_text(json.dumps(records, indent=0) + "\n")


def kitti(source, root):
    sample = json.loads((source / "sample.json").read_text())
    name = sample["sample"]
    for folder in ("image_2", "velodyne", "calib", "label_2"):
        (root / "training" / folder).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / sample["image"]["file"], root / "training/image_2" / (name + ".png"))
    shutil.copyfile(source / sample["velodyne"]["file"], root / "training/velodyne" / (name + ".bin"))

    def row(key, columns):
        return "%s: %s" % (key, " ".join("%.12e" % v for line in sample[key][:3] for v in line[:columns]))

    lines = [row(key, 4) for key in ("P0", "P1", "P2", "P3")]
    lines += [row("R0_rect", 3), row("Tr_velo_to_cam", 4), row("Tr_imu_to_velo", 4)]
    (root / "training/calib" / (name + ".txt")).write_text("\n".join(lines) + "\n\n")
    labels = []
    for o in sample["objects"]:
        length, height, width = o["size_lhw"]
        numbers = [o["alpha"], *o["xyxy"], height, width, length, *o["location_cam"], o["rotation_y"]]
        labels.append("%s %.2f %d %s" % (o["name"], o["truncated"], o["occluded"], " ".join("%.2f" % v for v in numbers)))
    (root / "training/label_2" / (name + ".txt")).write_text("\n".join(labels) + "\n")


def main():
    parser = argparse.ArgumentParser(description="make data set roots of the loose sample files")
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"), help="folder with nuscenes-sample and kitti-sample")
    parser.add_argument("--output", type=Path, default=Path("runs/roots"), help="folder for the roots")
    args = parser.parse_args()
    for name, make in (("nuscenes", nuscenes), ("kitti", kitti)):
        make(args.shared / (name + "-sample"), args.output / name)
        print(args.output / name)


if __name__ == "__main__":
    main()
