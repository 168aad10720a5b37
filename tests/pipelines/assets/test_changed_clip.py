"""A clip whose file is another one since it was probed: what the web UI says, and what helps."""

from pathlib import Path

import dagster as dg
from tiny_corpus import MakeCorpus

from dance_models.profiles import PROFILES
from pipelines.graph import build_definitions
from pipelines.storage.clips import register_clips
from pipelines.storage.store import Store


def test_a_changed_clip_fails_until_it_is_probed_again(
    tmp_path: Path, instance: dg.DagsterInstance, make_corpus: MakeCorpus
) -> None:
    store, corpus = Store(root=str(tmp_path / "store")), make_corpus(1, 24)
    (clip,) = register_clips(store, instance, [corpus.clips]).new
    (file,) = corpus.clips.rglob("*.mp4")
    job = build_definitions(PROFILES["smoke"], store).resolve_job_def("ingest_clips")

    def made(*assets: str) -> dg.ExecuteInProcessResult:
        return job.execute_in_process(
            instance=instance,
            partition_key=clip,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in assets],
        )

    def error(result: dg.ExecuteInProcessResult) -> str:
        (failure,) = (event for event in result.all_events if event.is_step_failure)
        return str(failure.event_specific_data)

    assert made("clip_probe").success
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):  # the second is a re-execution from failure
        said = error(made("sampled_frames"))
        assert "changed since clip_probe" in said
        assert "Re-execute all" in said
    assert made("clip_probe", "sampled_frames").success
    assert store.read("clip_probe", clip)["status"].to_list() == ["quarantined"]
