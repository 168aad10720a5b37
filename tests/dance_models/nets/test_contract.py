"""Properties of every network, on every skeleton."""

import hashlib
from typing import Any, Final

import numpy as np
import pytest
import torch
from network_cases import (
    DETECTORS,
    FORECASTERS,
    NETWORKS,
    REFINERS,
    NetConfig,
    all_kinds,
    build,
    inputs,
    kinds,
    on_skeleton,
    perturbed,
)
from torch import Tensor, nn

from dance_models.config import (
    DmgnnConfig,
    EqMotionConfig,
    FrameMlpConfig,
    HbrnnConfig,
    HrnetConfig,
    MkffStGcnConfig,
    PredictionNet,
    RecognitionNet,
    RefinerConfig,
    SimlpeConfig,
    SmoothNetConfig,
    StgaNetConfig,
    StGcnConfig,
    TGcnConfig,
    TrajGcnConfig,
)
from dance_models.data.forecast_windows import FUTURE, OBSERVED
from dance_models.geometry import mirror_keypoints
from dance_models.inference.crops import heatmaps_of
from dance_models.inference.refine import mirrored_run, refine_runs
from dance_models.nets.build import is_refiner, skeleton_of
from dance_models.nets.heatmaps import flip_back
from dance_models.nets.mkff_st_gcn import MkffStGcn, outputs
from dance_models.nets.refiner_input import unpack
from dance_models.skeleton import DANCE_14, Skeleton
from dance_models.skeletons.coco_17 import COCO_17
from dance_models.skeletons.mocap_25 import MOCAP_25
from dance_models.training.synthetic import synthetic_runs

SKELETONS: Final = (DANCE_14, COCO_17, MOCAP_25)

every_network = pytest.mark.parametrize("config", NETWORKS.values(), ids=NETWORKS)
every_refiner = pytest.mark.parametrize("config", REFINERS.values(), ids=REFINERS)
every_forecaster = pytest.mark.parametrize("config", FORECASTERS.values(), ids=FORECASTERS)
every_detector = pytest.mark.parametrize("config", DETECTORS.values(), ids=DETECTORS)
every_skeleton = pytest.mark.parametrize("skeleton", SKELETONS, ids=lambda s: s.id)


def _all_outputs(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Everything that the network returns, side outputs included."""
    if isinstance(model, MkffStGcn):
        return [part for part in model.refine(x) if part is not None]
    return [model(x)]


def test_all_networks_are_tested() -> None:
    assert kinds(NETWORKS.values()) == all_kinds()


# --- shapes -----------------------------------------------------------------------------------


@every_skeleton
@every_network
def test_output_has_the_poses_of_the_skeleton(config: NetConfig, skeleton: Skeleton) -> None:
    config = on_skeleton(config, skeleton)
    model, x = build(config, skeleton).eval(), inputs(config, 3, skeleton)
    assert skeleton_of(model) == skeleton
    pose = outputs(model(x))[0]
    joints, axes = skeleton.num_joints, skeleton.dimensions
    if isinstance(config, HrnetConfig):
        assert pose.shape == (3, joints, x.shape[2] // 4, x.shape[3] // 4)
    elif isinstance(config, RefinerConfig):
        assert pose.shape == (3, config.window, joints, axes)
        assert model.input_width == x.shape[-1]
    else:
        assert pose.shape == (3, FUTURE, joints, axes)


@pytest.mark.parametrize("training", [True, False])
@every_refiner
def test_an_untrained_refiner_returns_the_pose(config: RecognitionNet, training: bool) -> None:
    x = inputs(config, 4)
    refined = outputs(build(config).train(training)(x))[0]
    assert torch.equal(refined, unpack(x, config.landmarks, evidence=config.evidence).pose)


# --- what reaches the output ------------------------------------------------------------------


@every_skeleton
@every_network
def test_gradients_reach_all_parameters(config: NetConfig, skeleton: Skeleton) -> None:
    config = on_skeleton(config, skeleton)
    model = perturbed(build(config, skeleton))
    # Batch normalisation takes the mean out, and with it the biases before it.
    model.train(not isinstance(config, TrajGcnConfig))
    parts = _all_outputs(model, inputs(config, 8, skeleton))
    torch.stack([part.square().mean() for part in parts]).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-9, name


@every_network
def test_windows_of_a_batch_do_not_interact(config: NetConfig) -> None:
    model, x = perturbed(build(config)).eval(), inputs(config, 3)
    changed = x.clone()
    changed[1] += 1
    with torch.no_grad():
        for before, after in zip(_all_outputs(model, x), _all_outputs(model, changed), strict=True):
            difference = (after - before).abs().flatten(1).amax(dim=1)
            assert difference[1] > 1e-6
            assert difference[[0, 2]].max() == 0


@every_forecaster
def test_all_observed_frames_are_used(config: PredictionNet) -> None:
    """In double precision: the first frame's influence on a recurrent network is small."""
    model = perturbed(build(config), 0.05).double().eval()
    x = inputs(config, 1).double()
    with torch.no_grad():
        expected = model(x)
        for frame in range(OBSERVED):
            changed = x.clone()
            changed[:, frame] += 0.5
            assert (model(changed) - expected).abs().max() > 1e-9, frame


# --- determinism ------------------------------------------------------------------------------


@every_network
def test_a_seed_determines_weights_and_outputs(config: NetConfig) -> None:
    one, same, other = (build(config, seed=seed) for seed in (0, 0, 1))
    assert all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), same.state_dict().values(), strict=True)
    )
    assert any(
        not torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True)
    )
    x, returned = inputs(config, 3), []
    for model in (one, same):  # dropout included
        perturbed(model)
        torch.manual_seed(9)
        returned.append(_all_outputs(model, x))
    assert all(torch.equal(a, b) for a, b in zip(*returned, strict=True))


