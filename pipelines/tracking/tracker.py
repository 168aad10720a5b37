"""The MLflow of a store: one run a training, with tags that lead back to Dagster."""

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlparse

from dance_models.errors import InputError
from dance_models.tables import write_text
from dance_models.text import printable
from pipelines.storage.addresses import addresses
from pipelines.storage.creation import MLFLOW_LOST, check_database
from pipelines.storage.databases import (
    Address,
    connection_to,
    driven,
    one_for_both,
    tables_of,
    wait_for_locks,
)
from pipelines.storage.place import EXPERIMENT
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

EXAMPLE: Final = "example.json"  # of a run: what its model's example request is
# MLflow's UI opens on its pages for language models unless its address says otherwise.
TRAINING_VIEW: Final = "workflowType=machine_learning"
EXPERIMENT_KIND: Final = {"mlflow.experimentKind": "custom_model_development"}
DAGSTER_RUN_TAG: Final = "dagster/run_id"  # of a run of MLflow
RUN_NOTE: Final = "mlflow_run_id"  # in the folder of a training
RUN_ID: Final = re.compile("[0-9a-f]{32}")  # what the note says
RUN_NOTES: Final = f"models/*/*/{RUN_NOTE}"  # of all trainings of a store
DAGSTERS_TABLE: Final = "event_logs"
DEFAULT: Final = "Default"  # the experiment that MLflow adds itself
TRACKING_URI: Final = "MLFLOW_TRACKING_URI"
RUNS_AT_ONCE: Final = 1000  # that are deleted by one command: an argument has 128 kB at most
DIGEST_LENGTH: Final = 36  # MLflow refuses longer digests of data sets

