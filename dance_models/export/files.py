"""A trained network as files for other programs: ONNX, a program of torch, and bare weights."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from dance_models.errors import InputError
from dance_models.export.program import exportable
from dance_models.files import replacing_together
from dance_models.metrics.horizon import FORECAST_HZ
from dance_models.nets.build import Refiner, skeleton_of
from dance_models.nets.hrnet import Hrnet
from dance_models.nets.mkff_st_gcn import outputs
from dance_models.tables import write_text

FORMATS: Final = ("onnx", "pt2", "safetensors")
CONFIG: Final = "config.json"
INPUT: Final = "poses"
OUTPUT: Final = "result"
LARGEST_DIFFERENCE: Final = 1e-4  # torso lengths, between a file's output and the network's
_EXTRA: Final = 'Install it: pip install "dance-pose-pipeline[export]"'
_REGISTRATION: Final = "torch.onnx._internal.exporter._registration"


class _Poses(nn.Module):
    """The poses alone, of a network that gives more."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, poses: Tensor) -> Tensor:
        """(B, T, ...) -> (B, T', J, D)."""
        return outputs(self.network(poses))[0]


def write_network(
    checkpoint: Path,
    folder: Path,
    formats: Sequence[str] = FORMATS,
    texts: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write ``model.FORMAT`` for each format, ``config.json`` and ``texts`` by name; the files.

    Every file is read again, and answers as the network does, on a batch of another size than it
    was exported with. So does a file of another format that is there already. They take their
    places together: a killed process leaves no ``config.json`` beside files of another network.
    Raises InputError for a format that there is not, for a package that is missing, for an
    unreadable checkpoint, for a file that answers otherwise, and where the disk is full.
    """
    formats = _known(formats)
    network, example = exportable(checkpoint)
    if isinstance(network, Hrnet):
        raise InputError("this network reads pictures, and is not exported", file=checkpoint)
    poses = poses_alone(network)
    batch = torch.cat([example, example[:1].flip(1)])
    with torch.no_grad():
        wanted = poses(batch).numpy()
    _refuse_other_network(
        poses, batch, wanted, [name for name in FORMATS if name not in formats], folder
    )
    facts = network_facts(network, example, wanted.shape[1:])
    plain = {**(texts or {}), CONFIG: json.dumps(facts, indent=2) + "\n"}
    with replacing_together(folder, "model", CONFIG) as part:
        for name in formats:
            path = part / f"model.{name}"
            _WRITERS[name](poses, example, path)
            difference = float(np.abs(_READERS[name](poses, batch, path) - wanted).max())
            if not difference <= LARGEST_DIFFERENCE:
                raise InputError(
                    f"its output differs by {difference:.2g} torso", file=folder / path.name
                )
        for name, text in plain.items():
            write_text(part / name, text)
    models = [folder / f"model.{name}" for name in formats]
    return [*models, *(folder / name for name in (CONFIG, *(texts or ())))]


def model_files(folder: Path, formats: Sequence[str]) -> list[str]:
    """Names of the files of a network that ``folder`` holds when ``formats`` have been written.

    :func:`write_network` lets those of other formats stand, which are of the same network. Raises
    InputError for a format that there is not.
    """
    wanted, names = _known(formats), {name: f"model.{name}" for name in FORMATS}
    return [file for name, file in names.items() if name in wanted or (folder / file).exists()]


def _known(formats: Sequence[str]) -> list[str]:
    """Each format once. Raises InputError for one that there is not."""
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise InputError(f"there is no format {unknown[0]!r}", hint=f"Known: {', '.join(FORMATS)}")
    return list(dict.fromkeys(formats))


def _refuse_other_network(
    poses: nn.Module,
    batch: Tensor,
    wanted: np.ndarray[Any, Any],
    formats: Sequence[str],
    folder: Path,
) -> None:
    """Raise InputError where the folder holds another network in a format that is not written.

    It would stand beside a ``config.json`` and a card that are not its own.
    """
    for name in formats:
        path = folder / f"model.{name}"
        if not path.exists():
            continue
        same = False
        with suppress(Exception):  # another network's, damaged, or made by other versions
            found = _READERS[name](poses, batch, path)
            same = found.shape == wanted.shape
            same = same and float(np.abs(found - wanted).max()) <= LARGEST_DIFFERENCE
        if not same:
            raise InputError(
                f"it is not of this network, and {name} is not among the formats to write",
                file=path,
                hint="Write that format as well, or to another folder (--out)",
            )


def network_facts(network: nn.Module, example: Tensor, output: Sequence[int]) -> dict[str, Any]:
    """What a program needs to know to use the files: shapes, joints, window, units."""
    skeleton = skeleton_of(network)
    facts: dict[str, Any] = {
        "architecture": type(network).__name__,
        "task": "recognition" if isinstance(network, Refiner) else "prediction",
        "skeleton": skeleton.id,
        "joints": list(skeleton.names),
        "input": {"name": INPUT, "shape": ["batch", *example.shape[1:]], "type": "float32"},
        "output": {"name": OUTPUT, "shape": ["batch", *output], "type": "float32"},
        "units": "torso lengths (median neck to mid-hip distance), x right, y down",
        "window_frames": int(example.shape[1]),
    }
    if isinstance(network, Refiner):
        facts["frame_rate_hz"] = network.config.frame_rate
        facts["causal"] = network.config.causal
        frame = "last" if network.config.causal else "middle"
        facts["origin"] = f"the pelvis in the {frame} frame"
    else:
        facts["frame_rate_hz"] = FORECAST_HZ
        facts["origin"] = "the pelvis of the last observed pose"
        facts["ahead_ms"] = [round(1000 * (k + 1) / FORECAST_HZ) for k in range(output[0])]
    config = getattr(network, "config", None)
    facts["configuration"] = asdict(config) if config is not None else {}
    return facts


# --- formats ----------------------------------------------------------------------------------


def poses_alone(network: nn.Module) -> nn.Module:
    """The network with the poses as its only output, in evaluation mode."""
    return _Poses(network).eval()


def onnx_program(poses: nn.Module, example: Tensor) -> Any:
    """What torch's exporter makes of a network, for batches of any size.

    Raises InputError when the exporter's package is not installed.
    """
    with _needed("onnxscript"), _without_notes():
        import onnxscript  # noqa: F401  (torch's exporter needs it)

        program = torch.onnx.export(
            poses, (example,), dynamo=True, verbose=False,
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            input_names=[INPUT], output_names=[OUTPUT],
        )  # fmt: skip
        assert program is not None
        return program


def _write_onnx(poses: nn.Module, example: Tensor, path: Path) -> None:
    onnx_program(poses, example).save(str(path), external_data=False)


def _run_onnx(poses: nn.Module, batch: Tensor, path: Path) -> np.ndarray[Any, Any]:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([OUTPUT], {INPUT: batch.numpy()})[0])


def _write_pt2(poses: nn.Module, example: Tensor, path: Path) -> None:
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(poses, (example,), dynamic_shapes=shapes)
    with path.open("wb") as file:  # by its name torch would ask for the suffix
        torch.export.save(program, file)


def _run_pt2(poses: nn.Module, batch: Tensor, path: Path) -> np.ndarray[Any, Any]:
    with path.open("rb") as file, torch.no_grad():
        return np.asarray(torch.export.load(file).module()(batch).numpy())


def _write_safetensors(poses: nn.Module, example: Tensor, path: Path) -> None:
    with _needed("safetensors"):
        from safetensors.torch import save

        state = {name: value.contiguous().clone() for name, value in _state(poses).items()}
        path.write_bytes(save(state, {"format": "pt"}))


def _run_safetensors(poses: nn.Module, batch: Tensor, path: Path) -> np.ndarray[Any, Any]:
    from safetensors.torch import load

    other = deepcopy(poses)
    for value in other.state_dict().values():
        value.zero_()  # what is not in the file is not there
    other.load_state_dict(
        {f"network.{name}": value for name, value in load(path.read_bytes()).items()}
    )
    with torch.no_grad():
        return np.asarray(other(batch).numpy())


def _state(poses: nn.Module) -> Mapping[str, Tensor]:
    """The weights by the names that they have in the network's class."""
    return {n.removeprefix("network."): value for n, value in poses.state_dict().items()}


_WRITERS: Final = {"onnx": _write_onnx, "pt2": _write_pt2, "safetensors": _write_safetensors}
_READERS: Final = {"onnx": _run_onnx, "pt2": _run_pt2, "safetensors": _run_safetensors}


@contextmanager
def _needed(package: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise InputError(f"the package {package} is not installed", hint=_EXTRA) from error


@contextmanager
def _without_notes() -> Iterator[None]:
    """Notes on operators of packages that are not installed, and on torch's own old names."""
    logger = logging.getLogger(_REGISTRATION)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(before)
