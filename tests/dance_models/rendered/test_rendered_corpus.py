"""The corpus of rendered motion: repeatable, resumed, and with both truths."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from motion_cases import person_bvh
from rendered_cases import TINY, Brightness

import dance_models.estimators.weights as weights_module
import dance_models.rendered.clip as clip_module
from dance_models.__main__ import main
from dance_models.config import EstimatorConfig, RenderedMotionConfig
from dance_models.data.pose_runs import PoseRun, load_pose_runs, save_pose_runs
from dance_models.errors import InputError
from dance_models.motion.read import motion_sources
from dance_models.rendered.clip import is_made, load_view
from dance_models.rendered.corpus import (
    accuracy,
    plan_pieces,
    read_takes,
    render_pieces,
    rendered_runs,
)
from dance_models.skeleton import DANCE_14

CHEAP = EstimatorConfig()


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    folder = tmp_path / "motion"
    folder.mkdir()
    for seed in (1, 2):
        (folder / f"person_{seed}.bvh").write_text(person_bvh(60, seed=seed), "utf-8")
    (folder / "short.bvh").write_text(person_bvh(8), "utf-8")
    (folder / "notes.json").write_text("{}", "utf-8")
    return folder


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_module, "make_estimator", lambda *_: Brightness())


def _made(
    motion: Path, folder: Path, config: RenderedMotionConfig = TINY
) -> tuple[list[PoseRun], list[Path]]:
    takes, _ = read_takes(motion_sources(motion), config)
    pieces = render_pieces(takes, config, CHEAP, folder, folder)
    return rendered_runs(pieces, folder, config), sorted(folder.glob("*.npz"))


def test_a_run_holds_estimate_and_exact_truth(motion: Path, tmp_path: Path) -> None:
    runs, files = _made(motion, tmp_path / "out")
    assert [run.clip for run in runs] == ["piece_0000.view0", "piece_0000.view1"]
    assert [file.stem for file in files] == [run.clip for run in runs]
    for run in runs:
        assert run.performer == "woman_a"
        assert run.group in {"person_1.bvh", "person_2.bvh"}
        assert len(run) == round(TINY.seconds / np.diff(run.time_s)[0])
        assert np.isnan(run.estimate[0]).all()
        assert np.isfinite(run.estimate[1:]).all()
        assert run.landmarks.shape == (len(run), DANCE_14.num_landmarks, 3)
        known = run.visibility > 0
        np.testing.assert_array_equal(np.isfinite(run.annotation).all(axis=-1), known)
        inside = run.annotation[known]
        assert (inside >= 0).all()
        assert (inside <= (run.width - 1, run.height - 1)).all()
        assert np.isnan(run.consensus).all()  # two views are too few
    head, ankle = (runs[0].annotation[:, DANCE_14.index[j], 1] for j in ("head_top", "left_ankle"))
    assert (head < ankle).all()


def test_the_same_seed_gives_the_same_bytes(motion: Path, tmp_path: Path) -> None:
    _, one = _made(motion, tmp_path / "one")
    _, two = _made(motion, tmp_path / "two", replace(TINY, workers=1))
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in two]
    _, other = _made(motion, tmp_path / "other", replace(TINY, seed=1))
    assert other[0].read_bytes() != one[0].read_bytes()


def test_an_interrupted_corpus_goes_on(
    motion: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, config = tmp_path / "out", replace(TINY, pieces=2)
    _, files = _made(motion, folder, config)
    whole = [file.read_bytes() for file in files]
    files[1].write_bytes(whole[1][: len(whole[1]) // 2])  # a file of another program's crash
    files[2].unlink()
    (folder / ".piece_0001.view0.99.part.npz").write_bytes(b"half")  # killed while writing
    stamps = [files[i].stat().st_mtime_ns for i in (0, 3)]
    estimated: list[str] = []

    def counting(config: EstimatorConfig, weights: Path, name: str) -> Brightness:
        estimated.append(name)
        return Brightness()

    monkeypatch.setattr(clip_module, "make_estimator", counting)
    runs, again = _made(motion, folder, config)
    assert estimated == ["piece_0000", "piece_0001"]
    assert [file.read_bytes() for file in again if not file.name.startswith(".")] == whole
    assert [files[i].stat().st_mtime_ns for i in (0, 3)] == stamps
    assert len(runs) == 4


def test_a_changed_setting_or_motion_makes_the_views_again(motion: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    _, files = _made(motion, folder)
    made = load_view(files[0]).made
    assert is_made(files[0], made)
    _made(motion, folder, replace(TINY, smooth_s=0.1, val_share=0.5, pieces=2))
    assert load_view(files[0]).made == made
    _made(motion, folder, replace(TINY, crf=(30, 31)))
    assert load_view(files[0]).made != made


def test_more_pieces_leave_those_before_and_use_all_bodies_and_takes(motion: Path) -> None:
    takes, problems = read_takes(motion_sources(motion), TINY)
    assert set(problems) == {"short.bvh", "notes.json"}
    few, many = (plan_pieces(takes, replace(TINY, pieces=n)) for n in (3, 40))
    assert many[:3] == few
    assert {piece.body for piece in many} == {"woman_a", "woman_b", "man_a"}
    assert {piece.take for piece in many} == {"person_1.bvh", "person_2.bvh"}
    stretches = [(piece.take, piece.start_s) for piece in many]
    count = len(set(stretches))
    assert len(set(stretches[:count])) == count  # each once before any twice
    assert len({piece.name for piece in many}) == 40
    with pytest.raises(InputError, match="no motion long enough"):
        plan_pieces([], TINY)


def test_views_of_one_piece_are_in_one_split(motion: Path, tmp_path: Path) -> None:
    runs, _ = _made(motion, tmp_path / "out", replace(TINY, pieces=6, val_share=0.5))
    splits = {(run.group, run.split) for run in runs}
    assert len(splits) == len({run.group for run in runs})
    assert {run.split for run in runs} == {"train", "val"}


def test_four_views_have_a_consensus_and_files_keep_it(motion: Path, tmp_path: Path) -> None:
    config = replace(TINY, views=4, most_error_m=10.0)
    runs, files = _made(motion, tmp_path / "out", config)
    # This estimator sees nothing: views do not agree, so nothing is trusted.
    assert all(np.isnan(run.consensus).all() for run in runs)
    views = [load_view(file) for file in files]
    exact = [replace(view, estimate=np.nan_to_num(view.annotation())) for view in views]
    for file, view in zip(files, exact, strict=True):
        clip_module.save_view(replace(view, score=np.ones_like(view.score)), file)
    takes, _ = read_takes(motion_sources(motion), config)
    agreed = rendered_runs(plan_pieces(takes, config), tmp_path / "out", config)
    known = [np.isfinite(run.consensus).all(axis=-1) for run in agreed]
    assert np.mean([k.mean() for k in known]) > 0.5
    for run, at in zip(agreed, known, strict=True):
        assert (run.visibility[at] > 0).all()
        assert np.abs(run.consensus[at] - run.annotation[at]).max() < 0.5
    found = accuracy(agreed)
    assert found["pck@0.05_annotation"] == pytest.approx(100)
    assert found["pck@0.05_consensus"] > 95
    save_pose_runs(agreed, tmp_path / "runs.npz")
    for before, after in zip(agreed, load_pose_runs(tmp_path / "runs.npz"), strict=True):
        np.testing.assert_array_equal(before.consensus, after.consensus)
        assert (after.performer, after.group) == (before.performer, before.group)


def test_a_view_in_which_nobody_is_found_is_left_out(motion: Path, tmp_path: Path) -> None:
    config = replace(TINY, views=4)
    runs, files = _made(motion, tmp_path / "out", config)
    view = load_view(files[1])
    blind = replace(
        view,
        estimate=np.full_like(view.estimate, np.nan),
        score=np.zeros_like(view.score),
        landmarks=view.landmarks[:, :0],
    )
    clip_module.save_view(blind, files[1])
    takes, _ = read_takes(motion_sources(motion), config)
    left = rendered_runs(plan_pieces(takes, config), tmp_path / "out", config)
    assert [run.clip for run in left] == [run.clip for i, run in enumerate(runs) if i != 1]
    save_pose_runs(left, tmp_path / "runs.npz")


def test_a_missing_view_is_named(motion: Path, tmp_path: Path) -> None:
    _, files = _made(motion, tmp_path / "out")
    files[1].unlink()
    takes, _ = read_takes(motion_sources(motion), TINY)
    with pytest.raises(InputError, match=r"piece_0000.view1.npz: not a whole rendered view"):
        rendered_runs(plan_pieces(takes, TINY), tmp_path / "out", TINY)


def test_the_command_writes_one_file_and_says_what_it_did_not_use(
    motion: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(weights_module, "fetch_weights", lambda folder, *_: folder)
    out = tmp_path / "out"
    command = ["rendered", "--motion", str(motion), "--out", str(out), "--pieces", "1", "--set"]
    settings = ["views=2", "seconds=0.35", "lines=[48, 64]", "workers=1"]
    assert main([*command, *settings]) == 0
    said = capsys.readouterr().out
    assert "not used: short.bvh: no take of 0.35 s" in said
    assert "2 of 2 views" in said
    assert [run.clip for run in load_pose_runs(out / "runs.npz")] == [
        "piece_0000.view0",
        "piece_0000.view1",
    ]
    assert main([*command, "view=2"]) == 2
    assert "there is no setting view" in capsys.readouterr().err
