"""Both reports from the split tables and the checkpoints: fit on train, tune on val, score test.

Networks that were trained on folds are scored twice: over all clips, each clip by a network that
never saw its group (``split`` is "folds"), and on the fixed split ("test"). Ablations are compared
with the whole network that was trained as they were, and with nothing else.

p-values are given on the ``tested`` divisions alone: the fixed split of a study has too few takes.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dance_models.config import EvaluationConfig, JointDefinition
from dance_models.data.crops import Crops
from dance_models.data.forecast_windows import ForecastWindows, cut_windows
from dance_models.data.frame_split import held_out_runs
from dance_models.data.pose_runs import PoseRun
from dance_models.errors import InputError
from dance_models.evaluation.calibration import fit_calibration
from dance_models.evaluation.divisions import FOLDS, Part, Trained, divisions, with_seeds
from dance_models.evaluation.filters import tuned_filters
from dance_models.evaluation.forecasts import Forecaster, trivial_forecasters
from dance_models.evaluation.scores import (
    over_seeds,
    paired_prediction_scores,
    paired_recognition_scores,
    prediction_scores,
    recognition_scores,
)
from dance_models.inference.forecast import forecast
from dance_models.inference.loading import load_forecaster, load_refiner
from dance_models.inference.recognise import recognised_runs
from dance_models.inference.refine import refine_observed
from dance_models.metrics.torso import visible_annotation
from dance_models.report_tables.results import (
    Provenance,
    leak_table,
    prediction_tables,
    recognition_tables,
)
from dance_models.report_tables.table import Table
from dance_models.rows import FRAME_SPLIT, SHORT, row_of

FRAMES = "frames"  # the split of the demonstration of a leak
TRAIN_STRIDE = 2  # frames between the windows that linear forecasters are fitted on
REFINE_STRIDE = 2  # frames between the windows whose refinements are averaged

Poses = list[NDArray[np.floating]]
Headline = dict[str, dict[str, float]]  # method -> name of a metric -> value
Forecasts = dict[tuple[str, str], NDArray[np.floating]]  # (method, input) -> (N, 10, J, 2)


@dataclass(frozen=True, eq=False)
class Report:
    """Long tables, what is rendered from them, and the headline metrics of each method."""

    scores: pl.DataFrame
    paired: pl.DataFrame
    tables: list[Table]
    headline: Headline

    @property
    def markdown(self) -> str:
        """All tables as Markdown."""
        return "\n".join(table.markdown() for table in self.tables)

    @property
    def text(self) -> str:
        """The first table for a terminal."""
        return self.tables[0].text()


class LeakScores(NamedTuple):
    """Long tables of the comparison with the network trained with a leak."""

    scores: pl.DataFrame
    paired: pl.DataFrame


# --- recognition ------------------------------------------------------------------------------


def recognition_report(
    splits: Sequence[pl.DataFrame],
    *,
    networks: Mapping[str, Trained],
    config: EvaluationConfig,
    provenance: Provenance,
    crops: Crops | None = None,
    joints: JointDefinition = "annotation",
    tested: Collection[str] = (FOLDS,),
) -> Report:
    """Score raw, filters, calibration and the networks; ``splits`` are train, val, test rows.

    The network that leaks on purpose is compared separately, on the frames that were held out of
    its training (``split`` is "frames"). ``crops`` are for networks that read images. Raises
    InputError when test has no annotated clip, and when crops are needed and there are none.
    ``joints`` says whose definition the networks' joints have.
    """
    scores, paired, tables = [], [], []
    compared = with_seeds({n: t for n, t in networks.items() if n != FRAME_SPLIT.id})
    fixed: list[PoseRun] = []
    for split, parts in divisions(splits, compared):
        fixed = [run for part in parts for run in part.scored]
        seeds = _poses_by_seed(parts, crops, joints)
        scores.append(_recognition_scores(fixed, seeds, config, split))
        paired.append(
            paired_recognition_scores(
                fixed, seeds, config, split, _pairs(seeds[0]), tested=split in tested
            )
        )
        tables += recognition_tables(scores[-1], paired[-1], provenance)
    headline = _recognition_headline(scores[-1])
    if {FRAME_SPLIT.id, FRAME_SPLIT.network} <= networks.keys():
        leak = _leak(fixed, networks, config)
        scores.append(leak.scores)
        paired.append(leak.paired)
        tables.append(leak_table(leak.scores, leak.paired, provenance))
    return Report(pl.concat(scores), pl.concat(paired), tables, headline)


def _poses_by_seed(
    parts: Sequence[Part], crops: Crops | None, joints: JointDefinition
) -> list[dict[str, Poses]]:
    """The poses of every row in the scored runs of all parts, then those of each further seed."""

    def joined(by_part: Sequence[Mapping[str, Poses]]) -> dict[str, Poses]:
        return {name: [pose for own in by_part for pose in own[name]] for name in by_part[0]}

    return [
        joined([_refined_poses(part, crops, joints) for part in parts]),
        *(
            joined([_refined_by(part.seeds[k], part.scored, crops, joints) for part in parts])
            for k in range(len(parts[0].seeds))
        ),
    ]


def _pairs(methods: Iterable[str]) -> list[tuple[str, str]]:
    """Each row with those listed before it, and each ablation with the whole network alone."""
    listed = list(methods)
    compared = [(late, early) for early, late in combinations(listed, 2)]
    wholes = {method: row_of(method).whole for method in listed if method in SHORT}
    return [pair for pair in compared if not wholes.keys() & set(pair)] + [
        (method, whole) for method, whole in wholes.items() if whole in wholes
    ]


def _recognition_scores(
    runs: list[PoseRun], seeds: Sequence[dict[str, Poses]], config: EvaluationConfig, split: str
) -> pl.DataFrame:
    """Rows over all seeds and, where a network has several, a row of each beside them."""
    several = len(seeds) > 1
    seed = None if several or split == FOLDS else config.seed
    tables = [recognition_scores(runs, seeds, config, split, seed)]
    for number, by_name in enumerate(seeds if several else []):
        own = {name: poses for name, poses in by_name.items() if name in seeds[1]}
        tables.append(recognition_scores(runs, own, config, split, number))
    return pl.concat(tables)


def _leak(
    test: list[PoseRun], networks: Mapping[str, Trained], config: EvaluationConfig
) -> LeakScores:
    """The same network trained with and without the frames around the scored ones."""
    scored = held_out_runs(test)
    paths = {name: networks[name].best for name in (FRAME_SPLIT.network, FRAME_SPLIT.id)}
    predictions: dict[str, Poses] = {
        "raw": [run.estimate for run in scored],
        **_refined_by(paths, scored),
    }
    return LeakScores(
        recognition_scores(scored, predictions, config, FRAMES, config.seed),
        paired_recognition_scores(scored, predictions, config, FRAMES, tested=False),
    )


def _refined_poses(part: Part, crops: Crops | None, joints: JointDefinition) -> dict[str, Poses]:
    """The poses of every row in the scored runs of one part."""
    rows: dict[str, Poses] = {}
    for tuned in tuned_filters(part.validation):
        rows[tuned.name] = list(tuned(part.scored))
    rows["calibrated"] = list(fit_calibration(part.train, part.validation)(part.scored))
    return {**rows, **_refined_by(part.checkpoints, part.scored, crops, joints)}


def _refined_by(
    checkpoints: Mapping[str, Path],
    runs: list[PoseRun],
    crops: Crops | None = None,
    joints: JointDefinition = "annotation",
) -> dict[str, Poses]:
    return {
        name: list(recognised_runs(checkpoint, runs, crops, stride=REFINE_STRIDE, joints=joints))
        for name, checkpoint in checkpoints.items()
    }


def _recognition_headline(scores: pl.DataFrame) -> Headline:
    rows = over_seeds(scores).filter(
        (pl.col("metric") == "pck_torso") & (pl.col("style") == "all") & (pl.col("joint") == "all")
    )
    return _by_method(rows, lambda row: f"pck_torso_{row['threshold']:g}")


# --- prediction -------------------------------------------------------------------------------


def prediction_report(
    splits: Sequence[pl.DataFrame],
    *,
    networks: Mapping[str, Trained],
    refiner: Trained,
    config: EvaluationConfig,
    provenance: Provenance,
    tested: Collection[str] = (FOLDS,),
) -> Report:
    """Score trivial rows and networks, from annotated, refined and raw poses.

    ``splits`` are train, val, test rows; ``refiner`` is the recognition network of the cascade.
    Raises InputError when test has no window.
    """
    scores, paired, tables = [], [], []
    rows = {**with_seeds(networks), REFINER: refiner}
    for split, parts in divisions(splits, rows):
        if not all(REFINER in part.checkpoints for part in parts):
            continue  # the refiner of the cascade was not trained on folds
        scored = [run for part in parts for run in part.scored]
        windows, seeds = _forecasts_by_seed(parts, config.window_stride)
        if not len(windows["annotated"]):
            raise InputError(
                "no annotated test run is long enough for a prediction window (1.44 s without "
                "a gap)",
                hint="Annotate longer runs of contiguous frames",
            )
        scores.append(_prediction_scores(windows, scored, seeds, config, split))
        pairs = _pairs(dict.fromkeys(method for method, _ in seeds[0]))
        paired.append(
            paired_prediction_scores(
                windows, scored, seeds, config, split, pairs, tested=split in tested
            )
        )
        tables += prediction_tables(scores[-1], paired[-1], provenance)
    return Report(pl.concat(scores), pl.concat(paired), tables, _prediction_headline(scores[-1]))


def _forecasts_by_seed(
    parts: Sequence[Part], stride: int
) -> tuple[dict[str, ForecastWindows], list[Forecasts]]:
    """Windows of all parts by input; forecasts of every row, then those of each further seed."""

    def joined(by_part: Sequence[Forecasts]) -> Forecasts:
        return {key: np.concatenate([own[key] for own in by_part]) for key in by_part[0]}

    own_windows = [
        _windows_by_input(part.scored, part.checkpoints[REFINER], stride) for part in parts
    ]
    both = list(zip(parts, own_windows, strict=True))
    seeds = [
        joined([_forecasts(part, windows) for part, windows in both]),
        *(
            joined([_forecasts_by(part.seeds[k], windows) for part, windows in both])
            for k in range(len(parts[0].seeds))
        ),
    ]
    return _joined_windows(own_windows, [len(part.scored) for part in parts]), seeds


def _prediction_scores(
    windows: dict[str, ForecastWindows],
    runs: list[PoseRun],
    seeds: Sequence[Forecasts],
    config: EvaluationConfig,
    split: str,
) -> pl.DataFrame:
    """Rows over all seeds and, where a network has several, a row of each beside them."""
    several = len(seeds) > 1
    seed = None if several or split == FOLDS else config.seed
    tables = [prediction_scores(windows, runs, seeds, config, split, seed)]
    for number, by_key in enumerate(seeds if several else []):
        own = {key: forecasts for key, forecasts in by_key.items() if key in seeds[1]}
        tables.append(prediction_scores(windows, runs, own, config, split, number))
    return pl.concat(tables)


REFINER = "refiner of the cascade"


def _forecasts(part: Part, windows: Mapping[str, ForecastWindows]) -> Forecasts:
    """The forecasts of every row from one part's windows by input."""
    fitted = {source: _trivial(part, source) for source in ("annotated", "raw")}
    forecasts: Forecasts = {}
    for given, cut in windows.items():
        # From refined poses, the linear rows are those fitted on annotated windows, as the networks
        # are. Refined training clips are not like the scored ones: the refiner has learnt them.
        for name, row in fitted["raw" if given == "raw" else "annotated"]:
            forecasts[name, given] = row(cut.observed)
    return {**forecasts, **_forecasts_by(part.checkpoints, windows)}


