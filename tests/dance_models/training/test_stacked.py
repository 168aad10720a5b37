"""Networks that are trained together are those that are trained alone."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from network_cases import NETWORKS, build, inputs

from dance_models.checkpoint import load_checkpoint
from dance_models.config import HbrnnConfig, MkffStGcnConfig, StgaNetConfig, TrainingConfig
from dance_models.data.folds import fold_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.nets.mkff_st_gcn import MkffStGcn
from dance_models.training.loop import EpochRecord, trainer_of
from dance_models.training.prediction import prediction_training, train_prediction
from dance_models.training.rate_search import RATES, train_network
from dance_models.training.recognition import recognition_training, train_recognition
from dance_models.training.stack import Stack, clip_each
from dance_models.training.stacked import Together, train_stacked
from dance_models.training.steps import AheadSteps, Steps
from dance_models.training.synthetic import synthetic_runs
from dance_models.training.task import Task, Training

REFINER = MkffStGcnConfig(
    spatial_channels=8,
    spatial_blocks=1,
    kinematic_channels=16,
    attention_blocks=1,
    landmarks=33,
    evidence=True,
    dropout=0.0,
)
FORECASTER = StgaNetConfig(channels=4, hidden=16, dropout=0.0, dct_inputs=5)
ADAMW = TrainingConfig(
    epochs=2, steps_per_epoch=3, batch_size=8, warmup_steps=2, ema_decay=0.9, jitter=0.01
)
SGD = replace(
    ADAMW, optimiser="sgd", learning_rate=0.01, schedule="exponential", ema_decay=0.0, jitter=0.0
)


def _folds() -> list[list[PoseRun]]:
    runs = synthetic_runs(5, 50)
    # Another length in one fold: its epochs have another number of steps when they are one pass.
    return [fold_runs(runs, 0), fold_runs(runs, 1)[1:]]


def _weights(folder: Path, name: str) -> dict[str, torch.Tensor]:
    state = load_checkpoint(folder / name)
    found = {key: value.float() for key, value in state["model"].items()}
    if name == "last.pt":
        for place, values in state["optimiser"]["state"].items():
            found |= {f"{place} {key}": value for key, value in values.items()}
        found |= {f"average {key}": value for key, value in (state["average"] or {}).items()}
    return found


def _same(alone: Path, together: Path, recipe: TrainingConfig) -> None:
    # AdamW divides a gradient by its own size, so where it is all rounding the update is not small.
    slack = 1e-4 if recipe.optimiser == "sgd" else 5e-3  # two steps at the highest rate
    for name in ("best.pt", "last.pt"):
        one, two = _weights(alone, name), _weights(together, name)
        assert list(one) == list(two)
        for key, value in one.items():
            assert value.shape == two[key].shape
            gap = (two[key].float() - value.float()).abs().max()
            assert gap < slack * max(1, float(value.float().abs().max())), (key, gap)
    first, second = (load_checkpoint(folder / "last.pt") for folder in (alone, together))
    assert first["experiment"] == second["experiment"]
    for a, b in zip(first["history"], second["history"], strict=True):
        assert a.keys() == b.keys()
        assert (a["epoch"], a["learning_rate"]) == (b["epoch"], b["learning_rate"])
        assert b["train_loss"] == pytest.approx(a["train_loss"], rel=1e-4)
        assert b["score"] == pytest.approx(a["score"], rel=1e-2)


def _recognition(
    folds: Sequence[Sequence[PoseRun]], recipe: TrainingConfig, folder: Path
) -> list[Training]:
    return [
        Training(*recognition_training(runs, REFINER, replace(recipe, seed=i)), folder / str(i))
        for i, runs in enumerate(folds)
    ]


@pytest.mark.filterwarnings("error:There is a performance drop")
@pytest.mark.parametrize("recipe", [SGD, replace(ADAMW, steps_per_epoch=0, batch_size=20)])
def test_recognition_together_is_recognition_alone(recipe: TrainingConfig, tmp_path: Path) -> None:
    folds, seen = _folds(), []
    trainings = _recognition(folds, recipe, tmp_path / "together")
    results = train_stacked(trainings, lambda place, record: seen.append((place, record.epoch)))
    assert sorted(seen) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    for i, (runs, result) in enumerate(zip(folds, results, strict=True)):
        alone = tmp_path / f"alone{i}"
        expected = train_recognition(runs, REFINER, replace(recipe, seed=i), alone)
        assert result.best_epoch == expected.best_epoch
        _same(alone, tmp_path / "together" / str(i), recipe)


@pytest.mark.filterwarnings("error:There is a performance drop")
def test_prediction_together_is_prediction_alone_and_resumes(tmp_path: Path) -> None:
    """Interrupted after an epoch, the trainings go on together; each could go on alone."""
    folds = _folds()
    together, alone = tmp_path / "together", tmp_path / "alone"

    def trainings(recipe: TrainingConfig) -> list[Training]:
        return [
            Training(
                *prediction_training(runs, FORECASTER, replace(recipe, seed=i)), together / str(i)
            )
            for i, runs in enumerate(folds)
        ]

    class StoppedError(Exception):
        pass

    def stop(place: int, record: EpochRecord) -> None:
        if place == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        train_stacked(trainings(ADAMW), stop)
    assert all((together / str(i) / "last.pt").is_file() for i in range(2))
    train_stacked(trainings(ADAMW))
    for i, runs in enumerate(folds):
        train_prediction(runs, FORECASTER, replace(ADAMW, seed=i), alone / str(i))
        _same(alone / str(i), together / str(i), ADAMW)
    before = (together / "0" / "last.pt").read_bytes()
    train_stacked(trainings(ADAMW))  # nothing is left to do
    assert (together / "0" / "last.pt").read_bytes() == before


def test_trainings_with_other_numbers_of_steps_behind_them_go_on_one_by_one(tmp_path: Path) -> None:
    trainings = _recognition(_folds(), SGD, tmp_path / "together")
    first = trainer_of(trainings[0])
    first.resume()
    first.keep(first._epoch(1))
    train_stacked(trainings)
    for i, runs in enumerate(_folds()):
        expected = train_recognition(runs, REFINER, replace(SGD, seed=i), tmp_path / f"alone{i}")
        assert expected.last.read_bytes() == trainings[i].folder.joinpath("last.pt").read_bytes()


def test_those_with_the_same_number_of_steps_behind_them_go_on_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between two checkpoints of one epoch leaves some behind."""
    trainings = _recognition([*_folds(), *_folds()], SGD, tmp_path)
    ahead = trainer_of(trainings[1])
    ahead.resume()
    ahead.keep(ahead._epoch(1))
    groups: list[int] = []
    fit = Together.fit

    def counted(self: Together[Any], report: Any) -> None:
        groups.append(len(self.trainers))
        fit(self, report)

    monkeypatch.setattr(Together, "fit", counted)
    seen: list[tuple[int, int]] = []
    train_stacked(trainings, lambda place, record: seen.append((place, record.epoch)))
    assert groups == [3]
    assert sorted(seen) == [(0, 1), (0, 2), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]


