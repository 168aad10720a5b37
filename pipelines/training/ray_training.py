"""A training on a node of a cluster of Ray, with Dagster's Pipes through files of the store."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

import dagster as dg

from dance_models.errors import InputError
from dance_models.processes import STARTER
from dance_models.tables import write_text
from pipelines.cluster import Cluster, Ticket, connected
from pipelines.processes import TRAINING_STOP_S
from pipelines.storage.store import Store
from pipelines.training.child_error import error_of
from pipelines.training.finished import finished_result

PIPES: Final = "pipes-"  # folders beside the checkpoints, removed at the end
LOG: Final = "log.txt"
CONTEXT: Final = "context.json"
MESSAGES: Final = "messages.jsonl"
END_S: Final = TRAINING_STOP_S + 5  # a training that is told to end has ended before


class Left(NamedTuple):
    """What a task left of a training: its exit code, and the texts of a node of its own files."""

    code: int
    log: str = ""
    messages: str = ""


def train_here(
    ticket: Ticket, environment: Mapping[str, str], folder: str, beside: str, context: str
) -> Left:
    """What a task does: one training process in ``folder``. It ends with this process.

    ``beside`` is the folder of Pipes, ``context`` the text that it reads there. A node with other
    files of a store in a bucket sends what the training made, also when it is to go on elsewhere.
    Raises InputError when the node cannot work on the store.
    """
    ticket.check()
    files, store = Path(beside), Store(root=ticket.store)
    away = ticket.away  # now: the file that tells is removed when the command ends
    if away:
        write_text(files / CONTEXT, context)
    try:
        code = _trained(environment, files / LOG)
        if not away:
            return Left(code)
        return Left(code, _text(files / LOG), _text(files / MESSAGES))
    finally:
        if away and (remote := store.remote) is not None:
            shutil.rmtree(files, ignore_errors=True)
            remote.lend(Path(folder))
            remote.publish(clips=False)  # what it logged to MLflow


def _trained(environment: Mapping[str, str], log: Path) -> int:
    """The exit code of the training process; when this one is interrupted it is ended first."""
    variables = {**os.environ, **environment, STARTER: str(os.getpid())}
    command = [sys.executable, "-m", "pipelines.training.child"]
    with log.open("ab") as output:
        child = subprocess.Popen(command, env=variables, stdout=output, stderr=output)
    try:
        while True:  # a cancelled task is interrupted between two of these, not within one
            try:
                return child.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(END_S)
            except subprocess.TimeoutExpired:
                child.kill()


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""


def train_on_cluster(
    engine: str, context: dg.AssetExecutionContext, job: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Run one training as a task; the result that it left in its folder, or reported.

    Raises InputError when it fails or no node can work on the store, Failure when it left nothing.
    """
    store, folder = Store(root=job["store"]), Path(job["folder"])
    if (remote := store.remote) is not None:
        remote.lend(folder)
    with connected(engine) as cluster:
        assert cluster is not None
        with cluster.admitted(store) as ticket:
            messages, failure = _run(cluster, ticket, context, job)
    # Messages may be lost with a node; the note in the folder is written before they are sent.
    if (result := finished_result(store, folder)) is not None:
        return result
    if failure is not None:
        raise failure
    if messages:
        return messages[-1]
    raise dg.Failure("The training ended without a result; see its log above.")


def _run(
    cluster: Cluster, ticket: Ticket, context: dg.AssetExecutionContext, job: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], Exception | None]:
    """The messages of the training, and why it failed, if it did."""
    folder = Path(job["folder"])
    for old in folder.glob(f"{PIPES}*"):  # of a launcher that was killed
        shutil.rmtree(old, ignore_errors=True)
    beside = folder / f"{PIPES}{uuid4().hex[:8]}"
    beside.mkdir(parents=True)
    session = dg.open_pipes_session(
        context=context,
        context_injector=dg.PipesFileContextInjector(str(beside / CONTEXT)),
        message_reader=dg.PipesFileMessageReader(str(beside / MESSAGES)),
        extras=dict(job),
    )
    try:
        with session as opened:
            environment = opened.get_bootstrap_env_vars()
            failure = _failure(cluster, ticket, job, environment, beside)
        return [dict(message) for message in opened.get_custom_messages()], failure
    finally:
        _show(beside / LOG)
        shutil.rmtree(beside, ignore_errors=True)


def _failure(
    cluster: Cluster,
    ticket: Ticket,
    job: Mapping[str, Any],
    environment: Mapping[str, str],
    beside: Path,
) -> Exception | None:
    """Run the task to its end; None when the training succeeded.

    It is started again once when its worker or node dies, and goes on from its last epoch. Ray
    itself would start one that is killed for memory again without end.
    """
    ray, folder = cluster.ray, Path(job["folder"])
    cpus, gpus = asked_of_node(job["experiment"]["training"], cluster)
    task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(train_here)
    given = environment, str(folder), str(beside), _text(beside / CONTEXT)
    running = task.remote(ticket, *given)
    try:
        try:
            left = _ended(ray, running)
        except cluster.deaths:
            running = task.remote(ticket.again(), *given)
            left = _ended(ray, running)
    except ray.exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        return cause if isinstance(cause, InputError) else error
    except ray.exceptions.RayError as error:
        why = str(error).strip().splitlines()[0]
        return InputError(
            f"the training's node or worker died twice ({why})",
            file=folder,
            hint="Look at the cluster with `ray status`; the same command goes on",
        )
    except BaseException:
        ray.cancel(running)  # not by force: the training saves its epoch
        deadline = time.monotonic() + END_S
        while not ray.wait([running], timeout=1)[0] and time.monotonic() < deadline:
            continue
        raise
    _take(ticket, left, beside)
    if left.code == 0:
        return None
    ended = dg.DagsterError(f"The training ended with code {left.code}")
    return error_of(folder, ended)


def _take(ticket: Ticket, left: Left, beside: Path) -> None:
    """Put what a node with other files left where it would be if it had these."""
    if (remote := Store(root=ticket.store).remote) is not None:
        remote.fetch()
    for name, text in ((LOG, left.log), (MESSAGES, left.messages)):
        with (beside / name).open("a", encoding="utf-8") as file:
            file.write(text)


def _ended(ray: Any, running: Any) -> Left:
    """What a task left, when it has ended; raises what ended it."""
    while not ray.wait([running], timeout=1)[0]:
        continue
    left: Left = ray.get(running)
    return left


def asked_of_node(training: Mapping[str, Any], cluster: Cluster) -> tuple[int, int]:
    """The CPUs and GPUs of one node that a training asks for: a process for each of its devices.

    Raises InputError when it trains on several and no node has them: Ray would wait for one.
    """
    devices: int = training.get("devices", 1)
    gpu = wants_gpu(training, cluster)
    if devices > 1:
        most = cluster.most("CPU", *(["GPU"] if gpu else []))
        if devices > most:
            each = "a CPU and a GPU" if gpu else "a CPU"
            raise InputError(
                f"devices is {devices}, each {each} of one node, but no node of the cluster has "
                f"more than {most}",
                hint=f"Ask for at most {max(most, 1)}",
            )
    return devices, devices if gpu else 0


def wants_gpu(training: Mapping[str, Any], cluster: Cluster) -> bool:
    """Whether a training asks for a GPU: by its configuration, or since the cluster has one."""
    device = training.get("device", "auto")
    return device == "cuda" or (device == "auto" and cluster.has_gpu)


def _show(log: Path) -> None:
    """Copy what the training printed to this step's own output, as a subprocess would have."""
    if log.is_file():
        sys.stderr.write(log.read_text("utf-8", "replace"))
