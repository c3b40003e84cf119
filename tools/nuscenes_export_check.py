#!/usr/bin/env python3
"""A nuScenes root of ours in the hands of the public devkit: loads, reads, renders, and makes results to evaluate.

    python tools/nuscenes_export_check.py ROOT VERSION SPLIT OUT

Needs `pip install nuscenes-devkit==1.2.0`. Goes through all that the devkit can do with a root: tables and chains, pictures
with boxes, sweeps put together, radars, point labels, panoptic labels, the map's layers, masks and lanes, the vehicle's bus.
Writes OUT/noisy.json (of SPLIT) and OUT/noisy_all.json (of the root's own split `all`), detections made of the truth with seeded noise (missed, false, misplaced, turned, of another class,
slower or faster), and OUT/tracking_noisy.json, and pictures of what was rendered. Any failure is an exception: exit 1.
"""
import json
import math
import random
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
import matplotlib
matplotlib.use("Agg")
import descartes
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import PathPatch
from matplotlib.path import Path as PlotPath
from nuscenes import NuScenes
from nuscenes.can_bus.can_bus_api import NuScenesCanBus
from nuscenes.eval.detection.utils import category_to_detection_name
from nuscenes.map_expansion.map_api import NuScenesMap
from nuscenes.utils.data_classes import LidarPointCloud, RadarPointCloud
from nuscenes.utils.data_io import load_bin_file
from nuscenes.utils.geometry_utils import points_in_box
from nuscenes.utils.splits import get_scenes_of_split



def patch_of(polygon, **style):
    """What descartes, which the devkit draws maps with, does for shapely before 2.0 only."""
    rings = [np.asarray(ring.coords)[:, :2] for ring in (polygon.exterior, *polygon.interiors)]
    return PathPatch(PlotPath.make_compound_path(*(PlotPath(ring, closed=True) for ring in rings)), **style)


descartes.PolygonPatch = patch_of
CAMERAS = ["CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT"]
RADARS = ["RADAR_FRONT", "RADAR_FRONT_LEFT", "RADAR_FRONT_RIGHT", "RADAR_BACK_LEFT", "RADAR_BACK_RIGHT"]
TRACKED = {"bicycle", "bus", "car", "motorcycle", "pedestrian", "trailer", "truck"}


def wanted(condition, message):
    if not condition:
        raise SystemExit("failed: " + message)


def chains(nusc):
    """Every channel's files from first to last, each linked both ways, in time."""
    for scene in nusc.scene:
        sample = nusc.get("sample", scene["first_sample_token"])
        for channel in CAMERAS + RADARS + ["LIDAR_TOP"]:
            data, length = nusc.get("sample_data", sample["data"][channel]), 1
            wanted(data["prev"] == "", "%s begins at the first sample" % channel)
            while data["next"]:
                after = nusc.get("sample_data", data["next"])
                wanted(after["prev"] == data["token"] and after["timestamp"] > data["timestamp"], "chain of " + channel)
                data, length = after, length + 1
            wanted(data["sample_token"] == scene["last_sample_token"] and length > scene["nbr_samples"], "sweeps of " + channel)
    for instance in nusc.instance:
        count, token = 0, instance["first_annotation_token"]
        while token:
            count, last, token = count + 1, token, nusc.get("sample_annotation", token)["next"]
        wanted(count == instance["nbr_annotations"] and last == instance["last_annotation_token"], "chain of an instance")


