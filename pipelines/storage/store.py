"""The store: one folder that holds everything the pipeline makes, as typed paths.

The only place that knows the paths of tables, frames, models and databases.
"""

import errno
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, TypeVar

import dagster as dg
import polars as pl

from dance_models.errors import DamagedFileError, InputError
from dance_models.files import LONGEST_NAME
from dance_models.rows import ROW_OF_ASSET, ROW_OF_PRETRAINING
from dance_models.tables import (
    file_digest,
    read_columns,
    read_metadata,
    read_note,
    read_table,
    table_height,
    write_text,
)
from pipelines.storage.creation import (
    check_databases,
    create_databases,
    create_on_server,
    has_own_storage,
    is_created,
    is_created_on_server,
    pools_differ,
    set_pools,
    with_storage,
    without_storage,
)
from pipelines.storage.databases import (
    MLFLOW_FILE,
    NOTE,
    VARIABLES,
    Address,
    Databases,
    alone,
    driven,
    mlflow_address,
    noted,
    settle_databases,
    wait_for_locks,
    without_retries,
)
from pipelines.storage.locks import file_lock
from pipelines.storage.place import LOCK, PLACE, known_as, settle
from pipelines.storage.remote import Remote, attached, is_url, remote_of, scratch_of

T = TypeVar("T")

DEFAULT_ROOT: Final = "assets_store"
PREVIEWS: Final = "previews"  # the folder of pictures, and where the web UI serves them
CLIP_COPIES: Final = "clip_copies"  # of buckets, while they are decoded
# The folders of a store in which the pipeline puts pictures and videos.
WITH_PICTURES: Final = {
    *("frames", PREVIEWS, CLIP_COPIES, "rendered", "reports", "exports", "evaluations", "mlflow")
}
# MLflow keeps the address of a run's files, the longest, in 200 bytes.
LONGEST_ON_SERVER: Final = 200 - len(f"/mlflow/artifacts/{'0' * 32}/artifacts")

# sha256 of the instance configuration that earlier versions wrote into a store.
UNEDITED: Final = (
    "3eed140e47ce61dd330c97b4b85106149f96f2bf4c0e64d54444b34b0b96f993",
    "7824bc149228d54e92ce5e16f60a4cc41a66d9967bb7f72a5b8d80e348584eb4",
    "a433846f87baa8d5bb1a4453e605537bdba23ac4079667f7a2e1f6d9df0ac6a0",
    "a83dfe09cc1236d45939faf07d9f59c4f7f6a3cc311d8c3a1b641f424e636c4d",
)
# What may be in a folder before its first use: a configuration, clips to begin with.
NEW: Final = {"dagster_home", "raw", "README.md"}
MADE_OF: Final = "of_"  # begins the names in a table's metadata of the digests of its sources
TRAININGS: Final = (*ROW_OF_ASSET, *ROW_OF_PRETRAINING)
# Assets whose main file is not a table below ``tables/``: the file below ``reports/``.
REPORT_FILES: Final = {
    "recognition_report": "recognition_scores.parquet",
    "prediction_report": "prediction_scores.parquet",
    "paired_comparisons": "paired.parquet",
    "html_report": "report.html",
    "recognition_champion": "recognition_champion.json",
    "prediction_champion": "prediction_champion.json",
}


_NOT_IN_ADDRESSES: Final = re.compile(r"\?|%[0-9a-fA-F]{2}")


def is_usable(name: str) -> bool:
    """Whether a folder of that name can be a store, and of it with a hash behind it."""
    plain = os.fsencode(name)
    utf_8 = plain == name.encode("utf-8", "replace")
    return utf_8 and len(plain) < LONGEST_NAME - 7 and not _NOT_IN_ADDRESSES.search(name)


def making(asset: str) -> str:
    """What to do for an asset that is missing: on the command line, and in the web UI."""
    return f"`dance run` makes it; in the web UI, materialize {asset}"


