"""The layering: the library imports no orchestrator, and the orchestration has no tensor code."""

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

from pipelines.executors import PRELOADED_FOR_NETWORKS

ROOT = Path(__file__).parent.parent

# The parts of a package (folders and top-level files) from the lowest layer to the highest.
# A part imports only from parts before it. docs/architecture.md shows the same order.
LAYERS = {
    "dance_models": (
        "text",
        "likeness",
        "errors",
        "files",
        "processes",
        "native_output",
        "documents",
        "arrays",
        "hdf_trial",
        "formats",
        "skeleton",
        "skeletons",
        "evidence",
        "config",
        "documented",
        "recipes",
        "rows",
        "profiles",
        "geometry",
        "assignment",
        "tables",
        "columns",
        "metrics",
        "video",
        "annotations",
        "estimators",
        "data",
        "motion",
        "nets",
        "checkpoint",
        "batches",
        "inference",
        "training",
        "proof",
        "export",
        "report_tables",
        "evaluation",
        "render",
        "report",
        "analysis",
        "comparison",
        "serving",
        "live",
        "quality",
        "demo",
        "rendered",
        "chain",
        "bench",
        "row_times",
        "__main__",
    ),
    "pipelines": (
        "known_warnings",
        "processes",
        "guardian",
        "servers",
        "run_launcher",
        "shown",
        "storage",
        "materializations",
        "partitions",
        "previews",
        "settings",
        "table_schemas",
        "variables",
        "profile_options",
        "tracking",
        "recovery",
        "cluster",
        "training",
        "checks",
        "shard_step",
        "stage",
        "sharding",
        "assets",
        "automation",
        "executors",
        "graph",
        "definitions",
        "execution",
        "web",
        "live",
        "commands",
        "cli",
    ),
}
# The most lines a function may have.
LONGEST_FUNCTION = 50


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def _sources(package: str) -> list[Path]:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    return files


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below one, without the bodies of ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _run_time_nodes(child)


@cache
def _import_graph(package: str) -> dict[str, set[str]]:
    """For each module of a package, the modules it imports, also inside functions."""
    trees = {_module(path): _tree(path) for path in _sources(package)}
    graph: dict[str, set[str]] = {module: set() for module in trees}
    for module, tree in trees.items():
        for node in _run_time_nodes(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                submodules = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in trees else node.module for name in submodules]
            graph[module].update(name for name in names if name in trees and name != module)
    return graph


def _part(module: str) -> str:
    """The folder or the file at the top of the package; "" for the package itself."""
    return module.partition(".")[2].partition(".")[0]


@pytest.mark.parametrize("package", LAYERS)
def test_imports_only_point_to_lower_layers(package: str) -> None:
    graph = {m: others for m, others in _import_graph(package).items() if _part(m)}
    parts = {_part(module) for module in graph}
    layers = LAYERS[package]
    assert parts == set(layers), f"LAYERS differs from the parts in {parts ^ set(layers)}"
    height = {part: i for i, part in enumerate(layers)}
    upward = [
        f"{module} imports {other}"
        for module, others in sorted(graph.items())
        for other in sorted(others)
        if _part(other) and height[_part(module)] < height[_part(other)]
    ]
    assert not upward, "\n".join(upward)