def _forecasts_by(
    checkpoints: Mapping[str, Path], windows: Mapping[str, ForecastWindows]
) -> Forecasts:
    forecasts: Forecasts = {}
    for name, checkpoint in checkpoints.items():
        if name == REFINER:
            continue
        network = load_forecaster(checkpoint)
        for given, cut in windows.items():
            forecasts[name, given] = forecast(network, cut.observed)
    return forecasts


def _trivial(part: Part, source: str) -> list[tuple[str, Forecaster]]:
    """Trivial rows fitted on windows of annotated or of raw poses."""

    def cut(runs: list[PoseRun]) -> ForecastWindows:
        raw = source == "raw"
        poses = [run.estimate if raw else visible_annotation(run) for run in runs]
        return cut_windows(runs, poses, stride=TRAIN_STRIDE)

    return trivial_forecasters(cut(part.train), cut(part.validation))


def _windows_by_input(
    runs: list[PoseRun], refiner: Path, stride: int
) -> dict[str, ForecastWindows]:
    """Windows by input; the refiner reads the observed frames alone."""
    annotated = cut_windows(runs, [visible_annotation(run) for run in runs], stride=stride)
    raw = cut_windows(runs, [run.estimate for run in runs], stride=stride)
    refined = refine_observed(load_refiner(refiner), runs, raw)
    return {
        "annotated": annotated,
        "refined": ForecastWindows(refined, raw.future, raw.run, raw.anchor),
        "raw": raw,
    }


