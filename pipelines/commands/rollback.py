"""``dance rollback``: back to the champion before."""

from typing import Annotated

import typer

from pipelines.commands import common
from pipelines.shown import shown


def rollback(
    task: Annotated[str, typer.Argument(help="recognition or prediction.")],
    store: common.StoreOption = common.DEFAULT_STORE,
    debug: common.DebugOption = False,
) -> None:
    """Make the previous champion champion again."""
    from pipelines.storage.disk import full_disk_reported
    from pipelines.tracking.manual_promotion import rollback as rollback_champion

    with common.reported(debug):
        opened = common.existing(store)
        with full_disk_reported(opened.path):
            done = rollback_champion(opened, task)
        common.console().print(shown(done), soft_wrap=True)
        opened.send()
