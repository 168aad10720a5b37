"""The report's figures as PNG bytes: error against horizon, loss curves, best to worst cases."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dance_models.skeleton import DANCE_14

DPI: Final = 100
WIDTH: Final = 12.0  # inches: the page's width
OFF_SCALE: Final = 1.6  # rows whose error is so many times STGA-Net's are left out of the figure
MOST_COLUMNS: Final = 6  # methods beside each other
MOST_ROWS: Final = 60  # cases below each other: a picture has at most 65,535 pixels
TALLEST_CELL: Final = 2.9  # inches
WIDEST_CELL: Final = WIDTH / TALLEST_CELL  # width over height, of the only one in a row
LEAST_HALF: Final = 20.0  # pixels to each side of a person of whom one joint is annotated
# Ten colours in three dashes: as many lines as there are rows, no two alike.
DASHES: Final = ("-", "--", ":")
COLOURS: Final = 10
TRUTH, OBSERVED, METHOD = "#444444", "#1f77b4", "#d62728"


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _line(number: int) -> dict[str, Any]:
    """Colour and dash of the nth line."""
    return {"color": f"C{number % COLOURS}", "linestyle": DASHES[number // COLOURS % len(DASHES)]}


def horizon_figure(scores: pl.DataFrame) -> bytes:
    """Error with its interval against the horizon; PREDICTION_SCORES of one split."""
    own = scores.filter(metric="mpjpe_torso", style="all", input="annotated")
    figure = Figure(figsize=(WIDTH, 4.6), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    highest = own.filter(method="stga_net")["value"].max()
    limit = OFF_SCALE * float(highest) if isinstance(highest, int | float) else float("inf")
    for number, method in enumerate(own["method"].unique(maintain_order=True)):
        mine = own.filter(method=method).sort("horizon_ms")
        most = mine["value"].max()
        if not isinstance(most, int | float) or most > limit:  # null: no clip shows a torso
            continue
        bold = method == "stga_net"
        (line,) = axis.plot(
            mine["horizon_ms"],
            mine["value"],
            marker="o",
            linewidth=2.4 if bold else 1,
            label=method,
            **_line(number),
        )
        if bold and mine["ci_low"].null_count() == 0:
            axis.fill_between(
                mine["horizon_ms"].to_numpy(),
                mine["ci_low"].to_numpy(),
                mine["ci_high"].to_numpy(),
                alpha=0.15,
                color=line.get_color(),
            )
    axis.set_xlabel("horizon, ms")
    axis.set_ylabel("mean joint error, % of torso")
    axis.grid(visible=True, alpha=0.3)
    if axis.lines:
        figure.legend(fontsize=9, frameon=False, loc="outside right upper")
    return _png(figure)


def loss_figure(trained: Mapping[str, tuple[Sequence[Mapping[str, Any]], int]]) -> bytes:
    """Training loss (log) and validation score of every network, an epoch a point (figure 5).

    ``trained``: all epochs of each training, and which one's weights are used, from 1 on.
    """
    figure = Figure(figsize=(WIDTH, 4.0), dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, (method, (history, best)) in enumerate(trained.items()):
        share = (np.arange(len(history)) + 1) / max(len(history), 1)
        left.plot(share, [row["train_loss"] for row in history], linewidth=1, **_line(number))
        score = np.array([row["score"] for row in history], float)
        score /= score[0]
        (line,) = right.plot(share, score, linewidth=1, label=method, **_line(number))
        right.plot(share[best - 1], score[best - 1], "o", markersize=5, color=line.get_color())
    left.set_yscale("log")
    left.set_ylabel("training loss")
    right.set_ylabel("validation score, share of the first epoch's")
    for axis in (left, right):
        axis.set_xlabel("share of the training")
        axis.grid(visible=True, alpha=0.3)
    figure.legend(fontsize=8, frameon=False, loc="outside right upper")
    return _png(figure)


@dataclass(frozen=True, eq=False)
class Background:
    """A part of a frame: RGB pixels, its left and top edge in the frame, and its reduction.

    Drawn whole, frames of 60 cases by six methods take gigabytes: each cell has a copy.
    """

    pixels: NDArray[np.uint8]  # (h, w, 3)
    left: float = -0.5  # pixels of the frame, whose first one has its middle at 0
    top: float = -0.5
    scale: float = 1.0  # pixels of the frame in one of these

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top edge in the frame."""
        height, width = self.pixels.shape[:2]
        right, bottom = self.left + width * self.scale, self.top + height * self.scale
        return self.left, right, bottom, self.top

    def within(self, box: "Box") -> "Background | None":
        """The part that lies in a box, and up to a pixel more; None when none does."""
        left, top, right, bottom = box
        height, width = self.pixels.shape[:2]
        x = [_places(edge - self.left, self.scale, width) for edge in (left, right)]
        y = [_places(edge - self.top, self.scale, height) for edge in (top, bottom)]
        pixels = self.pixels[y[0][0] : y[1][1], x[0][0] : x[1][1]]
        if not pixels.size:
            return None
        corner = self.left + x[0][0] * self.scale, self.top + y[0][0] * self.scale
        return Background(pixels, *corner, self.scale)


