"""A small valid file of every format that comes in from outside, and how it is read."""

import csv
import json
import pickle
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np
from annotated_clips import WRITERS, Annotated
from clips_made import numbered, write_clip
from motion_cases import kinetics, person_bvh
from pose_files import body, flat

from dance_models.annotations.clip_import import ClipInfo, import_clip
from dance_models.annotations.folder_index import index_annotations
from dance_models.annotations.unread import unread_files
from dance_models.errors import InputError
from dance_models.estimators.joints import COCO17
from dance_models.estimators.onnx_description import read_description
from dance_models.estimators.pose_file import read_track, track_files
from dance_models.motion.read import MotionOptions, motion_sources, read_source
from dance_models.skeleton import DANCE_14
from dance_models.tables import read_note, read_table, write_table
from dance_models.video.images import stated_rate
from dance_models.video.probe import probe_clip
from dance_models.video.scan import scan_clips

INFO = ClipInfo(320, 240, 10)
SOLO = Annotated(
    "solo",
    320,
    240,
    {
        frame: {j: (100.0 + 5 * i + frame, 60.0 + 8 * i, 2) for i, j in enumerate(DANCE_14.names)}
        for frame in (3, 4)
    },
)
FRAMES = 6
Writer = Callable[[Path], None]
Reader = Callable[[Path], Iterator[str]]  # texts that a person would see


@dataclass(frozen=True)
class Case:
    """``write`` makes valid files in a folder, ``read`` reads all that is there."""

    write: Writer
    read: Reader


def _annotations(folder: Path) -> Iterator[str]:
    entries = index_annotations(folder)
    for entry in entries:
        yield entry.problem or ""
        yield from map(str, entry.problems)
    found = import_clip("solo", [entry.path for entry in entries], INFO)
    yield from map(str, found.problems)
    yield from (unread.why for unread in unread_files(folder))


def _poses(folder: Path) -> Iterator[str]:
    found = track_files(folder)
    track = read_track(found[0] if len(found) == 1 else folder, None, FRAMES)
    yield from track.notes


def _motion(folder: Path) -> Iterator[str]:
    for source, path in motion_sources(folder).items():
        for clip in read_source(path, source, MotionOptions(cameras=1)):
            yield clip.name


def _video(folder: Path) -> Iterator[str]:
    result = scan_clips(folder)
    yield from (problem.message for problem in result.problems)
    for entry in result.entries:
        yield from probe_clip(entry.path, stated_rate(entry.path) or None).warnings


def _manifest(folder: Path) -> Iterator[str]:
    result = scan_clips(folder)
    yield from (problem.message for problem in result.problems)
    yield from (text for e in result.entries for text in (e.style, e.performer, e.take, e.fps))


def _onnx(folder: Path) -> Iterator[str]:
    yield read_description(folder / "model.json").name


def _own(folder: Path) -> Iterator[str]:
    read_table(folder / "a.parquet")
    yield str(sorted(read_note(folder / "current.json")))


def _dump(name: str, document: Any) -> Writer:
    def write(folder: Path) -> None:
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / name).write_text(text)

    return write


def _bodies(model: str) -> list[list[float]]:
    rng = np.random.default_rng(0)
    return [flat(model, body(rng)) for _ in range(FRAMES)]


def _in_rows(values: list[float], width: int = 3) -> list[list[float]]:
    return np.array(values).reshape(-1, 3)[:, :width].tolist()


def _pose_documents() -> dict[str, Any]:
    coco, body25 = _bodies("coco_17"), _bodies("body_25")
    names = list(COCO17)
    landmarks = [
        [{"x": 0.3 + i / 99, "y": i / 40, "z": 0, "visibility": 0.9} for i in range(33)]
        for _ in range(FRAMES)
    ]
    images = [{"id": i, "file_name": f"a_{i:06d}.jpg"} for i in range(FRAMES)]
    instances = [[{"keypoints": _in_rows(b, 2), "keypoint_scores": [0.5] * 17}] for b in coco]
    return {
        "own-json": {
            "joints": names,
            "frames": [{"frame": i, "keypoints": _in_rows(b)} for i, b in enumerate(coco)],
        },
        "alphapose": [
            {"image_id": f"{i}.jpg", "keypoints": b, "score": 2.9, "idx": 1}
            for i, b in enumerate(coco)
        ],
        "alphapose-cmu": {
            f"{i}.jpg": {"version": "AlphaPose v0.3", "bodies": [{"joints": b[: 18 * 3]}]}
            for i, b in enumerate(body25)
        },
        "coco-results": [
            {"image_id": i, "category_id": 1, "keypoints": b, "score": 0.9}
            for i, b in enumerate(coco)
        ],
        "coco-keypoints": {
            "images": images,
            "categories": [{"id": 1, "keypoints": names}],
            "annotations": [{"image_id": i, "keypoints": b} for i, b in enumerate(coco)],
        },
        "mmpose-json": [
            {"frame_id": i, "instances": found} for i, found in enumerate(instances)
        ],
        "mmpose-meta": {
            "meta_info": {"keypoint_id2name": {str(i): n for i, n in enumerate(names)}},
            "instance_info": [
                {"frame_id": i, "instances": found} for i, found in enumerate(instances)
            ],
        },
        "mediapipe-json": {"frames": [{"landmarks": found} for found in landmarks]},
        "ultralytics-json": [
            [
                {
                    "name": "person",
                    "keypoints": {
                        axis: [row[k] for row in _in_rows(b)]
                        for k, axis in enumerate(("x", "y", "visible"))
                    },
                }
            ]
            for b in coco
        ],
    }  # fmt: skip


