"""``dance lineage``: from a model back to its data, by digest."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands import common
from pipelines.shown import shown


def lineage(
    model: Annotated[
        str,
        typer.Argument(help="NAME@ALIAS, NAME/VERSION, an MLflow run id, or a network's asset."),
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Compare every file; 1 if one is lost or differs."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Also draw to a file: .mmd or .md (Mermaid), or .svg.")
    ] = None,
    store: common.StoreOption = common.DEFAULT_STORE,
    debug: common.DebugOption = False,
) -> None:
    """Trace a model back to its run, code, tables, clips and annotation files."""
    from pipelines.tracking.kept_versions import FOLDER
    from pipelines.tracking.lineage import checked, compare, trace
    from pipelines.tracking.lineage_drawing import require_suffix, tree, write_drawing

    with common.reported(debug):
        if out is not None:
            require_suffix(out)
        root = trace(common.existing(store), model)
        common.console().print(tree(root), highlight=False, soft_wrap=True)
        if out is not None:
            write_drawing(root, out)
        if check:
            found = compare(root)
            for line in found.differs:
                common.error_console().print(f"[bold red]differs:[/] {shown(line)}", soft_wrap=True)
            count = f"{checked(root)} files checked, {len(found.differs)} differ"
            if found.superseded:
                count += (
                    f"; {len(found.superseded)} are superseded: the store has newer ones and keeps "
                    f"those that the model was made from in {FOLDER}/"
                )
            common.console().print(f"{count}.", soft_wrap=True)
            if found.differs:
                raise typer.Exit(common.EXIT_FAILED)
