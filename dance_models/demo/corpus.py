"""Writing the demo corpus: H.264 clips, COCO annotations and ``clips.csv``."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from dance_models.demo.body import Body
from dance_models.demo.choreography import motion
from dance_models.demo.costume import dress
from dance_models.demo.decimate import BODIES
from dance_models.demo.moves import STYLES
from dance_models.demo.renderer import Renderer
from dance_models.demo.stage import Camera, draw_stage
from dance_models.files import replacing
from dance_models.processes import worker_pool
from dance_models.skeleton import DANCE_14
from dance_models.tables import write_text

LABEL: Final = "synthetic demo corpus"
CODEC_OPTIONS: Final = {"preset": "veryfast", "crf": "23", "threads": "1"}


@dataclass(frozen=True)
class DemoCorpusConfig:
    """What to render. 30 clips of 5,000 frames are the paper's size."""

    clips: int = 18
    frames: int = 180
    size: tuple[int, int] = (320, 240)
    fps: int = 30
    seed: int = 0
    workers: int = 1


def clip_names(config: DemoCorpusConfig) -> list[tuple[str, str]]:
    """(style, clip) of every clip: the styles take turns."""
    styles = sorted(STYLES)
    return [
        (styles[i % len(styles)], f"{styles[i % len(styles)]}_{i // len(styles) + 1:02d}")
        for i in range(config.clips)
    ]


def write_demo_corpus(
    directory: Path, config: DemoCorpusConfig, on_clip: Callable[[str], None] | None = None
) -> list[Path]:
    """Render what is not there yet below ``directory``; returns the clips.

    ``clips/<style>/<clip>.mp4``, ``annotations/<clip>.json``, ``clips.csv`` and ``CORPUS``. The
    same configuration gives the same frames and keypoints, whatever the number of workers.
    """
    names = clip_names(config)
    write_text(directory / "CORPUS", f"{LABEL}\n")
    write_text(directory / "clips.csv", _manifest(names, config))
    jobs = [(directory, config, style, clip) for style, clip in names]
    if config.workers == 1:
        for job in jobs:
            render_clip(*job)
            if on_clip:
                on_clip(job[3])
    else:
        with worker_pool(config.workers) as pool:
            futures = {pool.submit(render_clip, *job): job[3] for job in jobs}
            for future in as_completed(futures):
                future.result()
                if on_clip:
                    on_clip(futures[future])
    return [_clip_path(directory, style, clip) for style, clip in names]


def _clip_path(directory: Path, style: str, clip: str) -> Path:
    return directory / "clips" / style / f"{clip}.mp4"


def _manifest(names: list[tuple[str, str]], config: DemoCorpusConfig) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["clip", "style", "performer", "take", "frames", "fps"])
    for style, clip in names:
        writer.writerow([clip, style, _body_of(config, clip), clip, config.frames, config.fps])
    return text.getvalue()


def _rng(config: DemoCorpusConfig, clip: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{config.seed}/{clip}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def _body_of(config: DemoCorpusConfig, clip: str) -> str:
    return str(BODIES[_rng(config, clip).integers(len(BODIES))])


def render_clip(directory: Path, config: DemoCorpusConfig, style: str, clip: str) -> None:
    """Render one clip unless its annotation, which is written last, is there."""
    annotation = directory / "annotations" / f"{clip}.json"
    target = _clip_path(directory, style, clip)
    if annotation.is_file() and target.is_file():
        return
    cv2.setNumThreads(1)
    keypoints, visibility = [], []
    with replacing(target) as part, av.open(str(part), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=config.fps)
        stream.width, stream.height = config.size
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, config.fps)
        stream.options = CODEC_OPTIONS
        for image, points, seen in render_frames(config, style, clip):
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
            keypoints.append(points)
            visibility.append(seen)
        for packet in stream.encode():
            container.mux(packet)
    document = coco_document(clip, config, np.stack(keypoints), np.stack(visibility))
    write_text(annotation, json.dumps(document) + "\n")


def render_frames(
    config: DemoCorpusConfig, style: str, clip: str
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8]]]:
    """Images, keypoints and visibilities of a clip, frame by frame."""
    rng = _rng(config, clip)
    body = Body(str(BODIES[rng.integers(len(BODIES))]))
    colours = dress(body, style, rng)
    camera = Camera.drawn(config.size, rng)
    light = np.array([rng.uniform(-0.7, 0.7), -0.8, rng.uniform(0.4, 0.8)])
    renderer = Renderer(body, colours, camera, draw_stage(camera, rng), light)
    width, height = config.size
    grain = rng.normal(0, 2.5, (8, height, width, 1)).astype(np.float32)
    for frame, posed in enumerate(motion(body, style, rng, config.frames, config.fps)):
        noisy = renderer.render(posed) + grain[frame % len(grain)]
        yield np.clip(noisy, 0, 255).astype(np.uint8), *renderer.keypoints(posed)


def coco_document(
    clip: str,
    config: DemoCorpusConfig,
    keypoints: NDArray[np.float32],
    visibility: NDArray[np.uint8],
) -> dict[str, Any]:
    """COCO keypoints of a clip: (T, J, 2) pixels and (T, J)."""
    width, height = config.size
    images, annotations = [], []
    for frame, (points, seen) in enumerate(zip(keypoints, visibility, strict=True)):
        images.append(
            {
                "id": frame + 1,
                "file_name": f"{clip}/{frame:06d}.jpg",
                "video": f"{clip}.mp4",
                "frame_index": frame,
                "width": width,
                "height": height,
            }
        )
        flat: list[float] = []
        for (x, y), v in zip(points.tolist(), seen.tolist(), strict=True):
            flat += [round(x, 2), round(y, 2), v] if v else [0, 0, 0]
        annotations.append(
            {
                "id": frame + 1,
                "image_id": frame + 1,
                "category_id": 1,
                "keypoints": flat,
                "num_keypoints": int((seen > 0).sum()),
                "iscrowd": 0,
            }
        )
    return {
        "info": {"description": f"{LABEL}; exact keypoints", "clip": clip},
        "images": images,
        "annotations": annotations,
        "categories": [
            {
                "id": 1,
                "name": "person",
                "keypoints": list(DANCE_14.names),
                "skeleton": [[a + 1, b + 1] for a, b in DANCE_14.edges],
            }
        ],
    }
