"""Size and speed of trained networks on this machine."""

import os
import platform
from pathlib import Path
from typing import Final

import numpy as np
import torch

from dance_models.export.program import exportable
from dance_models.export.timing import window_times
from dance_models.report_tables.table import Table

THREADS: Final = (1, 2)


def hardware() -> str:
    """Processor, cores and GPU in a few words."""
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        processor = named[0] if named else processor
    except OSError:
        pass
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{processor}, {os.cpu_count()} cores, {gpu}, torch {torch.__version__}"


def speed_table(checkpoints: dict[str, Path]) -> Table:
    """Parameters and milliseconds a window (batch of one), median and 95th percentile."""
    rows = tuple(_row(method, path) for method, path in checkpoints.items())
    header = (
        "method",
        "parameters",
        *(f"ms p{q}, {n} thread{'s' if n > 1 else ''}" for n in THREADS for q in (50, 95)),
    )
    note = "Measured while the report was made, on whatever else the machine was doing."
    return Table.of_text("Size and speed, one window at a time", header, rows, (note,))


def _row(method: str, checkpoint: Path) -> tuple[str, ...]:
    module, example = exportable(checkpoint)
    cells = [f"{sum(p.numel() for p in module.parameters()):,}"]
    for threads in THREADS:
        times = window_times(module, example[:1], threads)
        cells += [f"{np.percentile(times, q):.1f}" for q in (50, 95)]
    return (method, *cells)