# --- export -----------------------------------------------------------------------------------

# Variants that differ in how a layer is built, not in which layers they have.
_NOT_EXPORTED: Final = {
    "smoothnet, landmarks",
    "hbrnn, landmarks",
    "stga_net, gcn",
    "stga_net, local-sym",
    "stga_net, local-distal",
    "stga_net, local",
    "stga_net, global",
    "stga_net, faithful",
    "stga_net, dct",  # the shipped one: test_export_files.py
    "t_gcn_residual",
    "t_gcn_velocity",
}


# What these are built of is in other networks that are exported here, or (STGA-Net) in the tests of
# models that are logged. Only DMGNN's encoder is not: its export takes half a minute.
_EXHAUSTIVE: Final = {
    "mkff_st_gcn, keypoints alone",
    "mkff_st_gcn, no confidence",
    "mkff_st_gcn, evidence",
    "mkff_st_gcn, evidence, no confidence",
    "st_gcn, landmarks",
    "st_gcn, evidence",
    "mlp, evidence",
    "stga_net",
    "dmgnn",
}


def _export_cases() -> list[Any]:
    names = [name for name in NETWORKS if name not in _NOT_EXPORTED]
    exhaustive = {name: [pytest.mark.exhaustive] for name in _EXHAUSTIVE}
    cases = [
        pytest.param(NETWORKS[name], DANCE_14, id=name, marks=exhaustive.get(name, []))
        for name in names
    ]
    config = on_skeleton(NETWORKS["mkff_st_gcn"], MOCAP_25)
    return [*cases, pytest.param(config, MOCAP_25, id=f"mkff_st_gcn-{MOCAP_25.id}")]


@pytest.mark.parametrize(("config", "skeleton"), _export_cases())
def test_exported_program_gives_the_same_for_any_batch(
    config: NetConfig, skeleton: Skeleton
) -> None:
    model = perturbed(build(config, skeleton), 0.05).eval()
    shapes = ({0: torch.export.Dim("batch")},)
    program = torch.export.export(model, (inputs(config, 2, skeleton),), dynamic_shapes=shapes)
    module = program.module()
    for batch in (1, 5):
        x = inputs(config, batch, skeleton)
        with torch.no_grad():
            exported, expected = module(x), model(x)
        torch.testing.assert_close(exported, expected, atol=1e-5, rtol=1e-4)


# --- mirror images ----------------------------------------------------------------------------


@every_skeleton
@every_refiner
def test_refined_mirror_image_is_the_mirror_image_of_the_refined(
    config: RecognitionNet, skeleton: Skeleton
) -> None:
    """With ``test_mirror``, for any weights."""
    model = perturbed(build(on_skeleton(config, skeleton), skeleton))
    assert is_refiner(model)
    run = synthetic_runs(1, 15, skeleton=skeleton)[0]
    (one,) = refine_runs(model, [run])
    (other,) = refine_runs(model, [mirrored_run(run, skeleton)])
    expected = mirror_keypoints(one, run.width, skeleton=skeleton)
    np.testing.assert_allclose(other, expected, atol=1e-3)
    assert np.abs(one - run.estimate).max() > 1


