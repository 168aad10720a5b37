"""MLflow: one run a training, on SQLite inside the store, with lineage tags both ways."""

import logging
import os
import subprocess
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlparse

from dance_models.tables import write_text
from pipelines.storage.locks import file_lock
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT: Final = "dance-pose"
UI_ADDRESS: Final = "http://127.0.0.1:5000"
# MLflow refuses digests longer than this.
DIGEST_LENGTH: Final = 36


class Tracker:
    """The store's MLflow. Uses the client API: no global active run in this process."""

    def __init__(self, store: Store) -> None:
        self.store = store

    @cached_property
    def client(self) -> "MlflowClient":
        """The client; MLflow takes seconds to import, so it is imported here."""
        os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        # It reports every one of its migrations otherwise.
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
        from mlflow import MlflowClient

        self.store.mlflow.mkdir(parents=True, exist_ok=True)
        # Two that migrate a new database at once break it.
        with file_lock(self.store.mlflow / ".migration.lock"):
            database = self.store.mlflow / "mlflow.db"
            if not database.exists():  # beside, then renamed: a killed migration leaves no ruin
                part = database.with_suffix(".part")
                part.unlink(missing_ok=True)
                MlflowClient(tracking_uri=f"sqlite:///{part}").search_experiments(max_results=1)
                part.replace(database)
        return MlflowClient(tracking_uri=self.store.tracking_uri)

    def initialise(self) -> str:
        """The experiment's id; the first caller of several creates it."""
        client = self.client
        with file_lock(self.store.mlflow / ".migration.lock"):
            found = client.get_experiment_by_name(EXPERIMENT)
            if found is not None:
                return str(found.experiment_id)
            artifacts = (self.store.mlflow / "artifacts").as_uri()
            return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))

    def open_run(self, folder: Path, name: str, tags: Mapping[str, str]) -> str:
        """The run of the training in ``folder``: the one begun there before, or a new one."""
        note = folder / "mlflow_run_id"
        if note.is_file():
            run_id = note.read_text("utf-8").strip()
            self.client.update_run(run_id, status="RUNNING")
        else:
            run = self.client.create_run(self.initialise(), run_name=name)
            run_id = str(run.info.run_id)
            write_text(note, run_id)
        for key, value in tags.items():
            self.client.set_tag(run_id, key, value)
        return run_id

    def close_run(self, run_id: str, status: str) -> None:
        """End a run: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status)

    def log_metrics(self, run_id: str, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log metrics to a run."""
        for key, value in metrics.items():
            self.client.log_metric(run_id, key, value, step=step)

    def artifact(self, run_id: str, name: str) -> Path:
        """A file or folder of a run's artifacts, where it lies when that is on this machine.

        MLflow's own download makes a copy a call. Raises FileNotFoundError when it is not there.
        """
        uri = str(self.client.get_run(run_id).info.artifact_uri)
        if not uri.startswith("file://"):
            return Path(self.client.download_artifacts(run_id, name))
        path = Path(unquote(urlparse(uri).path)) / name
        if not path.exists():
            raise FileNotFoundError(path)
        return path

    def run_url(self, run_id: str) -> str:
        """Where ``make ui`` shows the run."""
        return f"{UI_ADDRESS}/#/experiments/{self.initialise()}/runs/{run_id}"


def short_digest(version: str) -> str:
    """A data version as MLflow takes it."""
    return version[:DIGEST_LENGTH]


def git_commit() -> str:
    """The commit of the code that runs, "-dirty" when it was changed, "unknown" outside git."""
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