@pytest.mark.parametrize("package", LAYERS)
def test_there_are_no_import_cycles(package: str) -> None:
    try:
        TopologicalSorter(_import_graph(package)).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_functions_are_short() -> None:
    long = [
        f"{path}: {node.name} has {lines} lines"
        for path in (*_sources("dance_models"), *_sources("pipelines"))
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert not long, "\n".join(long)


def test_no_module_writes_the_environment() -> None:
    written = re.compile(r"environ\[[^]]+\]\s*=[^=]|environ\.(update|setdefault|pop)\(|putenv\(")
    sources = {*_sources("dance_models"), *_sources("pipelines")}
    # A process of the fork server takes over that of the process that asks for it, as others do.
    sources.remove(ROOT / "dance_models" / "processes.py")
    assert not [str(path) for path in sources if written.search(path.read_text("utf-8"))]


def test_importing_reads_neither_environment_nor_disk_and_builds_no_asset(tmp_path: Path) -> None:
    """Import all modules but the one that Dagster loads, in an empty folder, recording accesses."""
    modules = [
        _module(path)
        for path in (*_sources("dance_models"), *_sources("pipelines"))
        if path.name not in ("__main__.py", "definitions.py")
    ]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, json.dumps(modules)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []


IMPORT_ALL = """
import importlib, json, os, sys
import dagster as dg
found = []
ours = ("DANCE", "ASSETS_STORE", "MLFLOW", "DAGSTER_HOME")

class Spy(dict):
    def get(self, key, default=None):
        if str(key).startswith(ours[:2]):
            found.append(f"read {key}")
        return super().get(key, default)
    def __getitem__(self, key):
        if str(key).startswith(ours[:2]):
            found.append(f"read {key}")
        return super().__getitem__(key)

os.environ = Spy(os.environ)
here = os.getcwd()

def hook(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        path = os.path.abspath(arguments[0])
        if path.startswith(here) and "__editable__" not in path:  # a hook of the installer
            found.append(f"opened {path}")

sys.addaudithook(hook)
built = (dg.AssetsDefinition, dg.SourceAsset, dg.SensorDefinition, dg.ScheduleDefinition,
         dg.JobDefinition, dg.Definitions)
for name in json.loads(sys.argv[1]):
    before = dict(os.environ)
    module = importlib.import_module(name)
    found += [f"{name}.{key}" for key, value in vars(module).items() if isinstance(value, built)]
    for key in set(os.environ) - set(before):
        if key.startswith(ours):
            found.append(f"{name} wrote {key}")
print(json.dumps(found))
"""


@pytest.mark.parametrize("name", PRELOADED_FOR_NETWORKS)
def test_the_fork_server_finds_what_it_imports(name: str) -> None:
    """It passes over a name that is not there, which would only make every step slower."""
    assert find_spec(name) is not None


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="lists threads as Linux does")
def test_the_fork_server_starts_no_polars_threads() -> None:
    """Steps are forked from a server with these modules; a thread pool does not survive a fork."""
    code = (
        "import importlib, pathlib\n"
        "from pipelines.executors import PRELOADED\n"
        "for name in PRELOADED: importlib.import_module(name)\n"
        "names = [p.read_text().strip() for p in pathlib.Path('/proc/self/task').glob('*/comm')]\n"
        "pool = [n for n in names if n.startswith('polars-') and n[7:].isdigit()]\n"
        "assert not pool, names\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        pytest.param(
            "dance_models",
            {"dagster", "dagster_pipes", "mlflow", "pipelines"},
            id="no orchestrator",
        ),
        pytest.param(
            "pipelines",
            {"torch", "cv2", "albumentations", "decord", "av", "onnxruntime"},
            id="no tensor code",
        ),
    ],
)
def test_packages_do_not_import(package: str, forbidden: set[str]) -> None:
    found = {str(path): _imports(path) & forbidden for path in _sources(package)}
    assert not {path: names for path, names in found.items() if names}


@pytest.mark.parametrize(
    "package", ["metrics", "nets", "batches", "inference", "training", "proof"]
)
def test_networks_and_training_need_only_torch_and_numpy(package: str) -> None:
    allowed = {"torch", "numpy", "dance_models"} | set(sys.stdlib_module_names)
    for path in sorted((ROOT / "dance_models" / package).rglob("*.py")):
        assert _imports(path) <= allowed, path


def test_training_imports_nothing_heavy_at_run_time() -> None:
    """Including indirect imports: a bare GPU host has neither polars nor OpenCV."""
    code = (
        "import sys\n"
        "for name in ('polars', 'cv2', 'pyarrow', 'albumentations', 'av', 'scipy', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
        "import dance_models.training.recognition, dance_models.training.prediction\n"
        "import dance_models.training.detection\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def test_loading_the_definitions_imports_nothing_heavy() -> None:
    """Every run, sensor tick and code server imports them: no torch, no MLflow."""
    code = (
        "import sys, pipelines.definitions\n"
        "heavy = {'torch', 'mlflow', 'cv2', 'albumentations', 'decord'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr


def test_no_loose_modules_at_the_root() -> None:
    """Dagster puts the working directory on the path: they would shadow packages."""
    assert not list(ROOT.glob("*.py"))


def test_the_committed_instance_configuration_matches_the_template() -> None:
    committed = ROOT / "assets_store" / "dagster_home" / "dagster.yaml"
    assert committed.read_bytes() == (ROOT / "pipelines" / "dagster.yaml").read_bytes()


def test_files_of_tests_have_names_of_their_own() -> None:
    """Pytest imports them by name: of two with one name it collects the first."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
