"""Items that a thread makes ahead of their use."""

import threading
from collections.abc import Iterator
from functools import partial

import pytest

from dance_models.analysis.ahead import ahead, one_behind


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


def test_work_that_is_handed_over_is_done_in_order_one_behind() -> None:
    done: list[int] = []
    threads: set[int] = set()

    def work(number: int) -> None:
        threads.add(threading.get_ident())
        done.append(number)

    with one_behind() as do:
        for number in range(5):
            do(partial(work, number))
            assert len(done) >= number  # all but the last one
    assert done == [0, 1, 2, 3, 4]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_of_work_that_was_handed_over_is_raised() -> None:
    def broken() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), one_behind() as do:
        do(broken)
        do(lambda: None)
    with pytest.raises(ValueError, match="broken"), one_behind() as do:
        do(broken)
