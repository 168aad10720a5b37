"""Options on where poses come from and what refines them, of the commands that take a video."""

from pathlib import Path
from typing import Annotated, Final

import typer

OTHER_NETWORKS: Final = "Networks of your own"

_WHOM: Final = (
    "Whom to follow when there are several people: largest, centre, moving{all}, or a number: 1 is "
    "the first from the left, by where each is first seen. Default: the largest at the start."
)
PersonRuleOption = Annotated[
    str | None, typer.Option(metavar="WHO", help=_WHOM.format(all=", all (each on a page)"))
]
OnePersonOption = Annotated[str | None, typer.Option(metavar="WHO", help=_WHOM.format(all=""))]
RecognitionOption = Annotated[
    str | None,
    typer.Option(
        help="Network that corrects the poses, in place of the one that comes with the package: "
        "NAME@ALIAS, an MLflow run id, or a network's asset of --store.",
        rich_help_panel=OTHER_NETWORKS,
    ),
]
PredictionOption = Annotated[
    str | None,
    typer.Option(
        help="Network that forecasts the poses, named in the same ways.",
        rich_help_panel=OTHER_NETWORKS,
    ),
]
ModelStoreOption = Annotated[
    str,  # not a path: a URL has to reach the store as it is
    typer.Option(
        "--store",
        envvar="ASSETS_STORE",
        help="Where these two are looked up. Results go to --out.",
        rich_help_panel=OTHER_NETWORKS,
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        envvar="DANCE_CACHE",
        help="Folder for the files of the pose estimator (weights), which are fetched once.",
    ),
]
