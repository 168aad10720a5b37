"""``python -m dance_models``: train, compare recipes, benchmark, render motion, ...

The pipeline exports its pose runs to one ``.npz`` file, which ``train`` and ``levers`` read; they
need torch and numpy only. ``rendered`` writes such a file; it needs the whole package.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

from dance_models.config import (
    CmuProtocolConfig,
    Experiment,
    HrnetExperiment,
    PredictionExperiment,
    RecognitionExperiment,
)
from dance_models.data.pose_runs import PoseRun, load_pose_runs
from dance_models.errors import InputError
from dance_models.processes import end_with_starter
from dance_models.profiles import PROFILES
from dance_models.recipes import CMU_NETWORKS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Config = TypeVar("Config", bound="DataclassInstance")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _value(text: str, kind: object) -> Any:
    """The text of an option as a value of type ``kind``. Raises ValueError."""
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ValueError(f"one of {', '.join(get_args(kind))}")
        return text
    if kind is str:
        return text
    value = json.loads(text)
    return tuple(value) if isinstance(value, list) else value


def _override(config: Config, settings: Sequence[str]) -> Config:
    """``config`` with "name=value" settings; values are JSON. Raises InputError."""
    kinds = {field.name: field.type for field in fields(config)}
    changes = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in kinds:
            raise InputError(f"there is no setting {name}", hint=f"Known: {', '.join(kinds)}")
        try:
            changes[name] = _value(text, kinds[name])
        except ValueError as error:
            raise InputError(f"{setting}: not a value of {kinds[name]} ({error})") from error
    return replace(config, **changes)


def _runs(path: Path) -> list[PoseRun]:
    try:
        return load_pose_runs(path)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"these are not pose runs ({error})", file=path, hint="Export them from the pipeline"
        ) from error


def _experiment(
    profile: str,
    task: str,
    training: Sequence[str],
    net: Sequence[str] = (),
    jitter: Sequence[str] = (),
) -> Experiment:
    """The profile's experiment with the settings of the command line. Raises InputError."""
    if jitter and task != "detection":
        raise InputError("--jitter is for --task detection: only its network reads person crops")
    if task == "recognition":
        recognition = PROFILES[profile].recognition
        return RecognitionExperiment(
            _override(recognition.net, net), _override(recognition.training, training)
        )
    if task == "detection":
        detection = PROFILES[profile].networks["hrnet"]
        assert isinstance(detection, HrnetExperiment)
        return replace(
            detection,
            net=_override(detection.net, net),
            training=_override(detection.training, training),
            jitter=_override(detection.jitter, jitter),
        )
    prediction = PROFILES[profile].prediction
    return PredictionExperiment(
        _override(prediction.net, net), _override(prediction.training, training)
    )


def train(arguments: argparse.Namespace) -> None:
    """Train one network; resumes from the checkpoint in the output folder, if there is one."""
    from dance_models.training.experiments import Wanted, train_experiment

    experiment = _experiment(
        arguments.profile, arguments.task, arguments.training, arguments.net, arguments.jitter
    )
    result = train_experiment(
        Wanted(_runs(arguments.runs), experiment, arguments.out),
        lambda record: _say(record.line()),
        crops=arguments.crops,
        initial=arguments.initial,
    )
    _say(f"best epoch {result.best_epoch} (score {result.best_score:.4f}): {result.best}")


def levers(arguments: argparse.Namespace) -> None:
    """What each part of a recipe brings, by cross-validation on the training clips; resumes."""
    from dance_models.evaluation.recipe_ablations import (
        RECIPE_CHANGES,
        RecipeChange,
        ablation_table,
        run_ablations,
    )
    from dance_models.recipes import at_share

    experiment = _experiment(arguments.profile, arguments.task, arguments.training)
    assert isinstance(experiment, RecognitionExperiment | PredictionExperiment)
    chosen = dict(RECIPE_CHANGES[arguments.task])
    for setting in arguments.initial:
        name, _, path = setting.partition("=")
        chosen[f"pre-trained: {name}"] = RecipeChange(initial=Path(path))
    if unknown := set(arguments.only) - set(chosen):
        raise InputError(
            f"there is no lever {', '.join(sorted(unknown))}", hint=f"Known: {', '.join(chosen)}"
        )
    found = run_ablations(
        _runs(arguments.runs),
        replace(experiment, training=at_share(experiment.training, arguments.length)),
        {name: chosen[name] for name in arguments.only or chosen},
        arguments.folds,
        arguments.out / arguments.task,
        _say,
        arguments.seeds,
    )
    _say("\n" + ablation_table(found, PROFILES[arguments.profile].evaluation))


def bench(arguments: argparse.Namespace) -> None:
    """Training steps per second of both networks, or of all rows; on exported or synthetic runs."""
    from dance_models.row_times import steps_per_second
    from dance_models.training.synthetic import synthetic_runs

    runs = (
        _runs(arguments.runs)
        if arguments.runs
        else synthetic_runs(arguments.clips, arguments.frames)
    )
    if arguments.rows:
        if arguments.training:
            raise InputError("--training is for the two networks; --rows times the profile's own")
        _bench_rows(arguments, runs)
        return
    for task in ("recognition", "prediction"):
        experiment = _experiment(arguments.profile, task, arguments.training)
        rate = steps_per_second(runs, experiment, arguments.steps)
        timed = experiment.training
        _say(
            f"{task}: {rate:.1f} steps/s of {timed.batch_size} windows "
            f"({timed.threads} threads, device {timed.device})"
        )