Box = tuple[float, float, float, float]  # left, top, right, bottom; pixels of the frame


def _places(distance: float, scale: float, most: int) -> tuple[int, int]:
    """The pixel edges before and after a distance from the first edge."""
    place = min(max(distance / scale, 0.0), float(most))
    return math.floor(place), math.ceil(place)


def window(truth: NDArray[np.floating], aspect: float) -> Box:
    """What a cell shows of the frame of a pose (J, 2); ``aspect`` is its width over its height."""
    known = truth[np.isfinite(truth).all(axis=-1)]
    middle = (known.min(axis=0) + known.max(axis=0)) / 2
    half = max(0.65 * float((known.max(axis=0) - known.min(axis=0)).max()), LEAST_HALF)
    x, y = float(middle[0]), float(middle[1])
    return x - aspect * half, y - half, x + aspect * half, y + half


@dataclass(frozen=True, eq=False)
class Case:
    """One pose by several methods; poses (J, 2) in pixels."""

    title: str
    truth: NDArray[np.floating]
    poses: Mapping[str, NDArray[np.floating]]  # by method
    error: Mapping[str, float]  # by method, % of torso
    start: NDArray[np.floating] | None = None  # the last observed pose, of a forecast
    image: Background | None = None


def case_figures(cases: Sequence[Case]) -> list[bytes]:
    """A row a case, a column a method: truth grey, the method's pose red (figure 6).

    As many pictures as there are groups of ``MOST_COLUMNS`` methods and ``MOST_ROWS`` cases; none
    without a case.
    """
    methods = list(cases[0].poses) if cases else []
    return [
        _case_figure(cases[row : row + MOST_ROWS], methods[column : column + MOST_COLUMNS])
        for row in range(0, len(cases), MOST_ROWS)
        for column in range(0, len(methods), MOST_COLUMNS)
    ]


def _case_figure(cases: Sequence[Case], methods: Sequence[str]) -> bytes:
    width = WIDTH / len(methods)
    height = min(width, TALLEST_CELL)
    figure = Figure(figsize=(WIDTH, height * len(cases)), dpi=DPI, layout="constrained")
    axes = figure.subplots(len(cases), len(methods), squeeze=False)
    for row, case in zip(axes, cases, strict=True):
        for axis, method in zip(row, methods, strict=True):
            _draw_case(axis, case, method, width / height)
        row[0].set_ylabel(case.title, fontsize=9, parse_math=False)  # a style may hold dollars
    for axis, method in zip(axes[0], methods, strict=True):
        axis.set_title(method, fontsize=10)
    return _png(figure)


def _draw_case(axis: Axes, case: Case, method: str, aspect: float) -> None:
    """One cell; ``aspect`` is its width over its height."""
    box = window(case.truth, aspect)
    behind = case.image.within(box) if case.image is not None else None
    if behind is not None:
        axis.imshow(behind.pixels, alpha=0.55, extent=behind.extent)
    if case.start is not None:
        _bones(axis, case.start, OBSERVED, 1.0)
    _bones(axis, case.truth, TRUTH, 2.2)
    _bones(axis, case.poses[method], METHOD, 1.2)
    left, top, right, bottom = box
    axis.set_xlim(left, right)
    axis.set_ylim(bottom, top)
    axis.set_aspect("equal")
    axis.set_xticks([])
    axis.set_yticks([])
    error = case.error[method]
    axis.set_xlabel(f"{error:.1f} %" if np.isfinite(error) else "no joint found", fontsize=9)


def _bones(axis: Axes, pose: NDArray[np.floating], colour: str, width: float) -> None:
    for parent, child in DANCE_14.edges:
        axis.plot(*pose[[parent, child]].T, color=colour, linewidth=width)
