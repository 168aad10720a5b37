"""Options on where poses come from and what refines them, of the commands that take a video."""

from pathlib import Path
from typing import Annotated

import typer

PersonRuleOption = Annotated[
    str | None,
    typer.Option(
        metavar="RULE",
        help="Whom to follow where several people are: largest, centre, moving, all, or N, the "
        "N-th from the left where each is first seen, from 1. Default: the largest at the start.",
    ),
]
RecognitionOption = Annotated[
    str | None,
    typer.Option(
        help="NAME@ALIAS, an MLflow run id, or a network's asset of --store, in place of the "
        "network that comes with the package."
    ),
]
PredictionOption = Annotated[str | None, typer.Option(help="Likewise.")]
CacheOption = Annotated[
    Path | None, typer.Option(envvar="DANCE_CACHE", help="Folder for the estimator's weights.")
]
