"""Ends the servers of a command that was killed: ``python -m pipelines.guardian MARK``.

A command that starts servers which are not ours starts this beside them, with a pipe as standard
input. When the command dies, the pipe ends, and so does every process with its mark.
"""

import signal
import sys

from pipelines.processes import SIGNALS, end_all, marked_processes


def main() -> None:
    """Wait for the end of standard input, then end the processes of the mark."""
    for number in SIGNALS:  # of the terminal: the command gets them and says what is to be done
        signal.signal(number, signal.SIG_IGN)
    while sys.stdin.buffer.read(1):
        pass
    while found := marked_processes(sys.argv[1]):  # again: one may just have been started
        end_all(found)


if __name__ == "__main__":
    main()
