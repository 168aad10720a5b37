"""``dance export``: a trained network as ONNX, a program of torch and bare weights, with a card."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.processes import remove_left_parts
from pipelines.shown import shown

SHIPPED: Final = "shipped"
CARD: Final = "README.md"


@dataclass(frozen=True)
class _Source:
    """A checkpoint, and what its card says."""

    checkpoint: Path
    title: str
    task: str
    folder: str = ""  # below --out
    scores: Mapping[str, str] = field(default_factory=dict)
    shipped: bool = False


def export(
    model: Annotated[
        str,
        typer.Argument(help="NAME@ALIAS, NAME/VERSION, a network's asset, a run, or `shipped`."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")],
    formats: Annotated[
        str, typer.Option("--formats", help="Some of onnx,pt2,safetensors.")
    ] = "onnx,pt2,safetensors",
    store: common.StoreOption = common.DEFAULT_STORE,
    debug: common.DebugOption = False,
) -> None:
    """Write a trained network for other programs, with config.json and a model card.

    Each file is read again and compared with the network. ONNX and safetensors need the extra
    `export`.
    """
    with common.reported(debug):
        from dance_models.export.files import CONFIG, FORMATS, model_files, write_network
        from pipelines.commands.video_arguments import check_places
        from pipelines.tracking.hub_card import hub_card

        wanted = [name.strip() for name in formats.split(",") if name.strip()]
        if not wanted:
            raise InputError("--formats: no format is named", hint=f"Known: {', '.join(FORMATS)}")
        for source in _sources(model, store):
            folder = out / source.folder
            names = [*model_files(folder, wanted), CONFIG]
            check_places([folder / name for name in (*names, CARD)])
            remove_left_parts(folder)
            card = hub_card(source.title, source.task, names, source.scores, shipped=source.shipped)
            files = write_network(source.checkpoint, folder, wanted, {CARD: card})
            written = ", ".join(path.name for path in files)
            common.console().print(f"{shown(str(folder))}: {shown(written)}", soft_wrap=True)


def _sources(model: str, store: str) -> Iterator[_Source]:
    """The networks that a name means. Raises InputError when there is none."""
    if model == SHIPPED:
        from dance_models.analysis import shipped

        for path in (shipped.RECOGNITION, shipped.RECOGNITION_CAUSAL, shipped.PREDICTION):
            task = path.stem.partition("_")[0]
            title = f"dance-pose {path.stem.replace('_', ' ')}"
            yield _Source(path, title, task, path.stem, shipped=True)
        return
    from dance_models.rows import ROWS
    from pipelines.tracking.registry import MODELS, Registry
    from pipelines.tracking.tracked_models import find_model
    from pipelines.tracking.tracker import Tracker

    opened = common.existing(store)
    found = find_model(opened, model)
    task = next(row.task for row in ROWS if row.id == found.method)
    scores: Mapping[str, str] = {}
    title = f"{found.method}, run {found.run_id}"
    if found.model is not None and found.version is not None:
        registered = next(task for task, known in MODELS.items() if known == found.model)
        scores = Registry(Tracker(opened), registered).tags(found.version)
        title = f"{found.model} version {found.version}"
    yield _Source(found.checkpoint, title, task, scores=scores)
