"""Small plots as PNG bytes, without matplotlib's global state."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_EPOCH: Final = "epoch"
_HIDDEN: Final = (_EPOCH, "step", "steps")  # counters, not curves
_WIDTH, _HEIGHT, _EXTRA_HEIGHT = 6.4, 3.2, 1.4  # inches, of the first and each further panel
_DPI: Final = 100
_MAX_PANELS: Final = 4  # a preview, not a report

History = Sequence[Mapping[str, Any]]


def loss_curve(history: History) -> bytes:
    """PNG of a training history, which has one row an epoch.

    Columns whose name holds "loss" share the upper panel, on a logarithmic axis where all are
    positive; each of the first other numeric columns (scores, learning rate) has a panel of its
    own. Missing and non-finite values leave gaps. Raises ValueError when there is nothing to draw.
    """
    panels = _panels(history)
    if not panels:
        raise ValueError("the training history holds no numbers to draw")
    height = _HEIGHT + _EXTRA_HEIGHT * (len(panels) - 1)
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    ratios = [_HEIGHT, *[_EXTRA_HEIGHT] * (len(panels) - 1)]
    axes = figure.subplots(
        len(panels), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios}
    )[:, 0]
    epochs = [float(row.get(_EPOCH, position)) for position, row in enumerate(history)]
    for axis, columns in zip(axes, panels, strict=True):
        _draw(axis, epochs, {name: _values(history, name) for name in columns})
    axes[-1].set_xlabel(_EPOCH)
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()


def _panels(history: History) -> list[list[str]]:
    names = list(dict.fromkeys(name for row in history for name in row if name not in _HIDDEN))
    numeric = [n for n in names if any(math.isfinite(v) for v in _values(history, n))]
    losses = [name for name in numeric if "loss" in name.lower()]
    panels = [losses, *([name] for name in numeric if name not in losses)]
    return [panel for panel in panels if panel][:_MAX_PANELS]


def _values(history: History, name: str) -> list[float]:
    """One number an epoch, NaN where there is none."""
    return [
        float(v) if isinstance(v := row.get(name), int | float) else math.nan for row in history
    ]


def _draw(axis: Axes, epochs: Sequence[float], columns: Mapping[str, Sequence[float]]) -> None:
    for name, values in columns.items():
        axis.plot(epochs, values, marker="o", markersize=2.5, linewidth=1.2, label=name)
    finite = [v for values in columns.values() for v in values if math.isfinite(v)]
    if len(columns) > 1 and min(finite) > 0:
        axis.set_yscale("log")
    axis.grid(visible=True, alpha=0.3)
    axis.legend(fontsize=8, frameon=False)
