"""``dance rollback``: back to the champion before."""

from typing import Annotated

import typer

from pipelines.commands.common import (
    DEFAULT_STORE,
    DebugOption,
    StoreOption,
    console,
    opened,
    reported,
)


def rollback(
    task: Annotated[str, typer.Argument(help="recognition or prediction.")],
    store: StoreOption = DEFAULT_STORE,
    debug: DebugOption = False,
) -> None:
    """Make the previous champion champion again."""
    from pipelines.tracking.manual_promotion import rollback as rollback_champion

    with reported(debug):
        console().print(rollback_champion(opened(store), task))
