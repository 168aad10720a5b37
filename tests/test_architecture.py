"""The layering holds: the library knows no orchestrator, the orchestration holds no tensor code."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def _sources(package: str) -> list[Path]:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    return files


@pytest.mark.parametrize("path", _sources("dance_models"), ids=str)
def test_the_library_knows_no_orchestrator(path: Path) -> None:
    assert not _imports(path) & {"dagster", "dagster_pipes", "mlflow", "pipelines"}


@pytest.mark.parametrize("path", _sources("pipelines"), ids=str)
def test_the_orchestration_holds_no_tensor_code(path: Path) -> None:
    assert not _imports(path) & {"torch", "cv2", "albumentations", "decord", "av", "onnxruntime"}


@pytest.mark.parametrize("package", ["nets", "training"])
def test_networks_and_training_need_torch_and_numpy_alone(package: str) -> None:
    allowed = {"torch", "numpy", "dance_models"} | set(sys.stdlib_module_names)
    for path in sorted((ROOT / "dance_models" / package).rglob("*.py")):
        assert _imports(path) <= allowed, path


def test_training_imports_nothing_heavy_at_run_time() -> None:
    """Following imports too: a bare GPU host has neither polars nor OpenCV."""
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


def test_definitions_stay_light() -> None:
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


def test_the_committed_instance_configuration_is_the_template() -> None:
    committed = ROOT / "assets_store" / "dagster_home" / "dagster.yaml"
    assert committed.read_bytes() == (ROOT / "pipelines" / "dagster.yaml").read_bytes()