@pytest.mark.filterwarnings("error:There is a performance drop")
def test_each_trains_at_the_rate_that_its_own_validation_prefers(tmp_path: Path) -> None:
    """The searches of the learning rate go together, and so do trainings at different rates."""
    recipe = replace(ADAMW, rate_factors=(0.1, 1.0), pilot_share=0.5)
    folds = _folds()

    def trainings(root: Path) -> list[Training]:
        made = _recognition(folds, recipe, root)
        # Their validations prefer different rates: the first the lower one, which moves less.
        sign = (1, -1)
        return [one._replace(task=_scored(one.task, sign[i])) for i, one in enumerate(made)]

    together = train_stacked(trainings(tmp_path / "together"))
    for i, training in enumerate(trainings(tmp_path / "alone")):
        alone = train_network(training.build, training.task, training.folder)
        assert together[i].chosen_rate == alone.chosen_rate
        assert together[i].rates == pytest.approx(alone.rates, rel=1e-2)
        _same(tmp_path / "alone" / str(i), tmp_path / "together" / str(i), recipe)
    assert together[0].chosen_rate != together[1].chosen_rate
    assert not list(tmp_path.rglob("pilots"))


def _scored(task: Task[Any], sign: int) -> Task[Any]:
    """Validation prefers weights that moved little (1) or far (-1) from zero corrections."""

    def validate(model: torch.nn.Module) -> dict[str, float]:
        assert isinstance(model, MkffStGcn)
        return {"score": 1 + sign * float(model.correction.weight.norm())}

    return replace(task, validate=validate)


