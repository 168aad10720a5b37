"""Dagster's warnings about features that are beta or in preview, and that we use knowingly."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg


@contextmanager
def known_warnings_ignored() -> Iterator[None]:
    """Ignore these warnings: one in each process would hide what matters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield
