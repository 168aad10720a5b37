"""Weights of estimators, fetched by whoever needs them first: into a store, or a user's caches."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dance_models.files import copy_whole, is_part
from pipelines.storage.locks import owned

if TYPE_CHECKING:
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.weights import WeightSource
    from pipelines.storage.store import Store

Say = Callable[[str], object]


@dataclass(frozen=True)
class WeightsFolder:
    """A folder that weights are fetched into, and the lock for doing so."""

    path: Path
    lock: Path

    def ready(self, estimator: "EstimatorConfig", say: Say) -> Path:
        """The folder, after fetching what is missing or damaged for ``estimator``.

        One process fetches; the others wait, and ``say`` so. Raises InputError when the weights
        cannot be had.
        """
        from dance_models.estimators.factory import needs_weights
        from dance_models.estimators.weights import BLAZEPOSE

        return self.fetched(BLAZEPOSE, say) if needs_weights(estimator) else self.path

    def fetched(self, source: "WeightSource", say: Say) -> Path:
        """The folder, with the weights of ``source``; see :meth:`ready`."""
        from dance_models.estimators.weights import fetch_weights, missing_weights

        if not missing_weights(self.path, source):
            return self.path
        with owned(self.lock, "the folder of estimator weights", say):
            for name in missing_weights(self.path, source):
                damaged = (self.path / name).is_file()
                say(f"{name} is {'damaged' if damaged else 'not there yet'}: fetched")
            fetch_weights(self.path, source)
        return self.path


def store_weights(store: "Store") -> WeightsFolder:
    """The folder of a store."""
    return WeightsFolder(store.weights, store.lock("weights"))


def copy_weights(store: "Store", other: "Store") -> None:
    """Give another store the weights that a store has; a copy that was killed goes on."""
    if not store.weights.is_dir():
        return
    for path in sorted(store.weights.iterdir()):
        if path.is_file() and not is_part(path):
            copy_whole(path, other.weights / path.name)


def user_weights(cache: Path | None = None) -> WeightsFolder:
    """The folder without a store: among the user's own caches, or in ``cache``.

    That is ``dance-pose`` where the platform keeps caches; on Linux in ``XDG_CACHE_HOME``, else in
    ``~/.cache``. What is there is used without a network.
    """
    from platformdirs import user_cache_path

    folder = (cache or user_cache_path("dance-pose", appauthor=False)) / "weights"
    return WeightsFolder(folder, folder.with_name("weights.lock"))


def ready_weights(store: "Store", estimator: "EstimatorConfig", say: Say) -> Path:
    """The store's folder of weights, ready for ``estimator``; see :meth:`WeightsFolder.ready`."""
    return store_weights(store).ready(estimator, say)