def test_a_pilot_that_diverges_costs_the_others_nothing(tmp_path: Path) -> None:
    recipe = replace(SGD, rate_factors=(1.0, 2.0), pilot_share=1.0)
    trainings = _recognition(_folds(), recipe, tmp_path)
    task = trainings[1].task

    def spoilt(draw: Any) -> Any:
        assert task.assemble is not None
        batch = task.assemble(draw)
        return batch._replace(target=batch.target * torch.nan)

    trainings[1] = trainings[1]._replace(task=replace(task, assemble=spoilt))
    with pytest.raises(FloatingPointError, match="every learning rate tried"):
        train_stacked(trainings[::-1])
    assert (tmp_path / "0" / RATES).is_file()  # what its pilots found is kept
    assert not (tmp_path / "1" / RATES).exists()


def test_early_stopping_is_each_trainings_own(tmp_path: Path) -> None:
    recipe = replace(SGD, epochs=4, patience=1, steps_per_epoch=1)
    trainings = _recognition(_folds(), recipe, tmp_path)
    worse = iter(range(1, 9))
    trainings[0] = trainings[0]._replace(
        task=replace(trainings[0].task, validate=lambda model: {"score": float(next(worse))})
    )
    better = iter(range(9, 0, -1))
    trainings[1] = trainings[1]._replace(
        task=replace(trainings[1].task, validate=lambda model: {"score": float(next(better))})
    )
    results = train_stacked(trainings)
    assert [len(result.history) for result in results] == [2, 4]


