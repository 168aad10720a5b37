"""The estimator's weights: there before an estimator is built, fetched once."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.storage.locks import owned

if TYPE_CHECKING:
    from dance_models.config import EstimatorConfig
    from pipelines.storage.store import Store

Say = Callable[[str], object]


def ready_weights(store: "Store", estimator: "EstimatorConfig", say: Say) -> Path:
    """The store's folder of weights, after fetching what is missing or damaged for ``estimator``.

    One process fetches; the others wait, and ``say`` so. Raises InputError when the weights cannot
    be had.
    """
    return _ready(store.weights, store.lock("weights"), estimator, say)


def cached_weights(cache: Path | None, estimator: "EstimatorConfig", say: Say) -> Path:
    """Likewise without a store: in the user's own folder of caches, or in ``cache``.

    That is ``dance-pose`` where the platform keeps caches; on Linux in ``XDG_CACHE_HOME``, else in
    ``~/.cache``. What is there is used without a network.
    """
    from platformdirs import user_cache_path

    folder = (cache or user_cache_path("dance-pose", appauthor=False)) / "weights"
    return _ready(folder, folder.with_name("weights.lock"), estimator, say)


def _ready(folder: Path, lock: Path, estimator: "EstimatorConfig", say: Say) -> Path:
    from dance_models.estimators.factory import needs_weights
    from dance_models.estimators.weights import fetch_weights, missing_weights

    if not needs_weights(estimator) or not missing_weights(folder):
        return folder
    with owned(lock, "the folder of estimator weights", say):
        for name in missing_weights(folder):
            damaged = (folder / name).is_file()
            say(f"{name} is {'damaged' if damaged else 'not there yet'}: fetched")
        fetch_weights(folder)
    return folder
