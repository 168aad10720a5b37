"""What libraries write past Python, to file descriptor 2, without the lines that help nobody."""

import os
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

STDERR: Final = 2
# Lines that LiteRT, XNNPACK and absl write in every process, whatever happens.
NOISE: Final = re.compile(
    rb"Created TensorFlow Lite XNNPACK delegate"
    rb"|All log messages before absl::InitializeLog"
    rb"|Feedback manager requires a model with a single signature"
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
