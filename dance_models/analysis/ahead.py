"""Stages side by side: one thread makes what another uses, a few items ahead of it."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

AHEAD: Final = 4  # items: frames are large, and more of them bring no more speed
_POLL_S: Final = 0.1


class _Failed:
    def __init__(self, error: BaseException) -> None:
        self.error = error


_END: Final = object()


@contextmanager
def ahead(items: Iterable[T], most: int = AHEAD) -> Iterator[Iterator[T]]:
    """Yield the same items, made by a thread that is at most ``most`` of them ahead.

    Decoding, drawing, encoding and the estimator work outside of Python's lock, so that stages
    use several cores. An error of the thread is raised where its item would have come. When the
    block ends, the thread has ended, too.
    """
    made: queue.Queue[object] = queue.Queue(most)
    stop = threading.Event()

    def hand_over(item: object) -> bool:
        while not stop.is_set():
            try:
                made.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        source = iter(items)
        try:
            for item in source:
                if not hand_over(item):
                    break
            else:
                hand_over(_END)
        except BaseException as error:  # raised again in the thread that uses the items
            hand_over(_Failed(error))
        finally:
            if close := getattr(source, "close", None):  # what it opened is closed where it opened
                close()

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        yield _taken(made)
    finally:
        stop.set()
        thread.join()


@contextmanager
def one_behind() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield what hands pieces of work to a second thread, in order, and waits for the one before.

    An error of a piece is raised by the next call, or at the end of the block.
    """
    with ThreadPoolExecutor(1) as pool:
        last: list[Future[None]] = []

        def hand_over(work: Callable[[], None]) -> None:
            if last:
                last.pop().result()
            last.append(pool.submit(work))

        yield hand_over
        if last:
            last.pop().result()


def _taken(made: "queue.Queue[object]") -> Iterator[T]:
    while True:
        item = made.get()
        if item is _END:
            return
        if isinstance(item, _Failed):
            raise item.error
        yield item  # type: ignore[misc]  # a T, the only thing that is left
