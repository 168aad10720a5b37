"""The table of what each stage of the chain costs, for ``dance bench`` and ``dance doctor``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from dance_models.chain import ChainTimes


def chain_table(title: str, columns: Mapping[str, "ChainTimes"]) -> Table:
    """CPU milliseconds a frame by stage, with its share, for each column."""
    from dance_models.chain import STAGES

    table = Table("Processor time a frame, ms", *columns, title=title)
    for stage in STAGES:
        cells = (f"{t.cpu_ms[stage]:.2f} ({t.share(stage):.0%})" for t in columns.values())
        table.add_row(stage, *cells)
    table.add_section()
    table.add_row("poses, without the overlay", *(f"{t.poses_ms:.1f}" for t in columns.values()))
    table.add_row("all", *(f"{t.total_ms:.1f}" for t in columns.values()))
    return table
