"""The table of estimators."""

import subprocess
import sys
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from dance_models.config import EstimatorConfig
from dance_models.errors import InputError
from dance_models.estimators.factory import (
    ESTIMATORS,
    estimator_fingerprint,
    make_estimator,
    needs_weights,
)
from dance_models.estimators.weights import BLAZEPOSE_VERSION

UNKNOWN = EstimatorConfig(name="magic")  # type: ignore[arg-type]


def test_the_table_has_exactly_the_names_of_the_configuration() -> None:
    assert get_args(get_type_hints(EstimatorConfig)["name"]) == tuple(ESTIMATORS)


def test_only_blazepose_needs_the_downloaded_weights() -> None:
    assert needs_weights(EstimatorConfig())
    assert not needs_weights(EstimatorConfig(name="precomputed"))
    assert not needs_weights(EstimatorConfig(name="onnx"))


def test_fingerprints_load_no_model_and_report_missing_files_as_absent() -> None:
    assert estimator_fingerprint(EstimatorConfig(), "clip") == BLAZEPOSE_VERSION
    assert estimator_fingerprint(EstimatorConfig(name="precomputed"), "clip") == "absent"
    assert estimator_fingerprint(EstimatorConfig(name="onnx"), "clip") == "absent"
    assert estimator_fingerprint(UNKNOWN, "clip") == "absent"


def test_an_unknown_estimator_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'magic'.*blazepose, precomputed, onnx"):
        make_estimator(UNKNOWN, tmp_path, "clip")


def test_importing_the_factory_loads_no_estimator() -> None:
    code = (
        "import sys, dance_models.estimators.factory\n"
        "heavy = {'cv2', 'onnxruntime', 'ai_edge_litert'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