# The environment of processes that log or load models through MLflow. The first setting makes it
# refuse models that need pickle: also the one that it loads to validate what it just logged. The
# processes of the pipeline itself load no model through MLflow. Two turn telemetry off. The last
# one leaves out the server's workers for evaluations of language models: eight processes of 170 to
# 260 MB each, which nobody gives work here.
MLFLOW_ENVIRONMENT: Final = {
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # its messages on monitors and sources would hide others
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


def is_absent(error: "MlflowException") -> bool:
    """Whether MLflow found nothing of that name, or no name in it; no fault of its database."""
    from mlflow.protos.databricks_pb2 import (
        INVALID_PARAMETER_VALUE,
        RESOURCE_DOES_NOT_EXIST,
        ErrorCode,
    )

    absent = (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)
    return error.error_code in {ErrorCode.Name(code) for code in absent}


def every(search: Callable[..., Any], *given: object, **named: object) -> Iterator[Any]:
    """All that a search of an MLflow client finds: of runs, one call gives the first 1,000."""
    token: str | None = None
    while True:
        page = search(*given, page_token=token, **named)
        yield from page
        token = page.token
        if not token:
            return


def noted_run(folder: Path) -> str:
    """The run of MLflow of the training in ``folder``, as its note says.

    Raises FileNotFoundError when there is no note, and InputError when it is damaged.
    """
    note = folder / RUN_NOTE
    text = note.read_bytes().decode("ascii", "replace").strip()
    if not RUN_ID.fullmatch(text):
        raise InputError(
            "does not name the MLflow run of this training: the file is damaged",
            file=note,
            hint="Write the id of the run into it, or delete the training's folder and run again",
        )
    return text


class Tracker:
    """The MLflow of a store. It uses the client API, so this process has no active run."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def client(self) -> "MlflowClient":
        """The client. Importing MLflow takes seconds, so it is imported here."""
        # Otherwise it logs every migration of a new database.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        from mlflow import MlflowClient
        from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY
        from mlflow.telemetry import set_telemetry_client

        MLFLOW_DISABLE_TELEMETRY.set(True)
        set_telemetry_client()  # again: the setting is read here, and nothing was sent so far
        wait_for_locks()
        self.store.check_path()
        self.store.mlflow.mkdir(parents=True, exist_ok=True)
        self.store.settled()
        database = self.store.mlflow_database
        if not self.exists():
            # Two processes that migrate a new database at the same time break it.
            with self.store.creation_lock():
                if not self.exists():  # else another process was first
                    self._create_database(database)
        check_database(database, MLFLOW_LOST)
        return MlflowClient(tracking_uri=self.store.tracking_uri)

    def exists(self) -> bool:
        """Whether the database is there, with all that a new one has.

        Raises InputError when its server cannot be reached.
        """
        database = self.store.mlflow_database
        return database.exists() if isinstance(database, Path) else EXPERIMENT in _names(database)

    def _create_database(self, database: Address) -> None:
        """Complete at the end: a killed creation is begun anew. The caller holds the lock.

        A file is renamed then; of a database on a server, the experiment is created last.
        """
        from mlflow import MlflowClient

        if isinstance(database, str):
            if others := _names(database) - {DEFAULT}:
                raise InputError(
                    f"the database holds experiments of others, such as {sorted(others)[0]}",
                    file=database,
                    hint="Name an empty database (createdb)",
                )
            with connection_to(database) as connection:
                if DAGSTERS_TABLE in tables_of(connection):  # by another name of its server
                    raise one_for_both(database)
            new = MlflowClient(tracking_uri=driven(database))
            new.search_experiments(max_results=1)  # creates the tables
            self._place_default(database)
            self._create_experiment(new)
            return
        part = database.with_suffix(".part")
        part.unlink(missing_ok=True)
        new = MlflowClient(tracking_uri=f"sqlite:///{part}")
        self._create_experiment(new)
        self._place_default(part)
        part.replace(database)

    def _place_default(self, database: Address) -> None:
        """The experiment that MLflow adds itself would keep its files in the current folder."""
        from sqlalchemy import text

        own = (self.store.mlflow / "artifacts" / "default").as_uri()
        change = text("UPDATE experiments SET artifact_location = :own WHERE name = :name")
        with connection_to(database) as connection:
            connection.execute(change, {"own": own, "name": DEFAULT})

    def _create_experiment(self, client: "MlflowClient") -> str:
        artifacts = (self.store.mlflow / "artifacts").as_uri()
        return str(client.create_experiment(EXPERIMENT, artifacts, EXPERIMENT_KIND))

    def initialise(self) -> str:
        """The experiment's id; creates the experiment when there is none."""
        client = self.client
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            with self.store.creation_lock():
                found = client.get_experiment_by_name(EXPERIMENT)
                if found is None:
                    return self._create_experiment(client)
        return str(found.experiment_id)

    # --- runs -----------------------------------------------------------------------------------
    def opened_run(self, folder: Path) -> str | None:
        """The run that was opened for the training in ``folder``; None when MLflow has none.

        It may have been deleted in MLflow, or with the whole database. Of a damaged note there is
        none: the training gets a new run.
        """
        from mlflow.entities import LifecycleStage

        try:
            run_id = noted_run(folder)
        except (FileNotFoundError, InputError):
            return None
        return run_id if self.lifecycle(run_id) == LifecycleStage.ACTIVE else None

    def lifecycle(self, run_id: str) -> str | None:
        """Whether a run is active or was deleted, in MLflow's words; None when there is none."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_run(run_id).info.lifecycle_stage)
        except MlflowException as error:
            if not is_absent(error):
                raise
            return None

    def open_run(self, folder: Path, name: str, tags: Mapping[str, str]) -> str:
        """The run of the training in ``folder``: the run that was opened there, or a new one."""
        shown = {key: printable(value) for key, value in tags.items()}
        run_id = self.opened_run(folder)
        if run_id is None:
            # It is running at once: without its tags nobody would close it after a kill here.
            run = self.client.create_run(self.initialise(), run_name=name, tags=shown)
            run_id = str(run.info.run_id)
            write_text(folder / RUN_NOTE, run_id)
        else:
            for key, value in shown.items():
                self.client.set_tag(run_id, key, value)
        # After the tags: a run that is running for a Dagster run that has ended is taken for dead.
        self.client.update_run(run_id, status="RUNNING")
        return run_id

    def models_of(self, run_ids: Collection[str]) -> list[str]:
        """Ids of the models that runs logged; MLflow does not list those that are deleted."""
        if not run_ids:
            return []
        models = every(self.client.search_logged_models, [self.initialise()])
        return [model.model_id for model in models if model.source_run_id in run_ids]

    def delete_runs(self, run_ids: Collection[str]) -> list[Path]:
        """Delete runs and their models for good; the folders of the files that went with them.

        A run that is deleted goes to MLflow's trash, where its files stay, and its models stay as
        they are. Models that are in the trash already go with them. Raises InputError when MLflow
        cannot empty it.
        """
        from mlflow.entities import LifecycleStage

        models = self.models_of(run_ids)
        folders = self.folders_of(run_ids, models)
        for model_id in models:
            self.client.delete_logged_model(model_id)
        for run_id in run_ids:
            if self.lifecycle(run_id) == LifecycleStage.ACTIVE:
                self.client.delete_run(run_id)
        # The address may have a password, which a command line would show.
        environment = {**os.environ, **MLFLOW_ENVIRONMENT, TRACKING_URI: self.store.tracking_uri}
        ids = [*run_ids]
        for start in range(0, len(ids), RUNS_AT_ONCE):
            named = ",".join(ids[start : start + RUNS_AT_ONCE])
            done = subprocess.run(
                [sys.executable, "-m", "mlflow", "gc", "--run-ids", named],
                check=False, capture_output=True, text=True, env=environment, cwd=self.store.path,
            )  # fmt: skip
            if done.returncode:
                last = "".join(done.stderr.strip().splitlines()[-1:])
                raise InputError(
                    f"MLflow cannot empty its trash: {last or f'code {done.returncode}'}",
                    file=self.store.mlflow,
                    hint="Repeat the command; what it deleted so far stays deleted",
                )
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)  # MLflow leaves it, empty
        return folders

    def close_run(self, run_id: str, status: str) -> None:
        """End a run: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status)

    def running(self) -> dict[str, str]:
        """The runs that MLflow shows as running -> the Dagster runs that opened them.

        Read from the database: a sensor asks every half minute, and importing MLflow takes seconds.
        Raises SQLAlchemyError while the database is locked, InputError when it cannot be reached.
        """
        from sqlalchemy import text

        if not self.exists():
            return {}
        query = text(
            "SELECT runs.run_uuid, tags.value FROM runs JOIN tags ON runs.run_uuid = tags.run_uuid "
            "WHERE runs.status = 'RUNNING' AND tags.key = :key"
        )
        with connection_to(self.store.mlflow_database, 30) as connection:
            found = connection.execute(query, {"key": DAGSTER_RUN_TAG})
            return {str(run_id): str(dagster_run) for run_id, dagster_run in found}

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics to a run."""
        for key, value in metrics.items():
            self.client.log_metric(run_id, key, value, step=step)

    def logged_steps(self, run_id: str, key: str) -> set[int]:
        """The steps at which a metric of a run was logged; none of one that the run has not."""
        return {metric.step for metric in self.client.get_metric_history(run_id, key)}

    def run_url(self, run_id: str) -> str:
        """The address of a run in MLflow's UI."""
        return f"{self._ui}/#/experiments/{self.initialise()}/runs/{run_id}?{TRAINING_VIEW}"

    def version_url(self, model: str, version: int | str) -> str:
        """The address of a version of a registered model in MLflow's UI."""
        return f"{self._ui}/#/models/{model}/versions/{version}?{TRAINING_VIEW}"

    @property
    def _ui(self) -> str:
        return addresses(self.store, os.environ).mlflow

    # --- artifacts ------------------------------------------------------------------------------
    def artifact(self, run_id: str, name: str) -> Path:
        """A file or folder of a run's artifacts.

        Raises FileNotFoundError when it does not exist.
        """
        return local_path(f"{self.client.get_run(run_id).info.artifact_uri}/{name}")

    def folders_of(self, run_ids: Iterable[str], model_ids: Iterable[str]) -> list[Path]:
        """Where runs and models have their files, also those that were deleted; all that exist."""
        artifacts = self.store.mlflow / "artifacts"
        models = artifacts / "models"
        folders = [*map(artifacts.joinpath, run_ids), *map(models.joinpath, model_ids)]
        return [folder for folder in folders if folder.is_dir()]

    def has_model(self, model_id: str) -> bool:
        """Whether there is a model of this id that was not deleted."""
        from mlflow.exceptions import MlflowException

        try:
            self.client.get_logged_model(model_id)
        except MlflowException as error:
            if not is_absent(error):
                raise
            return False
        return True

    def model_folder(self, model_id: str) -> Path:
        """The folder of a logged model.

        Raises FileNotFoundError when it does not exist.
        """
        return local_path(str(self.client.get_logged_model(model_id).artifact_location))

    def signature(self, model_id: str) -> str:
        """Input and output of a logged model as MLflow shows them, "none" without a signature."""
        from mlflow.models import Model

        signature = Model.load(str(self.model_folder(model_id) / "MLmodel")).signature
        return "none" if signature is None else f"{signature.inputs} -> {signature.outputs}"


def _names(address: str) -> set[str]:
    """The experiments of a database on a server; none when it has no tables of MLflow."""
    from sqlalchemy import text

    with connection_to(address) as connection:
        if "experiments" not in tables_of(connection):
            return set()
        return set(connection.execute(text("SELECT name FROM experiments")).scalars())


def local_path(uri: str) -> Path:
    """The file or folder at an artifact's URI; one in the store is read in place, not copied.

    Raises FileNotFoundError when it does not exist.
    """
    if not uri.startswith("file://"):
        from mlflow.artifacts import download_artifacts

        return Path(download_artifacts(artifact_uri=uri))
    path = Path(unquote(urlparse(uri).path))
    if not path.exists():
        raise FileNotFoundError(path)
    return path


# --- what is logged to runs -------------------------------------------------------------------


def short_digest(version: str) -> str:
    """A data version cut to the length that MLflow accepts."""
    return version[:DIGEST_LENGTH]


def git_commit() -> str:
    """The commit of the running code, with "-dirty" after changes, "unknown" outside git."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=here, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def flat_parameters(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested configuration as MLflow parameters: ``training.learning_rate`` and so on."""
    flat: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat.update(flat_parameters(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat
