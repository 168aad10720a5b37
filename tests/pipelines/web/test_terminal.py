"""What the terminal of ``dance ui`` shows of its servers."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import WILL_RETRY_TAG
from quick_databases import instance_for_test

from pipelines.servers import Log, begin_log
from pipelines.web import terminal
from pipelines.web.terminal import RunNews, log_file, warning_in

DAEMON = "\x1b[32m2026-11-28 11:28:22 +0000\x1b[0m - dagster.daemon.SensorDaemon - \x1b[34m"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (f"{DAEMON}INFO\x1b[0m - Checking for new runs for sensor: dead_runs", None),
        (f"{DAEMON}WARNING\x1b[0m - No cursor for event type RUN_FAILURE, ignoring older", None),
        (f"{DAEMON}ERROR\x1b[0m - Sensor x failed\x1b[2J", "error: Sensor x failed\\x1b[2J"),
        (f"{DAEMON}INFO\x1b[0m - an ERROR that is only told of", None),
        ("2026/11/28 11:28:46 INFO:     Started server process [3931]", None),
        ("2026/11/28 11:28:46 WARNING mlflow.x: the disk is slow", "warning: mlflow.x: the disk"),
        ("Registry store URI not provided. Using backend store URI.", None),
        ("WARNING: " + "x" * 300, "warning: " + "x" * 200 + "..."),
        ("a MYWARNING1 line", None),
    ],
)
def test_only_warnings_and_errors_are_shown(line: str, shown: str | None) -> None:
    found = warning_in(line)
    assert found is None if shown is None else found is not None and found.startswith(shown)


def test_runs_that_start_and_end_are_news(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "LOOK_S", 0.0)
    with instance_for_test() as instance:

        @dg.job
        def ingest() -> None:
            pass

        old = instance.create_run_for_job(ingest)
        instance.report_run_failed(old)
        news = RunNews(instance, "http://127.0.0.1:3000")
        assert list(news.lines()) == []
        run = instance.create_run_for_job(ingest, tags={"dagster/partition": "solo"})
        event = dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "ingest")
        instance.report_dagster_event(event, run.run_id)
        (started,) = news.lines()
        assert started[5:] == f"  ingest of solo started: http://127.0.0.1:3000/runs/{run.run_id}"
        instance.report_run_failed(run)
        assert [line[5:] for line in news.lines()] == [
            f"  ingest of solo failed: http://127.0.0.1:3000/runs/{run.run_id}"
        ]
        assert list(news.lines()) == []
        again = instance.create_run_for_job(ingest)
        instance.report_run_failed(again)
        instance.add_run_tags(again.run_id, {WILL_RETRY_TAG: "true"})
        (interrupted,) = news.lines()
        where = f"http://127.0.0.1:3000/runs/{again.run_id}"
        assert interrupted[5:] == f"  ingest was interrupted and is tried again: {where}"


def test_the_log_of_the_last_start_is_kept(tmp_path: Path) -> None:
    log = log_file(tmp_path, "daemon")
    for text in ("one", "two", "three"):
        begin_log(log)
        log.write_text(text)
    assert {path.name: path.read_text() for path in (tmp_path / "logs").iterdir()} == {
        "daemon.log": "three",
        "daemon.previous.log": "two",
    }


def test_a_log_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest lines are kept, each whole and once; where no new one can begin it goes on."""
    path = log_file(tmp_path, "daemon")
    begin_log(path)
    log = Log(path, most=100)
    for number in range(50):
        log.write(b"%09d\n" % number)
    earlier = path.with_suffix(".previous.log")
    assert {p.name for p in path.parent.iterdir()} == {path.name, earlier.name}
    assert [p.stat().st_size for p in (earlier, path)] == [100, 100]
    kept = (earlier.read_text() + path.read_text()).split()
    assert kept == [f"{number:09d}" for number in range(30, 50)]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_: (tmp_path / "full").stat())
        with pytest.raises(FileNotFoundError):
            log.write(b"no room\n")
    log.write(b"x" * 200 + b"\n")
    assert path.read_bytes() == b"x" * 200 + b"\n"
    log.close()
