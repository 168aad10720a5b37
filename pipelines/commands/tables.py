"""``dance tables``: the rendered reports of the last run."""

from typing import TYPE_CHECKING

from rich.console import Console

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.shown import shown_lines

if TYPE_CHECKING:
    from pipelines.storage.store import Store


def tables(
    store: common.StoreOption = common.DEFAULT_STORE, debug: common.DebugOption = False
) -> None:
    """Print the recognition and prediction tables of the last run."""
    with common.reported(debug):
        print_tables(common.existing(store), common.console())


def print_tables(store: "Store", out: Console) -> None:
    """Print the rendered reports. Raises InputError when there is none yet."""
    from pipelines.assets.evaluation import REPORTS

    paths = [store.reports / f"{name}.txt" for name in REPORTS]
    found = [path for path in paths if path.is_file()]
    if not found:
        raise InputError("there is no report yet", file=store.reports, hint="Run `dance run` first")
    for path in found:
        out.print(shown_lines(path.read_text("utf-8")), highlight=False, soft_wrap=True)