def _bench_rows(arguments: argparse.Namespace, runs: Sequence[PoseRun]) -> None:
    """A Markdown table of the time that each row of the profile takes to train."""
    from dance_models.row_times import row_times

    _say("| row | steps/s | steps | of pilots | trainings | minutes |\n|---|---|---|---|---|---|")
    total = 0.0
    for one in row_times(PROFILES[arguments.profile], runs, arguments.folds, arguments.steps):
        total += one.minutes
        _say(
            f"| `{one.row}` | {one.steps_per_s:.1f} | {one.steps:,} | {one.pilot_steps:,} | "
            f"{one.trainings} | {one.minutes:.1f} |"
        )
    _say(f"| all | | | | | {total:.0f} |")


def protocol(arguments: argparse.Namespace) -> None:
    """Train on the CMU motion-prediction benchmark (3-D) and print its table; resumes."""
    from dance_models.evaluation.cmu_protocol import (
        CmuBenchmark,
        protocol_tables,
        score_rows,
        train_rows,
        trivial_rows,
        write_scores,
    )
    from dance_models.motion.cmu_protocol import read_motion, read_skeleton

    known = CMU_NETWORKS[arguments.profile]
    chosen = {
        name: replace(known[name], training=_override(known[name].training, arguments.training))
        for name in arguments.network or known
    }
    benchmark = CmuBenchmark(
        read_motion(arguments.data),
        read_skeleton(arguments.skeleton),
        CmuProtocolConfig(),
        arguments.held_out,
    )
    benchmark.scored()  # raises before anything is trained
    rows = trivial_rows(benchmark) | train_rows(benchmark, chosen, arguments.out, _say)
    scores = score_rows(benchmark, rows)
    for table in protocol_tables(benchmark, scores):
        _say("\n" + table.markdown())
    name = "held_out.json" if arguments.held_out else "test.json"
    write_scores(benchmark, scores, arguments.out / name)


def rendered(arguments: argparse.Namespace) -> None:
    """Render motion on bodies, estimate it, and write the pose runs; resumes."""
    from dance_models.data.pose_runs import save_pose_runs
    from dance_models.estimators.weights import fetch_weights
    from dance_models.motion.read import motion_sources
    from dance_models.rendered.corpus import accuracy, read_takes, render_pieces, rendered_runs

    profile = PROFILES[arguments.profile]
    config = _override(replace(profile.rendered, pieces=arguments.pieces), arguments.set)
    takes, problems = read_takes(motion_sources(arguments.motion), config)
    for source, problem in problems.items():
        _say(f"not used: {source}: {problem}")
    folder = arguments.out / "views"
    weights = fetch_weights(arguments.weights or arguments.out / "weights")

    def report(done: int, total: int) -> None:
        _say(f"{done} of {total} views")

    pieces = render_pieces(takes, config, profile.estimator, weights, folder, report)
    runs = rendered_runs(pieces, folder, config)
    save_pose_runs(runs, arguments.out / "runs.npz")
    shown = ", ".join(f"{name} {value:.1f}" for name, value in accuracy(runs).items())
    _say(f"{len(runs)} clips, {sum(map(len, runs))} frames: {shown}")


def gpu_proof(arguments: argparse.Namespace) -> None:
    """What this machine's GPU makes of the trainings: rates, losses, folds, memory; one JSON."""
    from dance_models.proof.run import run_proof
    from dance_models.proof.table import proof_tables, read_proof

    path: Path = arguments.show or arguments.out
    if not arguments.show:
        run_proof(path, arguments.minutes, arguments.device, _say, quick=arguments.quick)
    _say("\n" + proof_tables(read_proof(path)))


def uncertainty(arguments: argparse.Namespace) -> None:
    """Errors of the angles by cross-validation, for the band that is shown about them."""
    from dance_models.analysis.uncertainty import angle_errors, write_errors
    from dance_models.inference.loading import load_refiner

    refiners = [load_refiner(path) for path in arguments.checkpoints]
    errors = angle_errors(_runs(arguments.runs), refiners, arguments.corpus)
    write_errors(errors, arguments.out)
    for name, error in errors.angles.items():
        _say(
            f"{name}: raw {error.raw_median} ({error.raw_p90}), refined {error.refined_median} "
            f"({error.refined_p90}) degrees, median (90 %)"
        )


def graphs(arguments: argparse.Namespace) -> None:
    """Write the ONNX graphs that the package runs its networks with, without their weights."""
    from dance_models.analysis import shipped
    from dance_models.export.graphs import write_graph
    from dance_models.export.program import exportable
    from dance_models.export.sessions import PREDICTION_GRAPH, RECOGNITION_GRAPH

    checkpoints = {RECOGNITION_GRAPH: shipped.RECOGNITION, PREDICTION_GRAPH: shipped.PREDICTION}
    for name, checkpoint in checkpoints.items():
        written = write_graph(*exportable(checkpoint), name, arguments.out)
        _say(f"{written}: {written.stat().st_size / 1e3:.0f} kB")


