"""Top-down ONNX models: tiny ones with known output, through crop, decoding and back."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import dance_models.estimators.weights as weights_module
from dance_models.config import EstimatorConfig
from dance_models.errors import InputError
from dance_models.estimators.blazepose.detector import PersonDetector
from dance_models.estimators.factory import (
    estimator_files,
    estimator_fingerprint,
    make_estimator,
)
from dance_models.estimators.onnx_decode import crop_to_image, decode_heatmaps, decode_simcc
from dance_models.estimators.onnx_description import files_of_weights
from dance_models.estimators.onnx_topdown import OnnxTopDown
from dance_models.geometry import pelvis
from dance_models.skeleton import DANCE_14

WIDTH, HEIGHT = 48, 64  # of the models' input
STRIDE = 4


def save_model(path, nodes, inputs, outputs, constants=()):
    tensors = [numpy_helper.from_array(value, name) for name, value in constants]
    value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)  # noqa: E731
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value(*i) for i in inputs],
        [value(*o) for o in outputs],
        initializer=tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, str(path))


def constant_model(path, **arrays):
    """Outputs the given arrays for any image (the graph must use its input: 0 x its mean)."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        *(helper.make_node("Add", [f"{n}_value", "nothing"], [n]) for n in arrays),
    ]
    constants = [("zero", np.zeros((), np.float32))]
    constants += [(f"{n}_value", a.astype(np.float32)) for n, a in arrays.items()]
    outputs = [(n, a.shape) for n, a in arrays.items()]
    save_model(path, nodes, [("image", (1, 3, HEIGHT, WIDTH))], outputs, constants)


