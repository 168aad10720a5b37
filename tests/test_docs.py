"""README and docs: the commands they show exist, and their lists are complete."""

import importlib
import importlib.metadata
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import dance_models
from dance_models.columns import described, meaning
from dance_models.config import AugmentConfig
from dance_models.data.augment import augment_run
from dance_models.profiles import PROFILES
from dance_models.rows import ROWS
from dance_models.training.synthetic import synthetic_runs
from pipelines.cli import make_app
from pipelines.graph import build_definitions, stages_of
from pipelines.profile_options import ProfileOptions
from pipelines.storage.store import Store

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted([README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])


def _text(page: Path) -> str:
    return page.read_text("utf-8")


def _name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# --- commands ---------------------------------------------------------------------------------


def _commands(page: Path) -> list[list[str]]:
    """Commands of the ``bash`` blocks and of inline code; ``sh`` blocks are not checked."""
    blocks = re.findall(r"```bash\n(.*?)```", _text(page), re.DOTALL)
    joined = "".join(blocks).replace("\\\n", " ")
    lines = [line.split(" #")[0].strip() for line in joined.splitlines()]
    prose = re.sub(r"```.*?```", "", _text(page), flags=re.DOTALL)
    inline = re.findall(r"`((?:dance|make) [a-z][^`]*)`", prose)
    return [shlex.split(line) for line in [*lines, *inline] if line]


COMMANDS = sorted({tuple(command) for page in PAGES for command in _commands(page)})


def test_the_two_commands_come_first() -> None:
    assert [c[:2] for c in _commands(README)[:2]] == [["make", "demo"], ["make", "test"]]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_exists_with_its_options(command: tuple[str, ...]) -> None:
    words = [word for i, word in enumerate(command) if i or "=" not in word]  # NAME=VALUE make ...
    if words[0] == "make":
        _output(["make", "--dry-run", *words[1:]])
    elif words[0] == "dance":
        shown = CliRunner().invoke(make_app(), [words[1], "--help"], env={"COLUMNS": "200"})
        assert shown.exit_code == 0, shown.output
        _are_options(words[2:], shown.output)
    else:
        assert words[:2] == ["python", "-m"]
        shown_by_module = _output([sys.executable, *words[1:4], "--help"])
        _are_options(words[4:], shown_by_module)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _are_options(words: list[str], shown: str) -> None:
    for word in words:
        if word.startswith("--"):
            assert re.search(rf"{re.escape(word)}\b", shown), word


# --- names that a page lists --------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_described(profile: str) -> None:
    assert f"| `{profile}` |" in _text(DOCS / "usage" / "profiles.md")


def _drawn_edges(page: Path) -> set[tuple[str, str]]:
    """(upstream, downstream) of every arrow; ``a & b --> c --> d`` is three of them."""
    edges: set[tuple[str, str]] = set()
    for drawing in re.findall(r"```mermaid\n(.*?)```", _text(page), re.DOTALL):
        for line in drawing.splitlines()[1:]:
            groups = [re.findall(r"\w+", group) for group in line.split("-->")]
            for sources, targets in pairwise(groups):
                edges |= {(source, target) for source in sources for target in targets}
    return edges


def _dependencies(store: Store, *, motion: bool = True) -> dict[str, set[str]]:
    """Asset -> what it depends on, in the graph of profile demo, with (rendered) motion or not."""
    options = ProfileOptions("demo", motion=motion, rendered=1 if motion else None)
    profile = options.resolve(store)
    graph = build_definitions(profile, store).resolve_asset_graph()
    return {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }


def test_every_asset_is_in_the_graph(tmp_path: Path) -> None:
    page = DOCS / "usage" / "graph.md"
    drawn = {asset for edge in _drawn_edges(page) for asset in edge}
    assert drawn == set(_dependencies(Store(root=str(tmp_path))))
    for stage in stages_of(PROFILES["study"]):
        trained = stage.op_tags.get("dance/kind") == "training"
        assert trained or f"`{stage.name}`" in _text(page), stage.name


def test_every_arrow_of_the_graph_is_a_dependency(tmp_path: Path) -> None:
    store = Store(root=str(tmp_path))
    graphs = [_dependencies(store, motion=motion) for motion in (False, True)]
    for source, target in _drawn_edges(DOCS / "usage" / "graph.md"):
        assert any(source in graph.get(target, ()) for graph in graphs), (source, target)


def test_every_method_is_in_the_comparison() -> None:
    page = _text(DOCS / "usage" / "comparison.md")
    for row in ROWS:
        assert f"`{row.id}`" in page, row.id