def _openpose(folder: Path) -> None:
    for i, found in enumerate(_bodies("body_25")):
        document = {"version": 1.3, "people": [{"pose_keypoints_2d": found}]}
        (folder / f"a_{i:012d}_keypoints.json").write_text(json.dumps(document))


def _ultralytics_txt(folder: Path) -> None:
    for i, found in enumerate(_bodies("coco_17")):
        values = [v / 1000 if k % 3 < 2 else v for k, v in enumerate(found)]
        line = " ".join(map(str, [0, 0.5, 0.5, 0.2, 0.7, *values]))
        (folder / f"a_{i + 1}.txt").write_text(line + "\n")


def _deeplabcut_rows() -> tuple[list[tuple[str, str, str]], list[list[float]]]:
    columns = [("net", n, axis) for n in COCO17 for axis in ("x", "y", "likelihood")]
    return columns, _bodies("coco_17")


def _deeplabcut_csv(folder: Path) -> None:
    columns, rows = _deeplabcut_rows()
    with (folder / "aDLC_net.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        for level, name in enumerate(("scorer", "bodyparts", "coords")):
            writer.writerow([name, *(column[level] for column in columns)])
        writer.writerows([frame, *row] for frame, row in enumerate(rows))


def deeplabcut_h5(folder: Path, blocks: int = 1) -> Path:
    """Predictions as pandas writes them with ``format="table"``, the columns in ``blocks``."""
    columns, rows = _deeplabcut_rows()
    with h5py.File(folder / "aDLC_net.h5", "w") as file:
        group = file.create_group("df_with_missing")
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        axes = pickle.dumps([(1, columns)], protocol=0)
        group.attrs["non_index_axes"] = np.bytes_(axes)
        parts = [range(block, len(columns), blocks) for block in range(blocks)]
        kind = [(f"values_block_{i}", "<f8", (len(part),)) for i, part in enumerate(parts)]
        table = np.zeros(len(rows), [("index", "<i8"), *kind])
        table["index"] = np.arange(len(rows))
        for i, part in enumerate(parts):
            table[f"values_block_{i}"] = np.array(rows)[:, list(part)]
        group["table"] = table
    return folder / "aDLC_net.h5"


def _sleap_csv(folder: Path) -> None:
    head = ["track", "frame_idx", "instance.score"]
    head += [f"{n}.{axis}" for n in COCO17 for axis in ("x", "y", "score")]
    lines = [head, *(["t", i, 0.9, *row] for i, row in enumerate(_bodies("coco_17")))]
    (folder / "a.csv").write_text("\n".join(",".join(map(str, line)) for line in lines))


def _sleap_h5(folder: Path) -> None:
    bodies = np.array(_bodies("coco_17")).reshape(FRAMES, 17, 3)
    with h5py.File(folder / "a.h5", "w") as file:
        file["tracks"] = bodies[None, ..., :2].transpose(0, 3, 2, 1)
        file["node_names"] = [name.encode() for name in COCO17]
        file["point_scores"] = np.full((1, 17, FRAMES), 0.5)


def _trc(folder: Path) -> None:
    names = "\t\t\t".join(COCO17)
    lines = ["PathFileType\t4\t(X/Y/Z)\ta.trc", "DataRate\tUnits", "30\tm"]
    lines += [f"Frame#\tTime\t{names}\t\t", "\t\tX1\tY1\tZ1"]
    for i, found in enumerate(_bodies("coco_17")):
        cells = [str(v) for x, y, _ in _in_rows(found) for v in (x, y, 0)]
        lines.append("\t".join([str(i), str(i / 30), *cells]))
    (folder / "a.trc").write_text("\n".join(lines))


def _sleap_slp(folder: Path) -> None:
    import sleap_io

    skeleton = sleap_io.Skeleton([sleap_io.Node(node) for node in COCO17])
    video = sleap_io.Video("a.mp4", open_backend=False)
    frames = [
        sleap_io.LabeledFrame(
            video=video,
            frame_idx=i,
            instances=[
                sleap_io.PredictedInstance.from_numpy(
                    np.array(found).reshape(-1, 3)[:, :2],
                    skeleton=skeleton,
                    point_scores=np.full(17, 0.5),
                )
            ],
        )
        for i, found in enumerate(_bodies("coco_17"))
    ]
    sleap_io.save_slp(sleap_io.Labels(frames), str(folder / "a.slp"), verbose=False)


def _archive(folder: Path) -> None:
    inside = folder / "inside"
    inside.mkdir()
    WRITERS["coco-keypoints"](inside, SOLO)
    with zipfile.ZipFile(folder / "task_solo.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(inside.iterdir()):
            archive.write(path, f"annotations/{path.name}")
            archive.write(path, f"../../{path.name}")
            path.unlink()
    inside.rmdir()


def _array(name: str, **arrays: np.ndarray) -> Writer:
    def write(folder: Path) -> None:
        if name.endswith(".npz"):
            np.savez_compressed(folder / name, **arrays)
        else:
            np.save(folder / name, next(iter(arrays.values())))

    return write


def _clip(name: str, **options: Any) -> Writer:
    def write(folder: Path) -> None:
        write_clip(folder / name, 12, size=(64, 48), **options)

    return write


def _gif(folder: Path) -> None:
    with av.open(str(folder / "a.gif"), "w") as container:
        stream = container.add_stream("gif", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb8"
        for number in range(4):
            image = av.VideoFrame.from_ndarray(numbered(number, (64, 48)), format="rgb24")
            container.mux(stream.encode(image.reformat(format="rgb8")))
        container.mux(stream.encode())


def _images(suffix: str) -> Writer:
    def write(folder: Path) -> None:
        (folder / "take").mkdir()
        for number in range(3):
            path = folder / "take" / f"{number:04d}{suffix}"
            cv2.imwrite(str(path), numbered(number, (64, 48)))
        (folder / "take" / "fps").write_text("25\n")

    return write


def _webp(folder: Path) -> None:
    from PIL import Image

    first, *others = [Image.fromarray(numbered(number, (64, 48))) for number in range(4)]
    first.save(folder / "a.webp", save_all=True, append_images=others, duration=40)


def _clips_csv(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / f"{name}.mp4").write_bytes(b"x")
    (folder / "clips.csv").write_text(
        "clip,style,performer,take,fps\na,waltz,p1,t1,\nb,tango,,,9\n"
    )


def _model(folder: Path) -> None:
    (folder / "m.bin").write_bytes(b"model")
    description = {
        "name": "m", "model": "m.bin", "input_size": [192, 256], "channel_order": "rgb",
        "output": "simcc", "joints": list(COCO17), "mean": [1, 2, 3], "std": [1, 2, 3],
    }  # fmt: skip
    (folder / "model.json").write_text(json.dumps(description))


def _tables(folder: Path) -> None:
    import polars as pl

    write_table(pl.DataFrame({"clip": ["a", "b"], "frame": [1, 2]}), folder / "a.parquet")
    note = {"best": {"path": "x", "sha256": "y"}, "last": {"path": "x", "sha256": "y"}}
    (folder / "current.json").write_text(json.dumps(note))


def _cases() -> dict[str, Case]:
    rng = np.random.default_rng(1)
    tracks = {"a": rng.uniform(50, 200, (FRAMES, 17, 3))}
    positions = {"a": np.cumsum(rng.normal(size=(FRAMES, 38, 3)), axis=0)}
    annotations = {
        name: Case(lambda folder, write=write: write(folder, SOLO), _annotations)
        for name, write in WRITERS.items()
    }
    poses = {
        **{name: _dump("a.json", document) for name, document in _pose_documents().items()},
        "openpose-json": _openpose,
        "ultralytics-txt": _ultralytics_txt,
        "deeplabcut-csv": _deeplabcut_csv,
        "deeplabcut-h5": deeplabcut_h5,
        "sleap-csv": _sleap_csv,
        "sleap-h5": _sleap_h5,
        "sleap-slp": _sleap_slp,
        "trc-pixels": _trc,
    }
    motion = {
        "bvh": _dump("a.bvh", person_bvh(6)),
        "kinetics": _dump("a.json", kinetics(6)),
        "own-json": _dump("a.json", _pose_documents()["own-json"]),
        "tracks.npy": _array("a.npy", **tracks),
        "tracks.npz": _array("a.npz", **tracks),
        "positions.npy": _array("a.npy", **positions),
        "positions.npz": _array("a.npz", **positions, fps=np.array(60.0)),
    }
    video = {
        "mp4": _clip("a.mp4"),
        "mkv": _clip("a.mkv"),
        "avi": _clip("a.avi", codec="mpeg4"),
        "ts": _clip("a.ts"),
        "gif": _gif,
        "webp": _webp,
        "jpeg folder": _images(".jpg"),
        "png folder": _images(".png"),
    }
    return {
        **{f"annotations {name}": case for name, case in annotations.items()},
        "annotations archive": Case(_archive, _annotations),
        **{f"poses {name}": Case(write, _poses) for name, write in poses.items()},
        **{f"motion {name}": Case(write, _motion) for name, write in motion.items()},
        **{f"video {name}": Case(write, _video) for name, write in video.items()},
        "clips.csv": Case(_clips_csv, _manifest),
        "ONNX description": Case(_model, _onnx),
        "own table and note": Case(_tables, _own),
    }


CASES = _cases()


def texts_of(case: Case, folder: Path) -> list[str]:
    """What a person would see of the files in a folder: problems, or the error of the reader."""
    try:
        return list(case.read(folder))
    except InputError as error:
        return [str(error)]
