"""The estimator's weights in the store: there before an estimator is built, fetched once."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.storage.locks import owned
from pipelines.storage.store import Store

if TYPE_CHECKING:
    from dance_models.config import EstimatorConfig
    from dance_models.estimators.weights import WeightSource


def ready_weights(store: Store, estimator: "EstimatorConfig", say: Callable[[str], object]) -> Path:
    """The folder of weights, after fetching what is missing or damaged for ``estimator``.

    One process fetches; the others wait, and ``say`` so. Raises InputError when the weights cannot
    be had.
    """
    from dance_models.estimators.factory import needs_weights
    from dance_models.estimators.weights import BLAZEPOSE

    return fetched(store, BLAZEPOSE, say) if needs_weights(estimator) else store.weights


def fetched(store: Store, source: "WeightSource", say: Callable[[str], object]) -> Path:
    """The folder of weights, in which those of ``source`` are; see :func:`ready_weights`."""
    from dance_models.estimators.weights import fetch_weights, missing_weights

    folder = store.weights
    if not missing_weights(folder, source):
        return folder
    with owned(store.lock("weights"), "the folder of estimator weights", say):
        for name in missing_weights(folder, source):
            damaged = (folder / name).is_file()
            say(f"{name} is {'damaged' if damaged else 'not there yet'}: fetched")
        fetch_weights(folder, source)
    return folder
