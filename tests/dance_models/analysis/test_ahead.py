"""Items that a thread makes ahead of their use."""

import threading
from collections.abc import Iterator

import pytest

from dance_models.analysis.ahead import ahead


def test_items_come_in_order_and_the_thread_is_never_far_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for i in range(50):
            made.append(i)
            yield i

    with ahead(items(), 3) as taken:
        for i, item in enumerate(taken):
            assert item == i
            assert len(made) <= i + 1 + 3 + 1  # in hand, in the queue, waiting for a place
    assert made == list(range(50))


def test_an_error_is_raised_where_its_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with ahead(items()) as taken:
        assert next(taken) == 1
        with pytest.raises(ValueError, match="broken"):
            next(taken)


def test_leaving_early_ends_the_thread_and_closes_what_it_opened() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    with pytest.raises(KeyError), ahead(items()) as taken:
        next(taken)
        raise KeyError
    assert closed.is_set()
    assert threading.active_count() == before
