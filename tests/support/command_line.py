"""The command line, run in this process on a tiny corpus."""

from collections import Counter
from pathlib import Path

from tiny_corpus import Corpus
from typer.testing import CliRunner

from pipelines.cli import make_app
from pipelines.storage.store import Store, open_instance

CLIP_ASSETS = "clip_probe,pose_annotations,sampled_frames,pose_tracks"
DATA_ASSETS = "pose_dataset,split_manifest,augmented_train,train_split,val_split,test_split"


def dance(store: Path | str, *arguments: str) -> tuple[int, str]:
    """Run a command; exit code and output."""
    result = CliRunner().invoke(make_app(), [arguments[0], "--store", str(store), *arguments[1:]])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, " ".join(result.output.split())


def dance_without_store(*arguments: str | Path) -> tuple[int, str]:
    """Run a command that needs no store; exit code and output, an error of ours among it."""
    done = CliRunner().invoke(make_app(), [str(argument) for argument in arguments])
    return done.exit_code, done.output


def run(store: Path | str, corpus: Corpus, *more: str) -> tuple[int, str]:
    """``dance run`` on a corpus with its precomputed tracks."""
    return dance(
        store, "run", "--clips", str(corpus.clips), "--annotations", str(corpus.annotations),
        "--tracks", str(corpus.tracks), "--profile", "smoke", "--debug", *more,
    )  # fmt: skip


def runs_of(store: Path) -> Counter[str]:
    """How many Dagster runs each job had."""
    with open_instance(Store(root=str(store))) as instance:
        return Counter(run.job_name for run in instance.get_runs())


def runs_by_asset(store: Path) -> Counter[str]:
    """How many Dagster runs selected each asset."""
    with open_instance(Store(root=str(store))) as instance:
        return Counter(
            key.to_user_string()
            for record in instance.get_runs()
            for key in record.asset_selection or ()
        )


def made_by_asset(store: Path) -> Counter[str]:
    """How often each asset was computed, rather than reused, over all runs."""
    from pipelines.stage import REUSED

    counts: Counter[str] = Counter()
    with open_instance(Store(root=str(store))) as instance:
        for run in instance.get_runs():
            for record in instance.all_logs(run.run_id):
                event = record.dagster_event
                if event is not None and event.is_step_materialization:
                    made = event.materialization
                    reused = REUSED in made.metadata and bool(made.metadata[REUSED].value)
                    counts[made.asset_key.to_user_string()] += not reused
    return counts
