"""``dance verify``: every recorded file against its sha256, and the databases."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from dance_models.errors import InputError
from pipelines.commands import common
from pipelines.shown import shown
from pipelines.storage.databases import connect
from pipelines.storage.disk import full_disk_reported

if TYPE_CHECKING:
    import dagster as dg

    from pipelines.storage.manifests import Damage
    from pipelines.storage.store import Store

LOST_PICTURES: Final = (
    "Damaged or missing pictures for the web UI: {}. Nothing is made of them; each is drawn again "
    "when its asset is made anew, or restored from a backup."
)
NO_MANIFEST: Final = "is missing or damaged"
WEIGHTS: Final = "the estimator's weights"


def verify(
    store: common.StoreOption = common.DEFAULT_STORE, debug: common.DebugOption = False
) -> None:
    """Hash every file that was recorded; list what is damaged or missing and what makes it.

    Exit code 1 when something is. The next `dance run` makes it again. Databases are checked by
    SQLite (those on PostgreSQL: whether they answer and are complete); a damaged one, and a damaged
    version of a table that was kept for a model, has to be restored from a backup. Pictures of the
    web UI that are lost are named and do not count.
    """
    with common.reported(debug):
        opened = common.existing(store)
        if not opened.dagster_home.is_dir():
            raise InputError(
                "what was made is recorded in databases that are not on this machine",
                file=opened.dagster_home,
                hint="Call it where `dance run` was called, or restore the folder from a backup",
            )
        console = common.console()
        with full_disk_reported(opened.path):
            found = list(verified(opened))
        pictures = [one for one in found if one.is_picture]
        findings = [one for one in found if not one.is_picture]
        for one in (*findings, *pictures):
            console.print(shown(one.line()), highlight=False, soft_wrap=True)
        if pictures:
            said = LOST_PICTURES.format(len(pictures))
            console.print(shown(said), highlight=False, soft_wrap=True)
        if findings:
            console.print(f"{len(findings)} files are damaged or missing.")
            raise typer.Exit(common.EXIT_FAILED)
        console.print(f"Every {'other ' if pictures else ''}recorded file is what it was.")


@dataclass(frozen=True)
class Damaged:
    """A file that is not what it should be, and what makes it."""

    file: str  # in the store
    what: str
    maker: str
    is_picture: bool = False  # for the web UI: no run makes it again by itself

    def line(self) -> str:
        """All of it."""
        return f"{self.file} {self.what}; {self.maker}"


def verified(store: "Store") -> Iterator[Damaged]:
    """Everything that is damaged or missing. Changes nothing."""
    from pipelines.materializations import last_materialization, last_of
    from pipelines.storage.store import open_instance

    known: set[str] = set()
    with open_instance(store, runs=False) as instance:
        for asset, clip in _assets(store, instance):
            last = last_of(instance, store, asset, clip)
            maker = f"made by {asset} of {clip}" if clip else f"made by {asset}"
            if last is None:
                if clip is not None and store.output(asset, clip).is_file():
                    path = store.relative(store.manifest(asset, clip))
                    yield Damaged(path, NO_MANIFEST, maker)
                continue
            for damage in _recorded(store, asset, clip, last, known):
                yield Damaged(damage.path, damage.what, maker)
            for damage in _lost_pictures(store, last):
                yield Damaged(damage.path, damage.what, maker, is_picture=True)
        for asset, shard in _shards(store, instance):
            last = last_materialization(instance, asset, shard)
            for damage in _lost_pictures(store, last) if last is not None else ():
                yield Damaged(damage.path, damage.what, f"made by {asset}", is_picture=True)
    yield from _other_tables(store, known)
    yield from _weights(store)
    yield from _kept(store)
    yield from _databases(store)
    for name in store.remote.missing() if store.remote is not None else ():
        yield Damaged(name, "is not in the bucket", "the next `dance run` puts it there")


def _recorded(
    store: "Store",
    asset: str,
    clip: str | None,
    last: "dg.AssetMaterialization",
    known: set[str],
) -> Iterator["Damage"]:
    """Damage of what a materialization recorded; adds the files that were hashed to ``known``."""
    from pipelines.materializations import MANIFEST
    from pipelines.storage import manifests
    from pipelines.storage.manifests import Damage

    if MANIFEST not in last.metadata:
        yield from _older(store, last, known)
        return
    manifest = manifests.read_manifest(store, asset, clip)
    path = store.relative(store.manifest(asset, clip))
    if manifest is None:
        yield Damage(path, NO_MANIFEST)
        return
    if manifests.manifest_digest(manifest) != str(last.metadata[MANIFEST].value):
        yield Damage(path, manifests.OTHER)
    known.update(manifest)
    needed = manifests.without_distant(store, manifest)
    yield from manifests.damages(store, needed, manifest.keys())


def _lost_pictures(store: "Store", last: "dg.AssetMaterialization") -> Iterator["Damage"]:
    """Pictures for the web UI that are not what was drawn.

    No manifest has them: an asset is not computed again for a picture. A store in a bucket has them
    on the machine that drew them.
    """
    from dance_models.tables import file_digest
    from pipelines.previews import pictures_of
    from pipelines.storage.manifests import Damage

    for name, sha256 in pictures_of(last) if store.remote is None else ():
        path = store.path / name
        if not path.is_file():
            yield Damage(name, "is missing")
        elif (found := file_digest(path)) != sha256:
            yield Damage(name, f"is damaged (sha256 {found[:12]} instead of {sha256[:12]})")


def _assets(store: "Store", instance: "dg.DagsterInstance") -> Iterator[tuple[str, str | None]]:
    """Assets that were ever materialized, with their clips."""
    from pipelines.partitions import clip_keys
    from pipelines.storage.shards import shards_of

    registered = clip_keys(store, instance) if shards_of(store) else None
    for key in sorted(instance.all_asset_keys()):
        name, made = key.to_user_string(), sorted(instance.get_materialized_partitions(key))
        clips: list[str | None] = [*(registered if registered and made else made)]
        yield from ((name, clip) for clip in clips or [None])


def _shards(store: "Store", instance: "dg.DagsterInstance") -> Iterator[tuple[str, str]]:
    """Assets of clips that are in shards, with the shards that were ever materialized."""
    from pipelines.storage.shard_keys import shard_names
    from pipelines.storage.shards import shards_of

    names = set(shard_names(shards_of(store)))
    for key in sorted(instance.all_asset_keys()) if names else ():
        for shard in sorted(names & set(instance.get_materialized_partitions(key))):
            yield key.to_user_string(), shard


def _older(store: "Store", last: "dg.AssetMaterialization", known: set[str]) -> Iterator["Damage"]:
    """Damage of the main files that a version without manifests recorded."""
    from dance_models.tables import file_digest
    from pipelines.stage import OUTPUTS
    from pipelines.storage.manifests import Damage

    recorded = last.metadata[OUTPUTS].value if OUTPUTS in last.metadata else {}
    for name, sha256 in dict(recorded).items():  # type: ignore[arg-type]
        known.add(name)
        path = store.path / name
        if not path.is_file():
            yield Damage(name, "is missing")
        elif file_digest(path) != sha256:
            yield Damage(name, "is damaged")


def _other_tables(store: "Store", known: set[str]) -> Iterator[Damaged]:
    """Tables that no stage records: registries and findings of checks. They must be readable."""
    from dance_models.tables import read_table
    from pipelines.checks.asset_checks import written_findings

    for path in sorted((store.path / "tables").rglob("*.parquet")):
        name = store.relative(path)
        if name not in known:
            of_check = name.startswith("tables/findings/")
            try:
                written_findings(store, path) if of_check else read_table(path)
            except InputError as error:
                maker = "made by a check" if of_check else "made by a registration"
                yield Damaged(name, error.message, maker)


def _weights(store: "Store") -> Iterator[Damaged]:
    from dance_models.estimators.weights import missing_weights

    for name in missing_weights(store.weights):
        if (store.weights / name).is_file():
            yield Damaged(f"weights/{name}", "is damaged", f"one of {WEIGHTS}, fetched by a run")


def _kept(store: "Store") -> Iterator[Damaged]:
    from pipelines.tracking.kept_versions import damaged_versions

    for path in damaged_versions(store):
        maker = "kept for a model that was made from it, to be restored from a backup"
        yield Damaged(store.relative(path), "is damaged", maker)


def _databases(store: "Store") -> Iterator[Damaged]:
    from pipelines.storage.creation import check_database

    for _, address in store.databases.named() if store.databases is not None else ():
        try:
            check_database(address, "")
        except InputError as error:
            yield Damaged(address, f"cannot be used ({error.message})", error.hint or "")
    folders = (store.mlflow, store.dagster_home)
    for path in sorted(file for folder in folders for file in folder.rglob("*.db")):
        problem = _database_problem(path)
        if problem:
            what = f"is damaged ({problem})"
            yield Damaged(store.relative(path), what, "a database, to be restored from a backup")


def _database_problem(path: Path) -> str | None:
    """What SQLite finds wrong with a database, None for nothing."""
    try:
        with closing(connect(path)) as connection:
            found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(1)")]
    except sqlite3.Error as error:
        return str(error)
    return None if found == ["ok"] else "; ".join(found).replace("\n", " ")