def _add_settings(parser: argparse.ArgumentParser, name: str, example: str) -> None:
    parser.add_argument(name, nargs="*", default=[], metavar="NAME=VALUE", help=f"e.g. {example}")


def _add_train(parser: argparse.ArgumentParser) -> None:
    tasks = ["recognition", "prediction", "detection"]
    parser.add_argument("--task", choices=tasks, required=True)
    parser.add_argument("--crops", type=Path, help="person_crops.npy, for detection")
    parser.add_argument("--initial", type=Path, help="best.pt of a pre-training to start from")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints")
    _add_settings(parser, "--net", "dropout=0.2")
    _add_settings(parser, "--jitter", "noise=6 blur=1, for detection")


def _add_levers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--task", choices=["recognition", "prediction"], required=True)
    parser.add_argument("--folds", type=int, default=3, help="how many of the split's; default: 3")
    parser.add_argument("--seeds", type=int, default=1, help="trainings of each; default: 1")
    parser.add_argument("--length", type=float, default=0.25, help="fraction of the steps")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these")
    parser.add_argument(
        "--initial",
        nargs="*",
        default=[],
        metavar="NAME=FILE",
        help="also start from the best.pt of a pre-training",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoints")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--steps", type=int, default=30, help="number of timed steps")
    parser.add_argument("--clips", type=int, default=6, help="synthetic clips without --runs")
    parser.add_argument("--frames", type=int, default=120, help="frames per synthetic clip")
    parser.add_argument("--rows", action="store_true", help="time every row of the profile")
    parser.add_argument("--folds", type=int, default=0, help="with --rows: of the run; default: 0")


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help=".npz of the sequences")
    parser.add_argument("--skeleton", type=Path, required=True, help="JSON of the 38 joints")
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and scores")
    names = sorted(CMU_NETWORKS["study"])
    parser.add_argument("--network", nargs="*", choices=names, default=[], help="default: all")
    parser.add_argument("--profile", choices=sorted(CMU_NETWORKS), default="study")
    parser.add_argument(
        "--held-out", action="store_true", help="score held-out training files, not the test"
    )
    _add_settings(parser, "--training", "epochs=5")


def _add_rendered(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--motion", type=Path, required=True, help="BVH and joint positions")
    parser.add_argument("--out", type=Path, required=True, help="folder of runs.npz and the views")
    parser.add_argument("--pieces", type=int, required=True, help="how many, in several views each")
    parser.add_argument("--weights", type=Path, help="the estimator's; default: in the folder")
    _add_settings(parser, "--set", "views=8 seconds=2.5 seed=1 workers=2")


def _add_gpu_proof(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("gpu_proof.json"), help="the JSON to write"
    )
    parser.add_argument(
        "--minutes", type=float, default=9.0, help="parts that do not fit are left out"
    )
    parser.add_argument("--device", choices=["auto", "cuda", "cpu"], default="cuda")
    parser.add_argument("--quick", action="store_true", help="small networks, to try the path")
    parser.add_argument("--show", type=Path, metavar="FILE", help="only print the tables of a JSON")


def _add_uncertainty(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=Path, required=True, help="exported .npz")
    parser.add_argument(
        "--checkpoints", type=Path, nargs="+", required=True, help="best.pt of each fold, in order"
    )
    parser.add_argument("--corpus", default="a test corpus", help="what the runs are, in words")
    parser.add_argument("--out", type=Path, required=True, help="the JSON to write")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dance_models", description=__doc__)
    commands = parser.add_subparsers(required=True)
    own = {train: _add_train, levers: _add_levers, bench: _add_bench, rendered: _add_rendered}
    for command, add_own in own.items():
        sub = commands.add_parser(command.__name__, help=command.__doc__)
        sub.set_defaults(command=command)
        sub.add_argument("--profile", choices=sorted(PROFILES), default="demo")
        if command is not rendered:
            needed = command is not bench
            sub.add_argument("--runs", type=Path, required=needed, help="exported .npz")
            _add_settings(sub, "--training", "epochs=5")
        add_own(sub)
    sub = commands.add_parser(protocol.__name__, help=protocol.__doc__)
    sub.set_defaults(command=protocol)
    _add_protocol(sub)
    sub = commands.add_parser("gpu-proof", help=gpu_proof.__doc__)
    sub.set_defaults(command=gpu_proof)
    _add_gpu_proof(sub)
    sub = commands.add_parser(uncertainty.__name__, help=uncertainty.__doc__)
    sub.set_defaults(command=uncertainty)
    _add_uncertainty(sub)
    sub = commands.add_parser(graphs.__name__, help=graphs.__doc__)
    sub.set_defaults(command=graphs)
    sub.add_argument("--out", type=Path, required=True, help="folder of the graphs")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 2 when the input cannot be used."""
    arguments = _parser().parse_args(argv)
    end_with_starter()
    try:
        arguments.command(arguments)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