# --- links and files ----------------------------------------------------------------------------


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", _text(page), re.MULTILINE)
    plain = (re.sub(r"[^\w\s-]", "", title).strip().lower() for title in titles)
    return {re.sub(r"[\s-]+", "-", title) for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_resolve(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", _text(page), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)]+)\)", prose):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        assert not anchor or anchor in _anchors(file), target


def test_the_site_lists_every_page() -> None:
    nav = _text(ROOT / "mkdocs.yml")
    for page in DOCS.rglob("*.md"):
        assert page.relative_to(DOCS).as_posix() in nav


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_files_and_folders_named_in_the_docs_exist(page: Path) -> None:
    named = re.findall(r"`((?:dance_models|pipelines|tests|docs)/[\w/.]*)`", _text(page))
    for path in set(named):
        assert (ROOT / path).exists(), path


# --- data contracts -----------------------------------------------------------------------------

# Section of docs/data_contracts.md -> where its schema is.
SCHEMAS = {
    "annotation_report": ("ANNOTATION_REPORT", "pipelines.storage.annotation_problems"),
    "raw_clips": ("RAW_CLIPS", "pipelines.storage.clips"),
    "raw_annotations": ("RAW_ANNOTATIONS", "pipelines.storage.annotations"),
    "raw_motion": ("RAW_MOTION", "pipelines.storage.motion"),
    "registered_folders": ("REGISTERED_FOLDERS", "pipelines.storage.folders"),
    "clip_probe": ("CLIP_PROBE", "dance_models.tables"),
    "sampled_frames": ("FRAMES", "dance_models.tables"),
    "pose_tracks": ("TRACKS", "dance_models.tables"),
    "pose_annotations": ("ANNOTATIONS", "dance_models.tables"),
    "pose_dataset": ("POSE_DATASET", "dance_models.tables"),
    "dataset_clips": ("DATASET_CLIPS", "dance_models.tables"),
    "split_manifest": ("SPLIT_MANIFEST", "dance_models.tables"),
    "split_history": ("SPLIT_MANIFEST", "dance_models.tables"),
    "split_rows": ("SPLIT_ROWS", "dance_models.tables"),
    "rendered_motion": ("RENDERED_ROWS", "dance_models.tables"),
    "person_crops": ("PERSON_CROPS", "dance_models.tables"),
    "pretraining_sources": ("SOURCES", "pipelines.assets.pretraining"),
    "pretraining_leaks": ("LEAKS", "pipelines.checks.motion_leak"),
    "findings": ("FINDINGS", "dance_models.tables"),
    "recognition_scores": ("RECOGNITION_SCORES", "dance_models.evaluation.scores"),
    "prediction_scores": ("PREDICTION_SCORES", "dance_models.evaluation.scores"),
    "paired": ("PAIRED_SCORES", "dance_models.evaluation.scores"),
}


def _documented(section: str) -> list[tuple[str, str, str]]:
    """Column, type and meaning of the rows of the table below a heading."""
    text = _text(DOCS / "data_contracts.md").split(f"### `{section}`\n")[1]
    text = re.split(r"^##", text, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (.+) \|$", text, re.MULTILINE)
    assert len({column for column, *_ in rows}) == len(rows), section
    return rows


def _named_file(section: str) -> str:
    """The file that a section, else its chapter, else the page says that the schema is in."""
    before, after = _text(DOCS / "data_contracts.md").split(f"### `{section}`\n")
    chapter = before.rsplit("\n## ", 1)[1].split("\n### ")[0]
    for text in (re.split(r"^##", after, flags=re.MULTILINE)[0], chapter):
        if found := re.search(r"Schemas? in\s+`([\w/]+\.py)`", text):
            return found[1]
    return "dance_models/tables.py"


@pytest.mark.parametrize("section", SCHEMAS)
def test_the_named_file_holds_the_schema(section: str) -> None:
    assert _named_file(section) == SCHEMAS[section][1].replace(".", "/") + ".py"


def _schema(name: str, module: str) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = getattr(importlib.import_module(module), name)
    return schema


@pytest.mark.parametrize("section", SCHEMAS)
def test_documented_columns_match_the_code(section: str) -> None:
    """Names and types are those of the schema, meanings those that the web UI shows."""
    assert _documented(section) == described(section, _schema(*SCHEMAS[section]))


def test_the_audit_of_the_augmentation_is_documented() -> None:
    run = next(run for run in synthetic_runs(3, 20) if run.split == "train")
    _, drawn = augment_run(run, AugmentConfig(), 1)
    shown = _documented("augmentation_audit")
    assert [column for column, *_ in shown] == ["clip", "run", "variant", *drawn]
    assert all(text == meaning("augmentation_audit", column) for column, _, text in shown)


def test_every_schema_is_documented() -> None:
    """A new table of ``dance_models.tables`` needs a section."""
    from dance_models import tables

    schemas = {name for name, value in vars(tables).items() if name.isupper() and _is_schema(value)}
    assert schemas <= {name for name, *_ in SCHEMAS.values()}


def _is_schema(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value)


# --- the rest -----------------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len(_text(README).splitlines()) <= 150
    assert (DOCS / "demo_refined.jpg").is_file()


def test_the_changelog_has_an_unreleased_section() -> None:
    assert re.findall(r"^## \[(.+?)\]", _text(ROOT / "CHANGELOG.md"), re.MULTILINE) == [
        "Unreleased",
        dance_models.__version__,
    ]


def test_the_version_has_one_source() -> None:
    assert importlib.metadata.version("dance-pose-pipeline") == dance_models.__version__
    assert 'dynamic = ["version"]' in _text(ROOT / "pyproject.toml")


def test_pre_commit_hooks_download_nothing() -> None:
    import yaml

    hooks = yaml.safe_load(_text(ROOT / ".pre-commit-config.yaml"))
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    assert all(hook["language"] == "system" for hook in hooks["repos"][0]["hooks"])


def test_the_site_loads_nothing_from_the_network(tmp_path: Path) -> None:
    """A strict build, if its tools are installed; no page loads anything from another host."""
    pytest.importorskip("material", reason="pip install -e .[docs]")
    pytest.importorskip("mmdr", reason="pip install -e .[docs]")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text("utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)[^>]+src=\"?(https?:[^\"\s>]+)", text)
        loaded += re.findall(r"<link[^>]+href=\"?(https?:[^\"\s>]+)", text)
        assert not loaded, (page, json.dumps(loaded))
        assert "class=mermaid" not in text and 'class="mermaid"' not in text, page