@every_skeleton
@every_forecaster
def test_untrained_forecasts_of_mirror_images_are_mirrored(
    config: PredictionNet, skeleton: Skeleton
) -> None:
    if isinstance(config, TGcnConfig) and config.output == "absolute":
        pytest.skip("its output starts at random")
    model, x = build(config, skeleton).eval(), inputs(config, 3, skeleton)
    flip, order = torch.tensor(skeleton.reflection), list(skeleton.mirror)
    with torch.no_grad():
        other = model(x[:, :, order] * flip)
        torch.testing.assert_close(other, model(x)[:, :, order] * flip, atol=1e-5, rtol=1e-5)


@every_detector
def test_averaged_heatmaps_of_a_mirrored_picture_are_mirrored(config: HrnetConfig) -> None:
    model, x = perturbed(build(config)).eval(), inputs(config, 2)
    with torch.no_grad():
        one, other = (heatmaps_of(model, picture, mirror=True) for picture in (x, x.flip(-1)))
    torch.testing.assert_close(flip_back(other), one, atol=1e-5, rtol=1e-5)


# --- checkpoints ------------------------------------------------------------------------------

# Names, shapes and types of the state of the default networks on the default skeleton. A change
# here means that older checkpoints can no longer be read.
PINNED: Final[dict[str, tuple[NetConfig, str]]] = {
    "mkff_st_gcn": (MkffStGcnConfig(landmarks=33), "58eeedbf5cdb7142"),
    "mkff_st_gcn.faithful": (MkffStGcnConfig(), "3c51eedcc419fb7b"),
    "mkff_st_gcn, style and uncertainty": (
        MkffStGcnConfig(style_classes=3, uncertainty=True),
        "0d0f27a46fb66f04",
    ),
    "mkff_st_gcn, evidence": (MkffStGcnConfig(landmarks=33, evidence=True), "eccc78794b58e45b"),
    "st_gcn": (StGcnConfig(landmarks=33), "390336f2eb0e3158"),
    "st_gcn, evidence": (StGcnConfig(landmarks=33, evidence=True), "ec0025435458e386"),
    "mlp": (FrameMlpConfig(landmarks=33, evidence=True), "4c41c8135134d715"),
    "smoothnet": (SmoothNetConfig(), "35e2a4410eded496"),
    "hbrnn": (HbrnnConfig(), "08e211b2c23f2523"),
    "stga_net": (StgaNetConfig(), "abf1e76653deda52"),
    "stga_net, additive": (StgaNetConfig(attention="additive"), "a1b6674862fa857d"),
    "stga_net.faithful": (
        StgaNetConfig(kinematic_inputs=False, velocity_residual=False, attention="additive"),
        "ed7190569ca291b7",
    ),
    "stga_net, gcn with a free decoder": (StgaNetConfig(graph="gcn"), "34069aad56ef1046"),
    "stga_net.gcn": (StgaNetConfig(graph="gcn", free_decoder=False), "46e235bd5f428665"),
    "stga_net.local": (StgaNetConfig(graph="local"), "8ea39fe9aa48b2df"),
    "stga_net.global": (StgaNetConfig(graph="global"), "5d64c8c022b8eb1a"),
    "stga_net, dct": (StgaNetConfig(dct_inputs=10), "6e96de6f329aa4c6"),
    "simlpe": (SimlpeConfig(), "5471c663b9f3b906"),
    "t_gcn": (TGcnConfig(), "90e389e854314126"),
    "t_gcn_velocity": (TGcnConfig(output="velocity"), "45c380fa8d710b71"),
    "traj_gcn": (TrajGcnConfig(), "303a4172cc504f68"),
    "dmgnn": (DmgnnConfig(), "7bd4a30924c5bc04"),
    "eqmotion": (EqMotionConfig(), "e7487db7ff016280"),
    "hrnet": (HrnetConfig(), "a6c7d284086430f9"),
}


def _layout(model: nn.Module) -> str:
    """Digest of the names, shapes and types of all weights and buffers, in their order."""
    lines = [f"{k} {tuple(v.shape)} {v.dtype}" for k, v in model.state_dict().items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.mark.parametrize(("config", "digest"), PINNED.values(), ids=PINNED)
def test_state_keeps_its_layout(config: NetConfig, digest: str) -> None:
    assert _layout(build(config)) == digest


def test_the_layout_of_all_networks_is_pinned() -> None:
    assert kinds(config for config, _ in PINNED.values()) == all_kinds()
