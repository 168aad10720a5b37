"""``dance promote``: make a version champion by hand."""

from typing import Annotated

import typer
from rich.markup import escape

from pipelines.commands import common


def promote(
    task: Annotated[str, typer.Argument(help="recognition or prediction.")],
    version: Annotated[
        int | None, typer.Option(help="Version of the registered model; default: the challenger.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Promote regardless of the gate; needs --reason.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why the gate is overruled.")] = None,
    store: common.StoreOption = common.DEFAULT_STORE,
    debug: common.DebugOption = False,
) -> None:
    """Make a version that passed the gate champion."""
    from pipelines.tracking.manual_promotion import PromotionRefusedError
    from pipelines.tracking.manual_promotion import promote as promote_version

    with common.reported(debug):
        try:
            common.console().print(
                promote_version(common.existing(store), task, version, force, reason)
            )
        except PromotionRefusedError as refused:
            errors = common.error_console()
            errors.print(f"[bold red]refused:[/] {escape(str(refused))}")
            for line in refused.reasons:
                errors.print(f"  - {escape(line)}", highlight=False, soft_wrap=True)
            raise typer.Exit(common.EXIT_FAILED) from refused