class Store(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Paths below one root folder."""

    root: str

    @cached_property
    def path(self) -> Path:
        """The root, absolute. Of a folder that is mounted twice, the path that the store knows.

        Of a store in a bucket, the folder of this machine (``pipelines/storage/remote.py``).
        """
        if is_url(self.root):
            return scratch_of(self.root)
        return known_as(Path(self.root).expanduser().resolve())

    @property
    def remote(self) -> Remote | None:
        """Where a store in a bucket keeps what counts; None for a store that is a folder."""
        return remote_of(self.path)

    def send(self) -> None:
        """Put into the bucket what it lacks; nothing for a folder. Raises InputError."""
        if (remote := self.remote) is not None:
            remote.publish()

    def told_of_bucket(self) -> list[str]:
        """Lines about a store in a bucket: where it is, and what of it no other machine has."""
        remote = self.remote
        if remote is None:
            return []
        lines = [f"{remote.bucket.url}, worked on in {self.path}"]
        if self.databases is None:
            lines.append(
                "one machine only: its databases are files of SQLite in that folder and not in the "
                "bucket; a new store has them on PostgreSQL with "
                f"{' and '.join(VARIABLES.values())}"
            )
        return lines

    # --- tables -------------------------------------------------------------------------------
    def table(self, asset: str, clip: str | None = None) -> Path:
        """``tables/<asset>/<clip>.parquet`` for partitions, else ``tables/<asset>.parquet``."""
        # One join: the skip rule asks for ten tables of each clip.
        name = f"{asset}/{clip}.parquet" if clip else f"{asset}.parquet"
        return self.path.joinpath("tables", name)

    def findings(self, asset: str, clip: str | None = None) -> Path:
        """What the checks on an asset found: ``tables/findings/<asset>[/<clip>].parquet``."""
        return self.table(f"findings/{asset}", clip)

    def output(self, asset: str, clip: str | None = None) -> Path:
        """The file whose sha256 is an asset's data version."""
        if asset in TRAININGS:
            return self.model(asset) / "current.json"
        if asset in REPORT_FILES:
            return self.reports / REPORT_FILES[asset]
        if asset == "champion_exports":
            return self.exports / "champions.json"
        return self.table(asset, clip)

    def read(self, asset: str, clip: str | None = None) -> pl.DataFrame:
        """Read a table; raises InputError that names the asset when it is missing."""
        return read_table(self.made(asset, clip))

    def read_columns(
        self, asset: str, clip: str | None, columns: Sequence[str]
    ) -> dict[str, list[Any]]:
        """The values of some columns; as :meth:`read`, of a small table in less time."""
        return read_columns(self.made(asset, clip), columns)

    def made(self, asset: str, clip: str | None = None) -> Path:
        """The file of a table; raises InputError that names the asset when it is missing."""
        path = self.table(asset, clip)
        if not path.is_file():
            of = f" of clip {clip}" if clip else ""
            raise InputError(
                f"the table {asset}{of} is not there yet", file=path, hint=making(asset)
            )
        return path

    def digest(self, asset: str, clip: str | None = None) -> str:
        """sha256 of an asset's output file, "" when there is none: its data version."""
        path = self.output(asset, clip)
        return self.sha256(path) if path.is_file() else ""

    def sha256(self, path: Path) -> str:
        """sha256 of a file of the store."""
        return self.fact(path, "sha256", partial(file_digest, path))

    def stated(self, path: Path, *names: str) -> dict[str, str]:
        """Those of some entries that a table has in its metadata. Raises DamagedFileError."""

        def read() -> dict[str, str]:
            metadata = read_metadata(path)
            return {name: metadata[name] for name in names if name in metadata}

        return self.fact(path, f"stated {' '.join(names)}", read)

    def height(self, path: Path) -> int | None:
        """Rows of a table, 0 when it is not there, None when it cannot be read."""
        try:
            return self.fact(path, "rows", partial(table_height, path)) if path.is_file() else 0
        except DamagedFileError:
            return None

    def fact(
        self, path: Path, name: str, read: Callable[[], T], given: Callable[[], str] = str
    ) -> T:
        """What ``read`` says of a file of the store, as a value that JSON gives back as it was.

        ``given`` is what else it depends on. One that remembers (``pipelines/storage/memory.py``)
        does not read a file again that has not changed.
        """
        return read()

    def made_of(self, asset: str, clip: str | None = None) -> dict[str, str]:
        """Metadata for a table that is made of an asset's: the sha256 of that, as it is now."""
        return {f"{MADE_OF}{asset}": self.digest(asset, clip)}

    def manifest(self, asset: str, clip: str | None = None) -> Path:
        """Which files an asset (of one clip) has: ``manifests/<asset>[/<clip>].json``."""
        folder = self.path / "manifests"
        return folder / asset / f"{clip}.json" if clip else folder / f"{asset}.json"

    # --- locks --------------------------------------------------------------------------------
    @property
    def locks(self) -> Path:
        """The files that work is locked with."""
        return self.path / "locks"

    def lock(self, asset: str, clip: str | None = None) -> Path:
        """Held while an asset (of one clip) is made: ``locks/<asset>[/<clip>].lock``."""
        return self.locks / asset / f"{clip}.lock" if clip else self.locks / f"{asset}.lock"

    def training_lock(self, folder: Path) -> Path:
        """Held by the process that trains in a folder of ``models/``."""
        return self.locks / "trainings" / folder.parent.name / f"{folder.name}.lock"

    # --- folders ------------------------------------------------------------------------------
    @property
    def raw_clips(self) -> Path:
        """Clips dropped into the store itself."""
        return self.path / "raw" / "clips"

    @property
    def raw_buckets(self) -> Path:
        """Pointers to clips in buckets (``pipelines/storage/pointers.py``)."""
        return self.path / "raw" / "buckets"

    @property
    def clip_copies(self) -> Path:
        """Clips of buckets while they are decoded."""
        return self.path / CLIP_COPIES

    @property
    def raw_annotations(self) -> Path:
        """Annotation files dropped into the store itself."""
        return self.path / "raw" / "annotations"

    @property
    def raw_motion(self) -> Path:
        """Motion files for pre-training dropped into the store itself."""
        return self.path / "raw" / "motion"

    def has_motion(self) -> bool:
        """Whether motion is registered, unless it is known to contain nothing usable."""
        files, used, looked_at = (
            self.height(self.table(name))
            for name in ("raw_motion", "pretraining_motion", "pretraining_sources")
        )
        return files != 0 and (used != 0 or not looked_at)

    def rendered_pieces(self) -> int:
        """How many pieces of rendered motion there are."""
        path = self.table("rendered_motion")
        try:
            return int(read_metadata(path)["pieces"]) if path.is_file() else 0
        except (DamagedFileError, LookupError, ValueError):
            return 0  # it is rendered again

    @property
    def rendered(self) -> Path:
        """One file for each rendered view: estimate, exact truth and camera."""
        return self.path / "rendered"

    @property
    def previews(self) -> Path:
        """Pictures that the web UI shows."""
        return self.path / PREVIEWS

    def preview(self, asset: str, name: str, clip: str | None, kind: str) -> Path:
        """One of them: ``previews/<asset>/<name>[/<clip>].<jpg or png>``."""
        folder = self.previews / asset
        return folder / name / f"{clip}.{kind}" if clip else folder / f"{name}.{kind}"

    def frames(self, clip: str) -> Path:
        """Folder of a clip's sampled JPEGs."""
        return self.path / "frames" / clip

    @property
    def crops(self) -> Path:
        """Pixels of the person crops; the table beside them holds their sha256."""
        return self.table("person_crops").with_suffix(".npy")

    def model(self, asset: str) -> Path:
        """Folder of a network's trainings: one sub-folder an input digest, and ``current.json``."""
        return self.path / "models" / asset

    def training(self, asset: str) -> dict[str, Any]:
        """``current.json`` of a network: its checkpoints, configuration and splits.

        Raises InputError when the network is not trained or a checkpoint is missing.
        """
        path = self.output(asset)
        if not path.is_file():
            raise InputError(f"{asset} is not trained", file=path, hint=making(asset))
        training = self._current(asset)
        if training is None:
            hint = f"Run again: {asset} is made again"
            raise DamagedFileError("the file is damaged", file=path, hint=hint)
        for checkpoint in self.checkpoints(asset):
            if not checkpoint.is_file():
                raise InputError(
                    f"a checkpoint of {asset} is missing",
                    file=checkpoint,
                    hint=making(asset),
                )
        return training

    def checkpoints(self, asset: str) -> Iterator[Path]:
        """The checkpoints that ``current.json`` of a network names; none when it is not trained.

        A damaged ``current.json`` counts as none: the network is trained again.
        """
        training = self._current(asset)
        if training is not None:
            further = [file for seed in training.get("fold_seeds", []) for file in seed]
            folds = [*training.get("folds", []), *further]
            for file in (training["best"], training["last"], *folds):
                yield self.path / file["path"]

    def weights_digest(self, asset: str) -> str:
        """sha256 of a network's best weights, "" when it is not trained."""
        training = self._current(asset)
        return "" if training is None else str(training["best"].get("sha256", ""))

    def _current(self, asset: str) -> dict[str, Any] | None:
        """``current.json`` of a network, None when it is missing or damaged."""
        try:
            training = read_note(self.output(asset))
            lacking = [name for name in ("best", "last") if "path" not in training[name]]
        except (DamagedFileError, LookupError, TypeError):
            return None
        return None if lacking else training

    def run_id(self, asset: str) -> str:
        """The MLflow run of a network's current training. Raises InputError when there is none."""
        path = self.model(asset) / "mlflow.json"
        if not path.is_file():
            raise InputError(f"{asset} is not trained", file=path, hint=making(asset))
        try:
            return str(read_note(path)["run_id"])
        except LookupError as error:
            hint = making(asset)
            raise DamagedFileError("it names no run", file=path, hint=hint) from error

    @property
    def reports(self) -> Path:
        """Long score tables and what is rendered from them."""
        return self.path / "reports"

    def paired(self, report: str) -> Path:
        """The paired comparisons of one report."""
        return self.reports / f"paired_{report}.parquet"

    @property
    def exports(self) -> Path:
        """Exports of the pipeline: annotation templates, models."""
        return self.path / "exports"

    @property
    def weights(self) -> Path:
        """Cached estimator weights."""
        return self.path / "weights"

    @property
    def dagster_home(self) -> Path:
        """Dagster's instance folder."""
        return self.path / "dagster_home"

    @property
    def servers_lock(self) -> Path:
        """Held by the command that runs the web UI of this store on this machine."""
        return self.dagster_home / ".servers.lock"

    @property
    def commands_lock(self) -> Path:
        """Shared by what has the graph: runs, code servers; held while the partitions change."""
        return self.dagster_home / ".commands.lock"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts."""
        return self.path / "mlflow"

    @property
    def tracking_uri(self) -> str:
        """MLflow's tracking URI."""
        address = self.mlflow_database
        return f"sqlite:///{address}" if isinstance(address, Path) else driven(address)

    @property
    def databases(self) -> Databases | None:
        """Where its databases are on PostgreSQL; None when they are files of SQLite."""
        return noted(self.path)

    @property
    def mlflow_database(self) -> Address:
        """MLflow's database."""
        return mlflow_address(self.path)

    def relative(self, path: Path) -> str:
        """``path`` relative to the root, with forward slashes."""
        return path.relative_to(self.path).as_posix()

    def exists(self) -> bool:
        """Whether anything was ever kept here; a folder with a configuration alone is no store."""
        kept = (self.dagster_home / "history", self.path / MLFLOW_FILE, self.path / "tables")
        return any(path.exists() for path in (*kept, self.path / NOTE))

    def open_to_others(self) -> bool:
        """Whether other users of the machine can read the folder."""
        return bool(self.path.stat().st_mode & 0o077)

    def is_made(self, path: Path) -> bool:
        """Whether a file or folder is among the pictures and videos that the pipeline made.

        A folder of clips may hold the store, and its frames are no clips.
        """
        if not path.is_relative_to(self.path):
            return False
        first, *_ = (*path.relative_to(self.path).parts, "")
        return first in WITH_PICTURES

    # --- life cycle ---------------------------------------------------------------------------
    def initialise(self) -> "Store":
        """Create what a new store needs, mend what was moved; idempotent.

        Raises InputError when the store cannot be written, when its path cannot be part of a
        database's address, or when its databases on PostgreSQL cannot be used.
        """
        if is_url(self.root):
            return self.settled().initialise()
        self.check_path()
        try:
            new = not self.exists()
            self._make_private()
            # The environment names the databases of one store, not of those that lie in it.
            environment = {} if (self.path.parent.parent / PLACE).is_file() else os.environ
            databases = settle_databases(self.path, environment, new=new)
            self.check_path()  # again, with what was just noted
            for folder in (self.raw_clips, self.raw_annotations, self.raw_motion):
                folder.mkdir(parents=True, exist_ok=True)
            for folder in (self.dagster_home, self.mlflow):
                folder.mkdir(parents=True, exist_ok=True)
            if databases is None and not os.access(self.dagster_home, os.W_OK):
                # SQLite cannot even read a database with a log there, and says no reason.
                raise OSError(errno.EROFS, os.strerror(errno.EROFS))
            self._configure(databases)
        except OSError as error:
            raise InputError(
                f"cannot write to the store: {error.strerror}",
                file=self.path,
                hint="Choose a folder you may write to with --store or ASSETS_STORE",
            ) from error
        settle(self.path)
        return self

    def _configure(self, databases: Databases | None) -> None:
        """Write Dagster's configuration, or what in it is not up to date."""
        config = self.dagster_home / "dagster.yaml"
        there = config.read_text("utf-8") if config.exists() else ""
        text = without_storage(there)
        # An edited copy belongs to the user; an unedited one follows the template.
        if not text or hashlib.sha256(text.encode()).hexdigest() in UNEDITED:
            text = files("pipelines").joinpath("dagster.yaml").read_text("utf-8")
        if databases is not None:
            text = with_storage(text, driven(databases.dagster))
        if text != there:
            write_text(config, text, durable=True)  # it may hold what the user wrote

    def settled(self) -> "Store":
        """The store, its addresses mended when it was moved. Does nothing when there is none.

        Of a store in a bucket, the folder of this machine, with what the bucket has. Raises
        InputError when the bucket cannot be used.
        """
        if is_url(self.root):
            return Store(root=str(attached(self.root))).settled()
        if self.exists():  # else the folder is somebody's, or is still to become a store
            settle(self.path)
        return self

    @contextmanager
    def creation_lock(self) -> Iterator[None]:
        """The lock under which databases are created."""
        with self.database_lock(self.path / LOCK):
            yield

    @contextmanager
    def database_lock(self, path: Path) -> Iterator[None]:
        """A lock for what changes the databases: of the processes of this machine, by the file.

        When the databases are on PostgreSQL, of all machines that use them, by the file's name.
        """
        with file_lock(path), alone(self.databases, path.name):
            yield

    def _make_private(self) -> None:
        """Make a new root for its owner alone: it holds pictures of people.

        A store in use, and a folder that holds anything else, keep the rights that they have.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if not self.exists() and {path.name for path in self.path.iterdir()} <= NEW:
            self.path.chmod(0o700)

    def check_path(self) -> None:
        """Raise InputError when Dagster or MLflow would write to another path than the store's.

        And when it cannot be kept: tables hold UTF-8, and MLflow's addresses on PostgreSQL are of
        a limited length.
        """
        try:
            str(self.path).encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                "the path of the store is not UTF-8, and tables cannot hold it",
                file=self.path,
                hint="Rename the folder, or choose another one with --store or ASSETS_STORE",
            ) from error
        if _NOT_IN_ADDRESSES.search(str(self.path)):
            raise InputError(
                "the path of the store holds a '?' or a '%' with two digits, which mean something "
                "else in the address of a database",
                file=self.path,
                hint="Rename the folder, or choose another one with --store or ASSETS_STORE",
            )
        if self.databases is not None and len(self.path.as_uri()) > LONGEST_ON_SERVER:
            raise InputError(
                f"the path of the store is too long for MLflow's tables on PostgreSQL, which take "
                f"{LONGEST_ON_SERVER} bytes of its URI",
                file=self.path,
                hint="Choose a folder with a shorter path, with --store or ASSETS_STORE",
            )


def open_instance(
    store: Store, cores: int | None = None, *, runs: bool = True
) -> dg.DagsterInstance:
    """The Dagster instance of the store, the same that its web UI shows.

    ``cores``: of the cluster that works on it, by default this machine's. Who ``runs`` nothing
    leaves the limits of the pools to those who do: a run on a cluster may be going on.
    Creates its databases, by one process at a time. Raises InputError for a database that cannot
    be used.
    """
    wait_for_locks()
    store.initialise()
    home, pools = store.dagster_home, _pools(cores)
    if (databases := store.databases) is not None:
        logging.getLogger().addFilter(without_retries)
        if not is_created_on_server(databases.dagster, store.path):
            with store.creation_lock():
                if not is_created_on_server(databases.dagster, store.path):
                    create_on_server(home, databases.dagster, pools, store.path)
        instance = dg.DagsterInstance.from_config(str(home))
    elif has_own_storage(home):  # only its first opening creates anything, and it may be any
        with store.creation_lock():
            instance = dg.DagsterInstance.from_config(str(home))
    else:
        if not is_created(home):
            with store.creation_lock():
                if not is_created(home):
                    create_databases(home, pools)
        check_databases(home)
        instance = dg.DagsterInstance.from_config(str(home))
    if runs:
        limit_pools(instance, store, cores)
    return instance


def limit_pools(instance: dg.DagsterInstance, store: Store, cores: int | None = None) -> None:
    """Set the limits of the pools to those of this machine, or of a cluster with ``cores``."""
    pools = _pools(cores)
    if pools_differ(instance, pools):
        with store.creation_lock():
            set_pools(instance, pools)


def _pools(cluster_cores: int | None) -> dict[str, int]:
    """Limits of the pools on this machine, or on a cluster, which hands out GPUs itself."""
    if cluster_cores is not None:
        return {"gpu": cluster_cores, "decode": cluster_cores}
    cores = os.cpu_count() or 1
    # Without a GPU the trainings are single-threaded and run side by side.
    return {"gpu": 1 if Path("/dev/nvidia0").exists() else cores, "decode": cores}
