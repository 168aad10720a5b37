"""Several clips as one run of the real graph."""

from collections import Counter
from pathlib import Path

import pytest
from command_line import CLIP_ASSETS, runs_of
from tiny_corpus import MakeCorpus

from dance_models.config import EstimatorConfig
from pipelines.execution.request import Request
from pipelines.execution.runner import run_clips
from pipelines.partitions import clip_keys
from pipelines.profile_options import ProfileOptions
from pipelines.storage.clips import register_clips
from pipelines.storage.store import Store, open_instance

pytestmark = pytest.mark.slow


def test_a_bad_clip_among_several_is_the_only_one_that_fails(
    tmp_path: Path, make_corpus: MakeCorpus, listings: list[str]
) -> None:
    """One run for all, and one for the bad one; the third time nothing is left but that."""
    corpus, store = make_corpus(3, 50), Store(root=str(tmp_path / "store")).initialise()
    (corpus.clips / "ballet" / "text.mp4").write_text("a shopping list")  # quarantined
    (bad,) = [path for path in corpus.tracks.iterdir() if path.stem.startswith("street")]
    bad.write_text("{not JSON")
    with open_instance(store) as instance:
        register_clips(store, instance, [corpus.clips])
        clips = clip_keys(store, instance)
    tracks = EstimatorConfig(name="precomputed", precomputed_dir=str(corpus.tracks))
    options = ProfileOptions("smoke", estimator=tracks)
    request = Request(store.path, options, frozenset(CLIP_ASSETS.split(",")))

    listings.clear()
    made = run_clips(request, clips)
    assert listings == ["clips"], "however many there are"
    assert made is not None
    found = dict(zip(clips, made, strict=True))
    assert runs_of(store.path) == {"ingest_clips": 2}
    assert Counter(len(outcomes) for outcomes in found.values()) == {4: 4}
    for clip, outcomes in found.items():
        assert {outcome.clip for outcome in outcomes} == {clip}
        failed = [outcome for outcome in outcomes if outcome.state == "failed"]
        assert [outcome.asset for outcome in failed] == (
            ["pose_tracks"] if clip == bad.stem else []
        )
    (told,) = [o.error for o in found[bad.stem] if o.error]
    assert bad.name in told
    assert store.read("pose_tracks", "ballet_01").height == 50
    assert store.read("clip_probe", "text")["status"][0] == "quarantined"

    states = Counter(o.state for outcomes in run_clips(request, clips) or [] for o in outcomes)
    assert states == {"fresh": 15, "failed": 1}
    assert runs_of(store.path) == {"ingest_clips": 3}
