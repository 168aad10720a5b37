"""The trained networks that come with the package; ``weights/NOTICE`` says on what and how."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch

from dance_models.analysis.video import Networks
from dance_models.checkpoint import load_checkpoint, save_checkpoint
from dance_models.export.sessions import fast_forecaster, fast_refiner
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.nets.build import Refiner
from dance_models.nets.mkff_st_gcn import MkffStGcn

FOLDER: Final = Path(__file__).parent / "weights"
RECOGNITION: Final = FOLDER / "recognition.pt"
RECOGNITION_CAUSAL: Final = FOLDER / "recognition_causal.pt"
PREDICTION: Final = FOLDER / "prediction.pt"
DESCRIBED: Final = "shipped with the package, trained on rendered dance alone"


def networks(
    recognition: Path = RECOGNITION, prediction: Path = PREDICTION, *, causal: bool = False
) -> Networks:
    """The networks of the given checkpoints, by default the shipped ones.

    ONNX Runtime runs them where the package has a graph for their configuration, torch where it has
    none. With ``causal`` the poses are refined by the network that forecasts are made from, the
    shipped causal one unless ``recognition`` is causal. Raises InputError for a checkpoint of
    another kind.
    """
    refiner = fast_refiner(load_refiner(recognition))
    if causal and not refiner.config.causal:
        refiner = fast_refiner(load_refiner(RECOGNITION_CAUSAL))
    observer = refiner if refiner.config.causal else _observer()
    return Networks(refiner, observer, fast_forecaster(load_forecaster(prediction)))


def _observer() -> Refiner:
    """The causal network for poses that are not shown: each window is refined once, not mirrored.

    Half the work of all refining. On the six rendered test clips forecasts made from its poses are
    off by 7.80 in place of 7.77 % of the torso at 80 ms and 23.81 in place of 23.77 at 400 ms.
    """
    network = load_refiner(RECOGNITION_CAUSAL)
    assert isinstance(network, MkffStGcn)
    network.config = replace(network.config, test_mirror=False)
    return fast_refiner(network)


def pack(checkpoint: Path, target: Path) -> None:
    """Write the weights of a checkpoint alone, rounded to 16 bits, with what says how to build it.

    Loading turns them back into 32 bits. Counters stay as they are.
    """
    state = load_checkpoint(checkpoint)
    weights = {
        name: value.half() if value.dtype == torch.float32 else value
        for name, value in state["model"].items()
    }
    kept: dict[str, Any] = {n: state[n] for n in ("experiment", "skeleton") if n in state}
    save_checkpoint({"model": weights, **kept}, target)
