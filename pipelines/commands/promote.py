"""``dance promote``: make a version champion by hand."""

from typing import Annotated

import typer

from pipelines.commands import common
from pipelines.shown import shown


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
    from pipelines.storage.disk import full_disk_reported
    from pipelines.tracking.manual_promotion import PromotionRefusedError
    from pipelines.tracking.manual_promotion import promote as promote_version

    with common.reported(debug):
        try:
            opened = common.existing(store)
            with full_disk_reported(opened.path):
                done = promote_version(opened, task, version, force, reason)
            opened.send()
            common.console().print(shown(done), highlight=False, soft_wrap=True)
        except PromotionRefusedError as refused:
            errors = common.error_console()
            errors.print(f"[bold red]refused:[/] {shown(str(refused))}", soft_wrap=True)
            for line in refused.reasons:
                errors.print(f"  - {shown(line)}", highlight=False, soft_wrap=True)
            raise typer.Exit(common.EXIT_FAILED) from refused
