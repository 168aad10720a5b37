"""The model card of exported files, as model hubs read it: YAML facts, then Markdown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import yaml

from dance_models.text import markdown_text
from pipelines.tracking.model_card import INPUT, INTENDED_USE, JOINTS, LICENCE, LIMITS, MISSING, USE

TAGS: Final = ("pose-estimation", "human-pose", "dance", "keypoints")
TASK_TAGS: Final = {"recognition": "pose-refinement", "prediction": "motion-forecasting"}
SCORED_SPLITS: Final = ("val", "test")
SHIPPED_LICENCE: Final = """Apache-2.0, weights and code. Trained on rendered data alone; the \
motion was obtained from mocap.cs.cmu.edu, created with funding from NSF EIA-0196217."""


def hub_card(
    title: str, task: str, files: Sequence[str], scores: Mapping[str, str], *, shipped: bool
) -> str:
    """The card. ``scores`` are tags such as ``val/pck_torso_0.1`` of a registered version."""
    facts: dict[str, Any] = {
        "license": "apache-2.0" if shipped else "other",
        "library_name": "onnx" if "model.onnx" in files else "pytorch",
        "tags": [*TAGS, TASK_TAGS[task]],
        "pipeline_tag": "keypoint-detection",
    }
    if not shipped:
        facts["license_name"] = "of-the-training-data"
    results = _results(scores)
    if results:
        facts["model-index"] = [{"name": title, "results": results}]
    listed = "\n".join(f"* `{name}`" for name in files)
    parts = [
        f"---\n{yaml.safe_dump(facts, sort_keys=False, allow_unicode=True)}---\n",
        f"# {markdown_text(title)}\n",
        f"## {INTENDED_USE}\n\n{USE[task]}\n",
        f"## Files\n\n{listed}\n\n`config.json` has the shapes, the joints, the window and the "
        f"units. The first axis of the input is the batch, of any size.\n",
        f"## Input and output\n\n{INPUT[task]}\n\n{JOINTS}\n\n{MISSING[task]}\n",
        f"## Limits\n\n{LIMITS if not shipped else LIMITS.split('. Trained')[0] + '.'}\n",
        f"## Licence\n\n{SHIPPED_LICENCE if shipped else LICENCE}\n",
    ]
    return "\n".join(parts)


def _results(scores: Mapping[str, str]) -> list[dict[str, Any]]:
    """The scores of each split, as a model index has them."""
    results = []
    for split in SCORED_SPLITS:
        metrics = [
            {"type": name.partition("/")[2], "name": name.partition("/")[2], "value": value}
            for name, text in sorted(scores.items())
            if name.startswith(f"{split}/") and (value := _number(text)) is not None
        ]
        if metrics:
            results.append(
                {
                    "task": {"type": "keypoint-detection"},
                    "dataset": {"name": f"{split} split of the store", "type": "video"},
                    "metrics": metrics,
                }
            )
    return results


def _number(text: str) -> float | None:
    """The value of a score; None for a tag that somebody wrote by hand."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
