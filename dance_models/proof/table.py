"""The tables of a proof, for docs/results.md."""

import json
from pathlib import Path
from typing import Any, Final

from dance_models.errors import InputError
from dance_models.proof.parts import AT_80_MS, ROWS
from dance_models.proof.run import FORMAT

NONE: Final = "-"  # not measured


def read_proof(path: Path) -> dict[str, Any]:
    """What :func:`dance_models.proof.run.run_proof` wrote. Raises InputError on another file."""
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if document["format"] == FORMAT and document["parts"] is not None:
            return document
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"this is no proof ({type(error).__name__})", file=path) from error
    raise InputError("this proof is of another version", file=path, hint="Make it again")


def proof_tables(document: dict[str, Any]) -> str:
    """The figures as Markdown; what failed or was left out is listed below them."""
    host, parts = document["host"], document["parts"]
    where = host.get("gpu", "a CPU")
    lines = [f"{where}, torch {host['torch']}, {document['data']['frames']:,} frames:", ""]
    if document["quick"]:
        lines[:0] = ["Of small networks and a few steps, to try the path: no result.", ""]
    lines += _table(
        (
            "network and recipe",
            "steps/s",
            "without graph",
            "busy",
            "peak MiB",
            "loss against CPU",
            "without TF32",
        ),
        [_speed_row(row, parts) for row in ROWS],
    )
    lines += _table(
        ("five folds together", "steps/s of one", "steps/s of all", "time of all over one"),
        [_folds_row(row, parts) for row in ROWS if f"folds {row}" in parts],
    )
    lines += _table(
        ("training", "epochs", "s", "s of the recipe", "of it steps", "last loss", "score"),
        [_training_row(row, parts) for row in ROWS],
    )
    lines += _bf16_lines(parts)
    lines += _left_out(document)
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    aligned = "|---|" + "---:|" * (len(head) - 1)
    return [f"| {' | '.join(head)} |", aligned, *(f"| {' | '.join(row)} |" for row in rows), ""]


def _shown(value: float | None, form: str = ".1f") -> str:
    return NONE if value is None else format(value, form)


def _done(parts: dict[str, Any], name: str) -> dict[str, Any]:
    """A part's figures; none when it was not done."""
    part = parts.get(name, {})
    return part if part.get("state") == "done" else {}


def _speed_row(row: str, parts: dict[str, Any]) -> tuple[str, ...]:
    captured, launched = _done(parts, f"speed {row}"), _done(parts, f"launched {row}")
    agreement, busy = _done(parts, f"agreement {row}"), _done(parts, f"busy {row}")
    return (
        row,
        _shown(captured.get("steps_per_second")),
        _shown(launched.get("steps_per_second")),
        _shown(busy.get("busy_share"), ".0%"),
        _shown(captured.get("peak_memory_mib"), ".0f"),
        _shown(agreement.get("first_gap"), ".2%"),
        _shown(agreement.get("first_gap_float32"), ".2%"),
    )


def _folds_row(row: str, parts: dict[str, Any]) -> tuple[str, ...]:
    folds = _done(parts, f"folds {row}")
    names = ("one_steps_per_second", "together_steps_per_second", "time_of_all_over_one")
    return (row, *(_shown(folds.get(name), ".2f") for name in names))


def _training_row(row: str, parts: dict[str, Any]) -> tuple[str, ...]:
    found = _done(parts, f"training {row}")
    if not found:
        return (row, *[NONE] * 6)
    projected = found["seconds_of_recipe_projected"]
    whole = f"{projected:.0f} (projected)" if projected else f"{found['seconds']:.0f}"
    return (
        row,
        f"{found['epochs']} of {found['epochs_of_recipe']}",
        f"{found['seconds']:.1f}",
        whole,
        f"{found['seconds_in_steps'] / found['seconds']:.0%}",
        f"{found['last_loss']:.4f}",
        f"{found['best']['score']:.4f}",
    )


def _bf16_lines(parts: dict[str, Any]) -> list[str]:
    found = _done(parts, "bf16 stga_net")
    if not found:
        return []
    plain, half = found["float32"], found["bfloat16"]
    return [
        f"bfloat16, STGA-Net, one short training each: {half['steps_per_second']:.1f} steps/s "
        f"against {plain['steps_per_second']:.1f}; error at 80 ms {half[AT_80_MS]:.3f} against "
        f"{plain[AT_80_MS]:.3f} % of the torso.",
        "",
    ]


def _left_out(document: dict[str, Any]) -> list[str]:
    parts = document["parts"]
    lines = [
        f"* {name}: {part['state']} ({part['reason']})"
        for name, part in parts.items()
        if part["state"] != "done"
    ]
    if "problem" in document["host"]:
        lines.append(f"* the device could not be described ({document['host']['problem']})")
    if "gpu" in document["host"]:
        lines += [line for name, part in parts.items() for line in _missing(name, part)]
    if not document["finished"]:
        lines.append("* It was interrupted: parts are missing")
    return lines


def _missing(name: str, part: dict[str, Any]) -> list[str]:
    """What a part that was done could not measure, or did without."""
    lines = [f"* {name}: warned: {line}" for line in part.get("warnings", [])]
    if part.get("is_captured") is False and not name.startswith("launched"):
        lines.append(f"* {name}: the step could not be captured as a graph")
    if "utilisation_percent" in part and part["utilisation_percent"] is None:
        lines.append(f"* {name}: no utilisation by the driver (pynvml is absent)")
    return lines
