"""Building the page from the long tables and the checkpoints."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import polars as pl

from dance_models.checkpoint import load_checkpoint
from dance_models.data.assemble import pose_runs_from_rows
from dance_models.data.crops import Crops
from dance_models.data.forecast_windows import cut_windows
from dance_models.evaluation.calibration import fit_calibration
from dance_models.evaluation.forecasts import Forecaster, fit_autoregression, zero_velocity
from dance_models.evaluation.scores import over_seeds
from dance_models.metrics.torso import visible_annotation
from dance_models.report.cases import forecast_cases, refinement_cases
from dance_models.report.figures import OFF_SCALE, case_figures, horizon_figure, loss_figure
from dance_models.report.glossary import glossary
from dance_models.report.page import Page
from dance_models.report.speed import hardware, speed_table
from dance_models.report.summary import by_input, gains, losses_by_style, summary
from dance_models.report.verdict import CONTESTS, Contest, doubt, judged_split, short_table, winners
from dance_models.report_tables.by_joint_and_speed import (
    joint_error_table,
    joint_table,
    speed_class_table,
)
from dance_models.report_tables.paper import (
    CONTRADICTIONS,
    our_horizon_table,
    our_mean_table,
    our_part_table,
    paper_tables,
)
from dance_models.report_tables.results import (
    Provenance,
    leak_table,
    prediction_table,
    prediction_tables,
    recognition_table,
    recognition_tables,
    without_ablations,
)
from dance_models.report_tables.table import Table
from dance_models.rows import Task, row_of

MOST_STYLES: Final = 20  # on the page
SPLIT_NAMES = {
    "folds": "Grouped cross-validation over all clips",
    "test": "Fixed split",
}


@dataclass(frozen=True, eq=False)
class Elsewhere:
    """The scores of a network on a corpus that it never saw, such as real video."""

    task: Task
    scores: pl.DataFrame  # RECOGNITION_SCORES or PREDICTION_SCORES
    paired: pl.DataFrame  # PAIRED_SCORES
    provenance: Provenance


@dataclass(frozen=True, eq=False)
class Results:
    """The input of the page."""

    recognition: pl.DataFrame  # RECOGNITION_SCORES
    prediction: pl.DataFrame  # PREDICTION_SCORES
    paired: pl.DataFrame  # PAIRED_SCORES
    splits: Sequence[pl.DataFrame]  # train, val, test rows
    refiners: Mapping[str, Path]  # best checkpoints of the fixed split
    forecasters: Mapping[str, Path]
    last: Mapping[str, Path]  # the last checkpoints of the same trainings
    provenance: Provenance
    facts: Mapping[str, str]  # digests and the like
    image_of: Callable[[str, int], Path | None]
    crops: Crops | None = None  # for networks that read images
    elsewhere: Sequence["Elsewhere"] = ()
    styles: frozenset[str] | None = None  # whose cases are drawn; None: all


def build_page(results: Results) -> Page:
    """The whole report."""
    page = Page("Dance pose: recognition and prediction")
    page.facts({"corpus": results.provenance.corpus})
    results, left_out = with_fewer_styles(results)
    if left_out:
        page.paragraph(
            f"Of {MOST_STYLES + left_out:,} styles the {MOST_STYLES} with the most frames are on "
            "this page; the score tables have all."
        )
    _winners(page, results)
    _summary(page, results)
    splits = [s for s in SPLIT_NAMES if s in set(results.recognition["split"])]
    _figures(page, results, splits[0])
    _cases(page, results)
    _beside_the_paper(page, results, splits[0])
    for split in splits:
        _tables(page, results, split)
    leak = results.recognition.filter(split="frames")
    if not leak.is_empty():
        page.heading("What a leak looks like")
        paired = results.paired.filter(split="frames")
        page.table(leak_table(leak, paired, results.provenance))
    _other_corpora(page, results.elsewhere)
    page.heading("Size and speed")
    page.side_by_side(speed_table({**results.refiners, **results.forecasters}))
    page.heading("Glossary")
    page.terms(glossary(set(results.recognition["method"]) | set(results.prediction["method"])))
    page.heading("What this page was made from")
    page.facts({**results.facts, "hardware": hardware()})
    return page


def with_fewer_styles(results: Results) -> tuple[Results, int]:
    """The results of the styles with the most frames, and how many styles are left out.

    A style has tables and cases of its own, and where each clip has a folder, each is a style.
    """
    frames = results.recognition.filter(pl.col("style") != "all").group_by("style")
    counted = frames.agg(pl.max("n_frames")).sort("n_frames", "style", descending=[True, False])
    if counted.height <= MOST_STYLES:
        return results, 0
    of_all = pl.col("style").is_in([*counted["style"][:MOST_STYLES], "all"])
    fewer = replace(
        results,
        recognition=results.recognition.filter(of_all),
        prediction=results.prediction.filter(of_all),
        paired=results.paired.filter(of_all),
        styles=frozenset(counted["style"][:MOST_STYLES]),
    )
    return fewer, counted.height - MOST_STYLES


def _winners(page: Page, results: Results) -> None:
    """The best rows alone, and who won."""
    page.heading("In short")
    splits: dict[str, None] = {}
    for contest, scores in zip(CONTESTS, (results.recognition, results.prediction), strict=True):
        if not scores.is_empty():
            page.side_by_side(short_table(contest, scores))
            splits[SPLIT_NAMES[judged_split(scores)]] = None
    if splits:
        page.paragraph(f"Values of the {' and the '.join(splits).lower()}.", note=True)
    sentence = winners(results.recognition, results.prediction)
    if sentence:
        page.paragraph(sentence[0].upper() + sentence[1:])
        shown = doubt(results.paired, judged_split(results.recognition))
        page.paragraph(f"{shown[0].upper()}{shown[1:]}.")


def _other_corpora(page: Page, elsewhere: Sequence[Elsewhere]) -> None:
    """The headline table of each evaluation; nothing without one."""
    if not elsewhere:
        return
    page.heading("On corpora that the networks never saw")
    page.paragraph(
        "Scored with dance evaluate. Nothing was trained, tuned or selected on these clips."
    )
    for found in elsewhere:
        table = recognition_table if found.task == "recognition" else prediction_table
        page.table(table(found.scores, found.paired, found.provenance))


def _summary(page: Page, results: Results) -> None:
    page.heading("What is shown, and what is not")
    for split, name in SPLIT_NAMES.items():
        sentences = summary(results.paired, split)
        if sentences:
            page.heading(name, 3)
            page.bullets(gains(results.recognition, results.prediction, split))
            page.bullets(sentences)
            page.bullets(by_input(results.paired, split))
            page.bullets(losses_by_style(results.paired, split))
    page.paragraph(
        "Better and worse mean: the 95 % interval of the paired difference (BCa bootstrap over "
        "takes) excludes zero, and a sign-flip test over takes gives a p-value of at most 0.05 "
        "after Holm's correction over styles and thresholds or horizons. With k takes a p-value "
        "cannot be below 2 / 2^k: where this is above 0.05 after the correction, nothing is "
        "claimed. Takes are resampled, trainings are not: a difference no larger than that between "
        "the seeds of a network says nothing about its parts.",
        note=True,
    )
    page.bullets(results.provenance.notes)


def _tables(page: Page, results: Results, split: str) -> None:
    page.heading(SPLIT_NAMES[split])
    recognition = results.recognition.filter(split=split)
    prediction = results.prediction.filter(split=split)
    paired = results.paired.filter(split=split)
    tables: list[Table] = recognition_tables(recognition, paired, results.provenance)
    if not prediction.is_empty():
        tables += prediction_tables(prediction, paired, results.provenance)
    for table in tables:
        page.table(table)
    recognition, prediction = (
        without_ablations(over_seeds(scores)) for scores in (recognition, prediction)
    )
    page.side_by_side(joint_table(recognition, 0.05), joint_table(recognition, 0.1))
    if not prediction.is_empty():
        page.side_by_side(joint_error_table(prediction, 320))
        page.side_by_side(speed_class_table(prediction))


def _beside_the_paper(page: Page, results: Results, split: str) -> None:
    page.heading("Beside the paper's tables")
    page.paragraph(
        "The paper's data are private: its numbers stand here for the shape of the tables, not as "
        "a comparison. Our PCK divides by the clip's median annotated torso."
    )
    recognition, prediction = (
        without_ablations(over_seeds(scores.filter(split=split)))
        for scores in (results.recognition, results.prediction)
    )
    for style in sorted(set(recognition["style"])):
        page.side_by_side(our_part_table(recognition, style), our_mean_table(recognition, style))
        if not prediction.is_empty():
            page.side_by_side(our_horizon_table(prediction, style))
    page.side_by_side(*paper_tables())
    page.bullets(CONTRADICTIONS)


def _figures(page: Page, results: Results, split: str) -> None:
    page.heading("Figures")
    prediction = without_ablations(over_seeds(results.prediction.filter(split=split)))
    if not prediction.is_empty():
        page.picture(
            horizon_figure(prediction),
            f"Mean joint error at the horizon, annotated input, {SPLIT_NAMES[split].lower()}; the "
            f"band is STGA-Net's interval. Rows whose largest error is more than {OFF_SCALE:g} "
            "times its largest are left out.",
        )
    networks = _compared({**results.refiners, **results.forecasters})
    trained = {
        # A best checkpoint ends with its epoch, the last one with the training.
        name: (load_checkpoint(results.last[name])["history"], _best_epoch(path))
        for name, path in networks.items()
    }
    page.picture(
        loss_figure(trained),
        "Training on the fixed split (the paper's figure 5), without the ablations. The validation "
        "score is an error: lower is better. A dot is the epoch whose weights are used.",
    )


def _best_epoch(checkpoint: Path) -> int:
    """The epoch, from 1 on, of a training's best checkpoint."""
    return int(load_checkpoint(checkpoint)["history"][-1]["epoch"])