def points(nusc):
    """Points lie in the boxes that claim them, standing things stand still over sweeps, labels fit the points."""
    held = claimed = 0
    for sample in nusc.sample:
        token = sample["data"]["LIDAR_TOP"]
        path, boxes, _ = nusc.get_sample_data(token)
        cloud = LidarPointCloud.from_file(path)
        labels = load_bin_file(str(Path(nusc.dataroot) / nusc.get("lidarseg", token)["filename"]))
        things = load_bin_file(str(Path(nusc.dataroot) / nusc.get("panoptic", token)["filename"]), "panoptic")
        wanted(len(labels) == len(things) == cloud.nbr_points(), "as many labels as points")
        wanted((things // 1000 == labels).all(), "panoptic and point labels agree")
        for box in boxes:
            annotation = nusc.get("sample_annotation", box.token)
            # Noise of the range, and half a turn of others' motion, lie within 15 cm and 15 %.
            inside = points_in_box(box, cloud.points[:3], 1.15)
            index = nusc.lidarseg_name2idx_mapping[annotation["category_name"]]
            held += min(int((labels[inside] == index).sum()), annotation["num_lidar_pts"])
            claimed += annotation["num_lidar_pts"]
        clouds, lags = LidarPointCloud.from_file_multisweep(nusc, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=10)
        wanted(clouds.nbr_points() >= cloud.nbr_points() * 0.5 and (lags >= 0).all(), "ten sweeps")
        for radar in RADARS:
            scan = RadarPointCloud.from_file(nusc.get_sample_data_path(sample["data"][radar]))
            RadarPointCloud.from_file_multisweep(nusc, sample, radar, "LIDAR_TOP", nsweeps=5)
            wanted(scan.points.shape[0] == 18, "18 fields of a radar")
    wanted(claimed > 100 and held > 0.97 * claimed, "%d of %d points in their boxes" % (held, claimed))
    print("points in their boxes: %d of %d" % (held, claimed))


def speeds(nusc):
    """Velocities out of chains are finite where neighbours exist, and parked things have none."""
    still = 0
    for annotation in nusc.sample_annotation:
        speed = np.linalg.norm(nusc.box_velocity(annotation["token"])[:2])
        names = [nusc.get("attribute", t)["name"] for t in annotation["attribute_tokens"]]
        if "vehicle.parked" in names and not math.isnan(speed):
            wanted(speed < 0.01, "a parked vehicle at %.2f m/s" % speed)
            still += 1
    wanted(still > 0, "parked vehicles")


def flat_ground(nusc):
    """Labels of driveable ground and the map's driveable area are the same ground."""
    inside = total = 0
    for sample in nusc.sample[::4]:
        scene = nusc.get("scene", sample["scene_token"])
        location = nusc.get("log", scene["log_token"])["location"]
        ground = NuScenesMap(nusc.dataroot, location)
        data = nusc.get("sample_data", sample["data"]["LIDAR_TOP"])
        pose, mounted = nusc.get("ego_pose", data["ego_pose_token"]), nusc.get("calibrated_sensor", data["calibrated_sensor_token"])
        cloud = LidarPointCloud.from_file(nusc.get_sample_data_path(data["token"]))
        labels = load_bin_file(str(Path(nusc.dataroot) / nusc.get("lidarseg", data["token"])["filename"]))
        from pyquaternion import Quaternion
        for record in (mounted, pose):
            cloud.rotate(Quaternion(record["rotation"]).rotation_matrix)
            cloud.translate(np.array(record["translation"]))
        road = cloud.points[:2, labels == 24].T[::50]
        mask = nusc.get("map", nusc.get("log", scene["log_token"])["map_token"])["mask"]
        for x, y in road:
            on_layer = ground.layers_on_point(x, y, ["drivable_area"])["drivable_area"] != ""
            inside, total = inside + (on_layer and bool(mask.is_on_mask(x, y)[0])), total + 1
    wanted(total > 50 and inside > 0.97 * total, "%d of %d road points on the map's road" % (inside, total))
    print("road points on the map's road: %d of %d" % (inside, total))


def maps(nusc, out):
    location = nusc.log[0]["location"]
    ground = NuScenesMap(nusc.dataroot, location)
    pose = nusc.ego_pose[0]["translation"]
    layers = ["drivable_area", "ped_crossing", "walkway", "stop_line", "carpark_area", "road_divider", "lane_divider"]
    mask = ground.get_map_mask((pose[0], pose[1], 100, 100), 30.0, layers, (200, 200))
    wanted(mask.shape == (7, 200, 200) and mask[0].any() and mask[2].any(), "a map mask")
    lane = ground.get_closest_lane(pose[0], pose[1], radius=5)
    wanted(lane != "", "a lane under the vehicle")
    path = np.array(ground.discretize_lanes([lane], 0.5)[lane])
    wanted(np.hypot(*(path[:, :2] - np.array(pose[:2])).T).min() < 3.0, "the lane's centre line is near the vehicle")
    wanted(max(np.hypot(*np.diff(path[:, :2], axis=0).T)) < 1.5, "the lane's centre line has no jumps")
    for token, links in ground.connectivity.items():
        end = ground.discretize_lanes([token], 0.5)[token][-1]
        for after in links["outgoing"]:
            start = ground.discretize_lanes([after], 0.5)[after][0]
            wanted(math.hypot(end[0] - start[0], end[1] - start[1]) < 0.6, "a lane that goes on where it ends")
    for layer in ("lane", "lane_connector", "road_segment", "road_block"):
        polygons = [ground.extract_polygon(r["polygon_token"]) for r in getattr(ground, layer)]
        wanted(all(p.is_valid for p in polygons), "valid polygons in " + layer)
    figure, _ = ground.render_layers(layers, figsize=(10, 10))
    figure.savefig(out / "map.png", dpi=80)
    figure, _ = ground.render_map_patch((pose[0] - 60, pose[1] - 60, pose[0] + 60, pose[1] + 60), layers, figsize=(8, 8))
    figure.savefig(out / "map_patch.png", dpi=80)
    ground.render_map_in_image(nusc, nusc.sample[0]["token"], layer_names=["drivable_area", "ped_crossing", "walkway"], out_path=str(out / "map_in_image.png"))
    plt.close("all")


def render(nusc, out):
    sample = nusc.sample[len(nusc.sample) // 2]
    nusc.render_sample(sample["token"], out_path=str(out / "sample.png"), verbose=False)
    nusc.render_sample_data(sample["data"]["LIDAR_TOP"], nsweeps=5, underlay_map=True, out_path=str(out / "lidar.png"), verbose=False)
    nusc.render_sample_data(sample["data"]["LIDAR_TOP"], show_lidarseg=True, out_path=str(out / "lidarseg.png"), verbose=False)
    nusc.render_sample_data(sample["data"]["LIDAR_TOP"], show_panoptic=True, out_path=str(out / "panoptic.png"), verbose=False)
    nusc.render_pointcloud_in_image(sample["token"], pointsensor_channel="LIDAR_TOP", camera_channel="CAM_FRONT", out_path=str(out / "points.png"), verbose=False)
    nusc.render_pointcloud_in_image(sample["token"], pointsensor_channel="RADAR_FRONT", camera_channel="CAM_FRONT", dot_size=40, out_path=str(out / "radar.png"), verbose=False)
    nusc.render_annotation(sample["anns"][0], out_path=str(out / "annotation.png"))
    nusc.render_egoposes_on_map(log_location=nusc.log[0]["location"], out_path=str(out / "poses.png"))
    plt.close("all")


def noisy(nusc, split, out, ending=""):
    """Detections and tracks of a split: the truth with seeded noise, and some that are false."""
    rng = random.Random(20260105)
    names = set(get_scenes_of_split(split_name=split, nusc=nusc))
    detections, tracks = {}, {}
    for sample in nusc.sample:
        if nusc.get("scene", sample["scene_token"])["name"] not in names:
            continue
        boxes, followed = [], []
        for token in sample["anns"]:
            annotation = nusc.get("sample_annotation", token)
            name = category_to_detection_name(annotation["category_name"])
            if name is None or rng.random() < 0.15:
                continue
            speed = nusc.box_velocity(token)[:2]
            for copy in range(2 if rng.random() < 0.1 else 1):
                spread = rng.choice([0.1, 0.4, 1.2, 3.0])
                turn = rng.gauss(0.0, 0.15) + (math.pi if rng.random() < 0.05 else 0.0)
                yaw = 2.0 * math.atan2(annotation["rotation"][3], annotation["rotation"][0]) + turn
                label = rng.choice(["car", "truck", "pedestrian", "bicycle"]) if rng.random() < 0.05 else name
                attributes = [nusc.get("attribute", t)["name"] for t in annotation["attribute_tokens"]]
                attribute = attributes[0] if attributes and rng.random() < 0.9 and label == name else ""
                box = {
                    "sample_token": sample["token"],
                    "translation": [v + rng.gauss(0.0, spread) for v in annotation["translation"][:2]] + [annotation["translation"][2]],
                    "size": [v * rng.uniform(0.8, 1.25) for v in annotation["size"]],
                    "rotation": [math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)],
                    "velocity": [0.0 if math.isnan(v) else v + rng.gauss(0.0, 0.4) for v in speed],
                }
                score = round(rng.random(), 2)
                boxes.append(dict(box, detection_name=label, detection_score=score, attribute_name=attribute))
                if label in TRACKED and copy == 0:
                    switched = "x" if rng.random() < 0.05 else ""
                    followed.append(dict(box, tracking_name=label, tracking_score=score, tracking_id=annotation["instance_token"] + switched))
        ego = nusc.get("ego_pose", nusc.get("sample_data", sample["data"]["LIDAR_TOP"])["ego_pose_token"])["translation"]
        for _ in range(8):
            yaw = rng.uniform(-math.pi, math.pi)
            boxes.append({
                "sample_token": sample["token"], "translation": [ego[0] + rng.gauss(0, 25), ego[1] + rng.gauss(0, 25), 1.0],
                "size": [1.9, 4.5, 1.6], "rotation": [math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)], "velocity": [0.0, 0.0],
                "detection_name": rng.choice(["car", "barrier", "traffic_cone", "pedestrian"]), "detection_score": round(rng.random() * 0.6, 2),
                "attribute_name": "",
            })
        detections[sample["token"]], tracks[sample["token"]] = boxes, followed
    meta = {"use_camera": True, "use_lidar": True, "use_radar": False, "use_map": False, "use_external": False}
    for name, results in (("noisy", detections), ("tracking_noisy", tracks)):
        (out / (name + ending + ".json")).write_text(json.dumps({"meta": meta, "results": results}))
    print("%d samples of %s, %d detections" % (len(detections), split, sum(map(len, detections.values()))))


def main():
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    root, version, split, out = sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4])
    out.mkdir(parents=True, exist_ok=True)
    nusc = NuScenes(version, root, verbose=False)
    print("%d scenes, %d samples, %d files, %d annotations" % tuple(len(getattr(nusc, t)) for t in ("scene", "sample", "sample_data", "sample_annotation")))
    chains(nusc)
    points(nusc)
    speeds(nusc)
    flat_ground(nusc)
    maps(nusc, out)
    render(nusc, out)
    if (Path(root) / "can_bus").is_dir():
        poses = NuScenesCanBus(dataroot=root).get_messages(nusc.scene[0]["name"], "pose")
        wanted(len(poses) > 10 and poses[0]["utime"] < poses[-1]["utime"], "poses of the bus")
    noisy(nusc, split, out)
    noisy(nusc, "all", out, "_all")
    print("the devkit takes it all")


if __name__ == "__main__":
    main()
