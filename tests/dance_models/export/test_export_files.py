"""Exported files answer as the networks do; what cannot be exported says why."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dance_models import files as plain_files
from dance_models.analysis import shipped
from dance_models.errors import InputError
from dance_models.export import files as export_files
from dance_models.export.files import LARGEST_DIFFERENCE, model_files, write_network
from dance_models.export.program import exportable
from dance_models.inference.loading import load_forecaster
from dance_models.skeleton import DANCE_14

CHECKPOINTS = (shipped.RECOGNITION, shipped.RECOGNITION_CAUSAL, shipped.PREDICTION)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.stem)
def test_weights_are_those_of_the_network(checkpoint: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    files = write_network(checkpoint, tmp_path, ["safetensors"])
    assert [file.name for file in files] == ["model.safetensors", "config.json"]
    network, _ = exportable(checkpoint)
    network.load_state_dict(safetensors.load_file(files[0]))
    facts = json.loads(files[1].read_text("utf-8"))
    assert facts["joints"] == list(DANCE_14.names)
    assert facts["causal" if "causal" in checkpoint.stem else "units"]
    assert facts["output"]["shape"][-2:] == [14, 2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("checkpoint", "formats"),
    [
        (shipped.RECOGNITION_CAUSAL, ("onnx", "pt2")),
        # Its graph is made in test_sessions.py, a program of its kind in test_model_files.py.
        pytest.param(shipped.PREDICTION, ("pt2",), marks=pytest.mark.exhaustive),
    ],
    ids=lambda value: value.stem if isinstance(value, Path) else "-".join(value),
)
def test_onnx_and_pt2_answer_as_the_network_for_any_batch(
    checkpoint: Path, formats: tuple[str, ...], tmp_path: Path
) -> None:
    """1e-4 of a torso: the networks' unit is the torso's length."""
    pytest.importorskip("onnxscript")
    import onnxruntime

    files = write_network(checkpoint, tmp_path, formats)
    network, example = exportable(checkpoint)
    batch = torch.randn(7, *example.shape[1:])
    with torch.no_grad():
        wanted = network(batch).numpy()
    for file in files:
        if file.suffix == ".onnx":
            session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            (found,) = session.run(None, {"poses": batch.numpy()})
        elif file.suffix == ".pt2":
            found = torch.export.load(file).module()(batch).detach().numpy()
        else:
            continue
        np.testing.assert_allclose(found, wanted, atol=LARGEST_DIFFERENCE)


def test_what_cannot_be_written_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="no format 'gguf'"):
        write_network(shipped.PREDICTION, tmp_path / "a", ["gguf"])
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(InputError, match=r"safetensors is not installed.*\[export\]"):
        write_network(shipped.PREDICTION, tmp_path / "b", ["safetensors"])
    assert not list(tmp_path.rglob("*.safetensors*"))
    assert load_forecaster(shipped.PREDICTION)


def test_no_network_is_left_under_the_configuration_of_another(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    write_network(shipped.RECOGNITION, tmp_path, ["safetensors"])
    before = (tmp_path / "config.json").read_bytes()
    write_network(shipped.RECOGNITION, tmp_path, [])  # the same network: its file stays
    assert model_files(tmp_path, ["onnx"]) == ["model.onnx", "model.safetensors"]
    for other in (shipped.RECOGNITION_CAUSAL, shipped.PREDICTION):
        with pytest.raises(InputError, match="it is not of this network") as raised:
            write_network(other, tmp_path, [])
        assert raised.value.file == str(tmp_path / "model.safetensors")
        assert (tmp_path / "config.json").read_bytes() == before
    write_network(shipped.PREDICTION, tmp_path, ["safetensors"])


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_one_that_is_stopped_while_it_writes_leaves_the_earlier_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("safetensors")
    write_network(shipped.RECOGNITION, tmp_path, ["safetensors"], {"README.md": "recognition"})
    before = _contents(tmp_path)
    for place in ("network_facts", "write_text"):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(export_files, place, _stop)
            write_network(shipped.PREDICTION, tmp_path, ["safetensors"], {"README.md": "other"})
        assert _contents(tmp_path) == before


def test_one_that_is_stopped_while_files_take_their_places_leaves_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one, programs would read the weights of a network as those of another."""
    pytest.importorskip("safetensors")
    write_network(shipped.RECOGNITION, tmp_path, ["safetensors"], {"README.md": "recognition"})
    moved: list[str] = []

    def move_to(place: Path, new: Path, aside: Path) -> None:
        if place.name == "config.json":
            raise KeyboardInterrupt
        moved.append(place.name)
        new.replace(place)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(plain_files, "move_to", move_to)
        write_network(shipped.PREDICTION, tmp_path, ["safetensors"], {"README.md": "prediction"})
    assert sorted(moved) == ["README.md", "model.safetensors"]
    assert not (tmp_path / "config.json").exists()
    files = write_network(
        shipped.PREDICTION, tmp_path, ["safetensors"], {"README.md": "prediction"}
    )
    assert [file.name for file in files] == ["model.safetensors", "config.json", "README.md"]
    assert (tmp_path / "README.md").read_text("utf-8") == "prediction"
    assert json.loads((tmp_path / "config.json").read_text("utf-8"))["task"] == "prediction"