def _ranking(contest: Contest, networks: Mapping[str, Path], otherwise: str) -> str:
    """The row by whose error cases are ranked: the headline network, when it was trained."""
    return contest.method if contest.method in networks else next(iter(networks), otherwise)


def _compared(networks: Mapping[str, Path]) -> dict[str, Path]:
    """Without the ablations: their poses look like those of the network they vary."""
    return {name: path for name, path in networks.items() if not row_of(name).ablation}


def _cases(page: Page, results: Results) -> None:
    page.heading("Best, median and worst cases")
    runs = [
        pose_runs_from_rows(table.filter(pl.col("variant") == 0)) if table.height else []
        for table in results.splits
    ]
    train, validation, test = runs
    shown = results.styles
    test = [run for run in test if run.annotated.any() and (shown is None or run.style in shown)]
    fit_on = cut_windows(train, [visible_annotation(run) for run in train], stride=2)
    trivial: dict[str, Forecaster] = {
        "zero_velocity": zero_velocity,
        "ar": fit_autoregression(fit_on),
    }
    calibrated = fit_calibration(train, validation or train)
    refiners, forecasters = _compared(results.refiners), _compared(results.forecasters)
    ranking = (
        _ranking(CONTESTS[0], refiners, "calibrated"),
        _ranking(CONTESTS[1], forecasters, "ar"),
    )
    refined = refinement_cases(
        test, calibrated, refiners, results.image_of, ranking[0], results.crops
    )
    forecasts = forecast_cases(test, trivial, forecasters, results.image_of, ranking[1])
    legend = (
        "Best, median and worst of each style by the error of {}. Grey: annotated; red: what the "
        "method says; below: mean error in % of torso, of the joints that are annotated and found."
    )
    for picture in case_figures(refined):
        page.picture(picture, f"Refined keypoints, fixed test split. {legend.format(ranking[0])}")
    for picture in case_figures(forecasts):
        page.picture(
            picture,
            "Forecasts at 320 ms (the paper's figure 6), fixed test split, on the frame that was "
            f"forecast; blue: the last observed pose. {legend.format(ranking[1])}",
        )