def bright_spot_model(path, channel):
    """Heat maps = the local mean of one colour channel, the same for every joint."""
    weight = np.zeros((14, 3, 1, 1), np.float32)
    weight[:, channel] = 1
    nodes = [
        helper.make_node(
            "AveragePool",
            ["image"],
            ["pooled"],
            kernel_shape=[STRIDE, STRIDE],
            strides=[STRIDE, STRIDE],
        ),
        helper.make_node("Conv", ["pooled", "weight"], ["heat"]),
    ]
    output = [("heat", (1, 14, HEIGHT // STRIDE, WIDTH // STRIDE))]
    save_model(path, nodes, [("image", (1, 3, HEIGHT, WIDTH))], output, [("weight", weight)])


def describe(folder, **fields):
    description = {
        "name": "tiny",
        "model": "tiny.onnx",
        "input_size": [WIDTH, HEIGHT],
        "channel_order": "rgb",
        "output": "heatmap",
        "joints": list(DANCE_14.names),
        "box": "image",
        **fields,
    }
    path = folder / "tiny.json"
    path.write_text(json.dumps(description))
    return path


def peaks(rng):
    """Heat maps whose peak cells are returned, each with a larger right and upper neighbour."""
    maps = np.zeros((14, HEIGHT // STRIDE, WIDTH // STRIDE))
    cells = np.stack([rng.integers(1, 11, 14), rng.integers(1, 15, 14)], axis=1)
    for joint, (x, y) in enumerate(cells):
        maps[joint, y, x] = 0.4 + joint / 100
        maps[joint, y, x + 1] = maps[joint, y - 1, x] = 0.2
    return maps, cells


def test_heatmap_coordinates_map_back_exactly(tmp_path) -> None:
    maps, cells = peaks(np.random.default_rng(0))
    constant_model(tmp_path / "tiny.onnx", heat=maps[None])
    model = OnnxTopDown(describe(tmp_path), tmp_path)
    pose = model.estimate(np.zeros((128, 192, 3), np.uint8), 0)
    # The image is 192 x 128: it fills the crop's width at scale 4, centred in its height.
    in_crop = (cells + np.array([0.25, -0.25])) * STRIDE
    expected = (in_crop - (WIDTH / 2, HEIGHT / 2)) * 4 + (96, 64)
    np.testing.assert_allclose(pose.keypoints, expected, atol=1e-4)
    np.testing.assert_allclose(pose.score, 0.4 + np.arange(14) / 100, atol=1e-6)
    assert pose.landmarks.shape == (0, 3)


def test_what_is_not_a_number_is_missing() -> None:
    """As of a model in half precision that overflows: numpy takes the first NaN for the peak."""
    maps, _ = peaks(np.random.default_rng(0))
    maps[3] = np.nan
    x, y, _ = simcc_arrays(np.random.default_rng(1))
    x[0, 3, 5] = np.nan
    for points, score in (
        decode_heatmaps(maps, WIDTH, HEIGHT),
        decode_simcc(x[0], y[0], 2.0),
    ):
        assert np.flatnonzero(np.isnan(points).any(axis=1)).tolist() == [3]
        assert score[3] == 0 and (np.delete(score, 3) > 0).all()


def simcc_arrays(rng, ratio=2):
    x, y = np.zeros((1, 14, WIDTH * ratio)), np.zeros((1, 14, HEIGHT * ratio))
    bins = np.stack([rng.integers(0, WIDTH * ratio, 14), rng.integers(0, HEIGHT * ratio, 14)], 1)
    x[0, np.arange(14), bins[:, 0]] = 0.9
    y[0, np.arange(14), bins[:, 1]] = 0.7
    return x, y, bins


@pytest.mark.parametrize("swapped", [False, True])
def test_simcc_coordinates_map_back_exactly(tmp_path, swapped) -> None:
    x, y, bins = simcc_arrays(np.random.default_rng(1))
    arrays = {"b": y, "a": x} if swapped else {"a": x, "b": y}
    constant_model(tmp_path / "tiny.onnx", **arrays)
    model = OnnxTopDown(describe(tmp_path, output="simcc", simcc_split_ratio=2), tmp_path)
    pose = model.estimate(np.zeros((64, 24, 3), np.uint8), 0)
    expected = bins / 2 - (WIDTH / 2, HEIGHT / 2) + (12, 32)  # height fills the crop, scale 1
    np.testing.assert_allclose(pose.keypoints, expected, atol=1e-4)
    np.testing.assert_allclose(pose.score, 0.7, atol=1e-6)


def test_joints_are_matched_by_name(tmp_path) -> None:
    maps, cells = peaks(np.random.default_rng(2))
    constant_model(tmp_path / "tiny.onnx", heat=maps[None])
    names = list(reversed(DANCE_14.names))
    pose = OnnxTopDown(describe(tmp_path, joints=names), tmp_path).estimate(
        np.zeros((HEIGHT, WIDTH, 3), np.uint8), 0
    )
    knee = cells[names.index("left_knee")] + (0.25, -0.25)
    np.testing.assert_allclose(
        pose.keypoints[DANCE_14.index["left_knee"]], knee * STRIDE, atol=1e-4
    )


def test_a_joint_without_a_peak_is_missing(tmp_path) -> None:
    maps, _ = peaks(np.random.default_rng(3))
    maps[DANCE_14.index["left_wrist"]] = 0
    constant_model(tmp_path / "tiny.onnx", heat=maps[None])
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    pose = OnnxTopDown(describe(tmp_path), tmp_path).estimate(image, 0)
    assert np.isnan(pose.keypoints[DANCE_14.index["left_wrist"]]).all()
    assert pose.score[DANCE_14.index["left_wrist"]] == 0
    constant_model(tmp_path / "tiny.onnx", heat=np.zeros_like(maps[None]))
    assert OnnxTopDown(describe(tmp_path), tmp_path).estimate(image, 0) is None


@pytest.mark.parametrize(("order", "channel"), [("rgb", 0), ("bgr", 2)])
def test_the_image_reaches_the_model(tmp_path, order, channel) -> None:
    """A red spot is found where it is, with mean, std and channel order applied."""
    bright_spot_model(tmp_path / "tiny.onnx", channel)
    mean = [0.0, 0.0, 0.0]
    mean[channel] = 55.0
    path = describe(tmp_path, channel_order=order, mean=mean, std=[400.0] * 3)
    image = np.zeros((256, 192, 3), np.uint8)  # scale 4
    image[160:176, 64:80, 0] = 255
    pose = OnnxTopDown(path, tmp_path).estimate(image, 0)
    np.testing.assert_allclose(pose.keypoints, np.broadcast_to((64, 160), (14, 2)), atol=8)
    np.testing.assert_allclose(pose.score, 0.5, atol=0.01)  # (255 - 55) / 400


def test_crop_keeps_the_aspect_and_pads() -> None:
    to_image = crop_to_image(np.array([10.0, 20.0, 30.0, 60.0]), 48, 64, 1.25)
    corner = lambda x, y: to_image[:, :2] @ (x, y) + to_image[:, 2]  # noqa: E731
    np.testing.assert_allclose(corner(24, 32), (20, 40))
    np.testing.assert_allclose(corner(48, 64) - corner(0, 0), (37.5, 50))  # height: 1.25 x 40


def test_quarter_cell_decoding() -> None:
    maps = np.zeros((4, 8, 8))
    maps[:, 3, 4] = 1
    maps[0, 3, 5] = 0.5
    maps[1, 2, 4] = 0.5
    maps[2] = 0
    maps[2, 0, 7] = 1  # at the border: no shift
    points, score = decode_heatmaps(maps, 16, 16)
    np.testing.assert_allclose(points, [[8.5, 6], [8, 5.5], [14, 0], [8, 6]])
    np.testing.assert_allclose(score, 1)


def test_simcc_score_is_the_lower_peak() -> None:
    x, y = np.array([[0, 0.9, 0, 0], [0, -1, -2, -1]]), np.array([[0, 0, 0.4], [1, 0, 0]])
    points, score = decode_simcc(x, y, 2.0)
    np.testing.assert_allclose(points[0], (0.5, 1))
    np.testing.assert_allclose(score, [0.4, 0])
    assert np.isnan(points[1]).all()


def test_person_from_the_detector(tmp_path, weights, corpus, read_frames) -> None:
    """A model that always predicts the crop's centre gives the centre of the detected person."""
    maps = np.zeros((1, 14, 16, 12))
    maps[:, :, 8, 6] = 1
    constant_model(tmp_path / "tiny.onnx", heat=maps)
    image = read_frames(corpus / "clips" / "salsa" / "salsa_07.mp4", 40, 1)[0]
    model = OnnxTopDown(describe(tmp_path, box="detector"), weights)
    pose = model.estimate(image, 0)
    region = PersonDetector(weights, 0.5, 1).detect(image)[0].region
    np.testing.assert_allclose(pelvis(pose.keypoints), (region.x, region.y), atol=1e-3)
    assert model.estimate(np.full_like(image, 90), 1) is None
    assert model.version.endswith("+detector")


def test_without_weights_the_version_records_that_the_whole_image_is_used(tmp_path) -> None:
    constant_model(tmp_path / "tiny.onnx", heat=peaks(np.random.default_rng(0))[0][None])
    path = describe(tmp_path, box="auto")
    assert OnnxTopDown(path, tmp_path).version.endswith("+image")
    with pytest.raises(InputError, match=r"pose_detection\.tflite"):
        OnnxTopDown(describe(tmp_path, box="detector"), tmp_path)


def test_make_estimator_and_fingerprint(tmp_path) -> None:
    constant_model(tmp_path / "tiny.onnx", heat=peaks(np.random.default_rng(0))[0][None])
    config = EstimatorConfig(name="onnx", onnx_description=str(describe(tmp_path)))
    estimator = make_estimator(config, tmp_path, "clip")
    before = estimator_fingerprint(config, "clip")
    assert estimator.name == "onnx:tiny"
    describe(tmp_path, padding=1.1)
    assert estimator_fingerprint(config, "clip") != before
    (tmp_path / "tiny.onnx").unlink()
    assert estimator_fingerprint(config, "clip") == "absent"
    with pytest.raises(InputError, match="onnx_description"):
        make_estimator(EstimatorConfig(name="onnx"), tmp_path, "clip")


def test_the_fingerprint_says_where_the_box_comes_from(tmp_path, monkeypatch) -> None:
    constant_model(tmp_path / "tiny.onnx", heat=peaks(np.random.default_rng(0))[0][None])
    auto, image = (
        EstimatorConfig(name="onnx", onnx_description=str(describe(folder, box=box)))
        for folder, box in ((tmp_path, "auto"), (_beside(tmp_path), "image"))
    )
    without = [estimator_fingerprint(config, "clip", tmp_path) for config in (auto, image)]
    monkeypatch.setattr(weights_module, "missing_weights", lambda folder: [])
    detected, same = (estimator_fingerprint(config, "clip", tmp_path) for config in (auto, image))
    assert detected != without[0]
    assert detected == estimator_fingerprint(auto, "clip")  # as by earlier versions
    assert same == without[1]


def test_weights_in_a_file_beside_the_model_are_part_of_the_estimator(tmp_path) -> None:
    """Exporters write those of large models so: with the model's file alone poses were stale."""
    description, image = describe(tmp_path), np.zeros((128, 192, 3), np.uint8)
    config = EstimatorConfig(name="onnx", onnx_description=str(description))
    location = f"{'w' * 140}.data"  # its length takes two bytes in the file
    found = []
    for seed in (0, 1):
        (tmp_path / location).unlink(missing_ok=True)
        constant_model(tmp_path / "tiny.onnx", heat=peaks(np.random.default_rng(seed))[0][None])
        whole = onnx.load(tmp_path / "tiny.onnx")
        onnx.save(
            whole, tmp_path / "tiny.onnx", save_as_external_data=True, location=location,
            size_threshold=0,
        )  # fmt: skip
        model = OnnxTopDown(description, tmp_path)
        found.append((model, (tmp_path / "tiny.onnx").read_bytes()))
        found.append((estimator_fingerprint(config, "clip"), model.estimate(image, 0).keypoints))
        assert tmp_path / location in estimator_files(config, "clip")
    (one, bytes_one), (print_one, pose_one), (two, bytes_two), (print_two, pose_two) = found
    assert bytes_one == bytes_two, "the model's own file is the same"
    assert not np.array_equal(pose_one, pose_two)
    assert print_one != print_two
    assert one.version != two.version
    (tmp_path / "empty.onnx").touch()
    assert files_of_weights(tmp_path / "empty.onnx") == ()


def _beside(folder):
    (folder / "whole").mkdir()
    (folder / "whole" / "tiny.onnx").write_bytes((folder / "tiny.onnx").read_bytes())
    return folder / "whole"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"output": "offsets"}, "output is 'offsets'.*heatmap, simcc"),
        ({"joints": ["nose"]}, "left_ankle.*can not be derived"),
        ({"input_size": [48]}, "input_size"),
        ({"std": [0, 1, 1]}, "std"),
        ({"model": "gone.onnx"}, r"gone\.onnx: the model does not exist"),
        ({"sha256": "0" * 64}, "sha256 is"),
        ({"paddding": 1}, "unknown field paddding"),
        ({"joints": list(DANCE_14.names) * 2}, "different names"),
    ],
)
def test_bad_descriptions_are_located(tmp_path, fields, message) -> None:
    constant_model(tmp_path / "tiny.onnx", heat=peaks(np.random.default_rng(0))[0][None])
    with pytest.raises(InputError, match=message):
        OnnxTopDown(describe(tmp_path, **fields), tmp_path)


def test_unreadable_models_and_descriptions(tmp_path) -> None:
    (tmp_path / "tiny.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"tiny\.onnx: not a usable ONNX model"):
        OnnxTopDown(describe(tmp_path), tmp_path)
    (tmp_path / "tiny.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        OnnxTopDown(tmp_path / "tiny.json", tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        OnnxTopDown(tmp_path / "gone.json", tmp_path)


def test_outputs_that_do_not_fit_the_description(tmp_path) -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    maps = peaks(np.random.default_rng(0))[0]
    constant_model(tmp_path / "tiny.onnx", heat=maps[None, :13])
    with pytest.raises(InputError, match="14 joints are named"):
        OnnxTopDown(describe(tmp_path), tmp_path).estimate(image, 0)
    x, y, _ = simcc_arrays(np.random.default_rng(1))
    constant_model(tmp_path / "tiny.onnx", x=x, y=y)
    path = describe(tmp_path, output="simcc", simcc_split_ratio=3)
    with pytest.raises(InputError, match="simcc_split_ratio"):
        OnnxTopDown(path, tmp_path).estimate(image, 0)
