"""Checks on clips: the results of probing and sampling."""

from typing import TYPE_CHECKING, Any

import numpy as np

from dance_models.config import QualityConfig
from pipelines.checks.asset_checks import AssetChecks, Check, Numbers
from pipelines.checks.pictures import drawing
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.quality.findings import Finding


def _probe(store: Store, clip: str) -> dict[str, Any] | None:
    """The probe of a clip with arrays; None for a quarantined clip, which is reported elsewhere."""
    from dance_models.video.signature import SIZE

    row = store.read("clip_probe", clip).row(0, named=True)
    if row["status"] != "ok":
        return None
    row["time_s"], row["motion"] = np.array(row["time_s"]), np.array(row["motion"])
    row["signature"] = np.frombuffer(b"".join(row["signature"]), np.uint8).reshape(-1, SIZE)
    return row


def _clip_probe(store: Store, config: QualityConfig, clip: str | None) -> "list[Finding]":
    from dance_models.quality import clips

    probe = _probe(store, clip or "")
    if probe is None:
        return []
    counts = (probe["nominal_frames"], probe["decoded_frames"])
    return [
        *clips.lost_frames(probe["clip"], *counts, config),
        *clips.time_stamps(probe["clip"], probe["time_s"], config),
        *clips.file_remarks(probe["clip"], probe.get("remarks") or ()),
    ]


def _probe_numbers(store: Store, clip: str | None) -> Numbers:
    probe = store.read("clip_probe", clip).row(0, named=True)
    if probe["status"] != "ok":
        return {}
    nominal, decoded = probe["nominal_frames"], probe["decoded_frames"]
    return {
        "lost_frames": {"nominal_frames": nominal, "decoded_frames": decoded},
        "time_stamps": {"fps": probe["fps"]},
    }


def _sampled_frames(store: Store, config: QualityConfig, clip: str | None) -> "list[Finding]":
    from dance_models.quality import clips

    probe = _probe(store, clip or "")
    frames = store.read("sampled_frames", clip)["frame"].to_numpy()
    if probe is None or not len(frames):
        return []
    name = probe["clip"]
    return [
        *clips.blank_frames(name, frames, probe["signature"], config),
        *clips.frozen_frames(name, frames, probe["time_s"], probe["motion"], config),
    ]


PROBE_CHECKS = AssetChecks(
    "clip_probe",
    (
        Check(
            "lost_frames",
            "As many frames decode as the file claims: warns from 1 %, stops the clip at 10 %.",
            blocking=True,
        ),
        Check(
            "time_stamps",
            "Time stamps rise (else the clip is stopped) and leave no gap of a frame (warns).",
            blocking=True,
        ),
        Check(
            "file_remarks",
            "Nothing in the file had to be chosen or made up for: streams, pixels, time stamps, "
            "remarks of the decoder (warns).",
        ),
    ),
    _clip_probe,
    drawing(),
    partitioned=True,
    numbers=_probe_numbers,
)
FRAMES_CHECKS = AssetChecks(
    "sampled_frames",
    (
        Check(
            "blank_frames",
            "Frames show something: warns, stops the clip when half of them do not.",
            blocking=True,
        ),
        Check(
            "frozen_frames",
            "The picture does not stand still for half a second: warns, stops the clip when half "
            "of its frames do.",
            blocking=True,
        ),
    ),
    _sampled_frames,
    drawing(),
    partitioned=True,
)
