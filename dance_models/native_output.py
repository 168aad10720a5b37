"""What libraries write past Python, to file descriptor 2, without the lines that help nobody."""

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STDERR: Final = 2
# What LiteRT, XNNPACK and absl write in every process, and OpenCV about each driver that has no
# camera of a number: what follows from that is an error of its own.
NOISE: Final = re.compile(
    rb"Created TensorFlow Lite XNNPACK delegate"
    rb"|All log messages before absl::InitializeLog"
    rb"|Feedback manager requires a model with a single signature"
    rb"|global cap_\w+\.cpp|global cap_\w+\.hpp|obsensor_\w+"
)
_LOCK: Final = threading.Lock()  # the descriptor belongs to the whole process


@contextmanager
def without_native_noise() -> Iterator[None]:
    """Hold back what is written to file descriptor 2 in the block, then pass on all but ``NOISE``.

    Meant for short blocks. Where there is no descriptor 2, nothing is held back.
    """
    with _LOCK:
        try:
            kept = os.dup(STDERR)
        except OSError:  # closed, as in some services
            yield
            return
        with tempfile.TemporaryFile() as held:
            os.dup2(held.fileno(), STDERR)
            try:
                yield
            finally:
                os.dup2(kept, STDERR)
                os.close(kept)
                held.seek(0)
                for line in held:
                    if not NOISE.search(line):
                        os.write(STDERR, line)