def _joined_windows(
    parts: Sequence[Mapping[str, ForecastWindows]], runs: Sequence[int]
) -> dict[str, ForecastWindows]:
    """The windows of all parts, their run numbers counted over the runs of all parts."""
    first = np.concatenate([[0], np.cumsum(runs)[:-1]])
    return {
        given: ForecastWindows(
            np.concatenate([part[given].observed for part in parts]),
            np.concatenate([part[given].future for part in parts]),
            np.concatenate([part[given].run + n for part, n in zip(parts, first, strict=True)]),
            np.concatenate([part[given].anchor for part in parts]),
        )
        for given in parts[0]
    }


def _prediction_headline(scores: pl.DataFrame) -> Headline:
    rows = over_seeds(scores).filter(
        (pl.col("metric") == "mpjpe_torso") & (pl.col("style") == "all")
        & (pl.col("input") == "annotated")
    )  # fmt: skip
    return _by_method(rows, lambda row: f"mpjpe_torso_{row['horizon_ms']}")


def _by_method(rows: pl.DataFrame, metric: Callable[[dict[str, Any]], str]) -> Headline:
    """Values by method and by the name under which a metric is logged."""
    headline: Headline = {}
    for row in rows.iter_rows(named=True):
        if row["value"] is not None:
            name = f"test_{row['method']}_{metric(row)}"
            headline.setdefault(row["method"], {})[name] = row["value"]
    return headline
