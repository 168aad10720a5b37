"""Faults that end a process: ``kill -9`` and signals, each of one process, at random moments."""

import signal
import time
from collections.abc import Callable
from typing import Final

import psutil
from scene import ROLES, Trial, command_line
from servers import finish_runs, retrain, ui

Act = Callable[[Trial], list[str]]

SIGNALS: Final = {"SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT, "SIGHUP": signal.SIGHUP}
SERVER_ROLES: Final = ("main", "daemon", "webserver", "code server", "mlflow")


def kill_main(trial: Trial) -> list[str]:
    """The command itself is killed; everything that it started has to end by itself."""
    return _end_main(trial, signal.SIGKILL)


def signal_main(name: str) -> Act:
    """The command alone gets a signal; it has to end everything, with the code of an interrupt."""

    def act(trial: Trial) -> list[str]:
        return _end_main(trial, SIGNALS[name])

    return act


def _end_main(trial: Trial, number: signal.Signals) -> list[str]:
    process = trial.midway()
    process.send_signal(number)
    code, troubles = trial.end_after(number, process)
    if code is not None and number is not signal.SIGKILL and code not in (130, 0):
        troubles.append(f"exit code {code} after {number.name}")
    return troubles


def kill_role(role: str) -> Act:
    """One process of a role is killed; the command has to end, and nothing is left."""

    def act(trial: Trial) -> list[str]:
        process = trial.kill_midway(role)
        code = process.wait(600)
        troubles = [f"left: {line}" for line in trial.gone()]
        if code not in (0, 1):
            troubles.append(f"exit code {code}")
        return troubles

    return act


def kill_server(role: str) -> Act:
    """``dance ui`` runs a job; one of its processes is killed; all others have to end."""

    def act(trial: Trial) -> list[str]:
        with ui(trial) as (process, port):
            retrain(trial, port)
            time.sleep(trial.random.uniform(0, 20))
            victims = [p for p in trial.processes() if _is(p, role, process.pid)]
            if not victims:
                return [f"there is no process {role}"]
            trial.random.choice(victims).kill()
            troubles = [f"left: {line}" for line in trial.gone()]
        return troubles + finish_runs(trial)

    return act


def stop_server(trial: Trial) -> list[str]:
    """``dance ui`` alone gets SIGTERM while it runs a job; everything has to end."""
    with ui(trial) as (process, port):
        retrain(trial, port)
        time.sleep(trial.random.uniform(0, 20))
        process.terminate()
        troubles = [f"left: {line}" for line in trial.gone()]
    return troubles + finish_runs(trial)


def _is(process: psutil.Process, role: str, main: int) -> bool:
    if role == "main":
        return bool(process.pid == main)
    return ROLES[role] in command_line(process)
