"""Every row of the tables is in the glossary."""

from evaluation_cases import make_run, swaying

from dance_models.data.forecast_windows import cut_windows
from dance_models.evaluation.filters import tuned_filters
from dance_models.evaluation.forecasts import trivial_forecasters
from dance_models.metrics.torso import visible_annotation
from dance_models.report.glossary import TERMS, TRIVIAL, glossary
from dance_models.rows import ROWS


def test_every_row_without_a_network_is_explained() -> None:
    runs = [make_run(swaying(50))]
    windows = cut_windows(runs, [visible_annotation(run) for run in runs])
    names = {name for name, _ in trivial_forecasters(windows, windows)}
    names |= {*(tuned.name for tuned in tuned_filters(runs)), "calibrated"}
    assert names == TRIVIAL.keys()


def test_only_the_rows_of_the_report_are_listed() -> None:
    assert glossary({"raw", "stga_net"}).keys() == {*TERMS, "raw", "stga_net"}
    every = glossary({row.id for row in ROWS})
    assert all(text and "\n" not in text for text in every.values())