def test_dropout_masks_and_statistics_are_each_networks_own() -> None:
    torch.manual_seed(0)
    models = [MkffStGcn(replace(REFINER, dropout=0.5)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    for model in models:
        torch.nn.init.normal_(model.correction.weight)
    models[1].load_state_dict(models[0].state_dict())
    stack = Stack(models)
    batch = torch.randn(1, 4, 11, models[0].input_width).expand(2, -1, -1, -1)
    batch = torch.stack([batch[0], batch[0] + 3.0])
    losses = stack.losses(lambda model, x: model(x).square().mean(), batch)
    assert losses.shape == (2,)
    assert losses[0] != losses[1]
    same = torch.stack([batch[0], batch[0]])
    once = stack.losses(lambda model, x: model(x).square().mean(), same)
    assert once[0] != once[1]  # the same weights and input, other masks
    # Each network's running mean has seen its own input.
    alone = MkffStGcn(REFINER)
    alone.load_state_dict(models[0].state_dict())
    alone.train()(batch[1])
    copied = MkffStGcn(REFINER)
    fresh = Stack(models)
    fresh.losses(lambda model, x: model(x).square().mean(), batch)
    fresh.copy_to(1, copied)
    mean = "spatial_norm.running_mean"
    torch.testing.assert_close(copied.state_dict()[mean], alone.state_dict()[mean])
    counter = "spatial_norm.num_batches_tracked"
    assert copied.state_dict()[counter] == 1


@pytest.mark.filterwarnings("error:There is a performance drop")
@pytest.mark.parametrize(
    "name",
    [
        *("st_gcn", "smoothnet", "mlp", "stga_net, faithful", "simlpe"),
        *("t_gcn", "traj_gcn", "dmgnn", "eqmotion"),
    ],
)
def test_other_networks_go_together_too(name: str) -> None:
    net = NETWORKS[name]
    net = replace(net, dropout=0.0) if hasattr(net, "dropout") else net
    models = [build(net, seed=seed) for seed in range(2)]
    batch = inputs(net, 6).unflatten(0, (2, 3))

    def loss(model: torch.nn.Module, part: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = model(part).square().mean()
        return found

    together = Stack(models).losses(loss, batch)
    together.sum().backward()  # type: ignore[no-untyped-call]
    alone = torch.stack([loss(model.train(), batch[i]) for i, model in enumerate(models)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("kind", ["recognition", "prediction"])
def test_bfloat16_goes_together_too(kind: str, tmp_path: Path) -> None:
    """As far as rounding to three digits lets them agree."""
    recipe = replace(ADAMW, bf16=True)
    parts = [
        recognition_training(runs, REFINER, recipe)
        if kind == "recognition"
        else prediction_training(runs, FORECASTER, recipe)
        for runs in _folds()
    ]
    alone = [trainer_of(Training(*part, tmp_path / f"a{i}")).fit() for i, part in enumerate(parts)]
    together = train_stacked([Training(*part, tmp_path / f"t{i}") for i, part in enumerate(parts)])
    for one, other in zip(alone, together, strict=True):
        for record, same in zip(one.history, other.history, strict=True):
            assert same.train_loss == pytest.approx(record.train_loss, rel=0.02)


@pytest.mark.parametrize("steps_per_epoch", [3, 0])
def test_a_stack_steps_ahead_too(steps_per_epoch: int, tmp_path: Path) -> None:
    """As on a GPU: the draws, the rates and the shares of the average come from the device."""
    recipe = replace(ADAMW, steps_per_epoch=steps_per_epoch, batch_size=20)
    totals = []
    for ahead in (False, True):
        both = Together([trainer_of(one) for one in _recognition(_folds(), recipe, tmp_path)])
        if ahead:
            steps: Steps[Any] = AheadSteps(
                both.stack, both.steps.task, both.optimiser, both.average
            )
            steps.rates_differ = both.steps.rates_differ
            both.steps = steps
        assert both.steps.rates_differ == (steps_per_epoch == 0)
        both.stack.train()
        totals.append(both.steps.run(islice(both.draws(), 5), both.rates()))
    assert totals[0].shape == (2,)
    torch.testing.assert_close(totals[0], totals[1], rtol=1e-4, atol=0)


def test_gradients_are_clipped_for_each_network() -> None:
    models = [torch.nn.Linear(3, 2) for _ in range(2)]
    stack = Stack(models)
    torch.manual_seed(0)
    for parameter in stack.parameters():
        parameter.grad = torch.randn_like(parameter)
        parameter.grad[1] *= 0.01
    before = [
        parameter.grad.clone() for parameter in stack.parameters() if parameter.grad is not None
    ]
    clip_each(stack, 1.0)
    for i, model in enumerate(models):
        for parameter, gradient in zip(model.parameters(), before, strict=True):
            parameter.grad = gradient[i].clone()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for parameter, stacked in zip(model.parameters(), stack.parameters(), strict=True):
            assert stacked.grad is not None
            torch.testing.assert_close(stacked.grad[i], parameter.grad)


def test_what_cannot_go_together_is_refused(tmp_path: Path) -> None:
    folds = _folds()
    one, two = _recognition(folds, SGD, tmp_path)
    other = recognition_training(folds[1], REFINER, replace(SGD, batch_size=4))
    with pytest.raises(InputError, match="the seed and the data alone"):
        train_stacked([one, Training(*other, tmp_path / "other")])
    with pytest.raises(InputError, match="run on one device"):
        train_stacked(_recognition(folds, replace(SGD, devices=2), tmp_path))
    recurrent = recognition_training(folds[0], HbrnnConfig(), SGD)
    with pytest.raises(InputError, match="recurrent layers"):
        train_stacked([Training(*recurrent, tmp_path / "recurrent")] * 2)
    undrawn = two._replace(task=replace(two.task, assemble=None))
    with pytest.raises(InputError, match="person crops"):
        train_stacked([one, undrawn])
