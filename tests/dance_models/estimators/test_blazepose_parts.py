"""BlazePose without its weights: anchors, regions, suppression, heat-map refinement."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dance_models.errors import InputError
from dance_models.estimators.blazepose.anchors import anchor_centres
from dance_models.estimators.blazepose.detector import _letterbox, _merge_overlapping
from dance_models.estimators.blazepose.landmarks import LandmarkModel, refine
from dance_models.estimators.blazepose.litert import LiteRtModel
from dance_models.estimators.blazepose.region import Region
from dance_models.evidence import EVIDENCE, columns


def test_anchor_layout() -> None:
    anchors = anchor_centres()
    assert anchors.shape == (2254, 2)
    np.testing.assert_allclose(anchors[0], (0.5 / 28, 0.5 / 28))
    np.testing.assert_allclose(anchors[2], (1.5 / 28, 0.5 / 28))  # x runs first, two a cell
    np.testing.assert_allclose(anchors[1568], (0.5 / 14, 0.5 / 14))
    np.testing.assert_allclose(anchors[1960:1966], np.full((6, 2), 0.5 / 7))
    np.testing.assert_allclose(anchors[-1], (6.5 / 7, 6.5 / 7))


def test_upright_region() -> None:
    region = Region.from_alignment(np.array([100.0, 80.0]), np.array([100.0, 40.0]))
    assert (region.x, region.y) == (100, 80)
    assert region.size == pytest.approx(100)  # 2 x 1.25 x radius
    assert region.angle == pytest.approx(0)
    np.testing.assert_allclose(region.box, (50, 30, 150, 130))


@pytest.mark.parametrize("degrees", [0, 30, 90, 150, -120])
def test_crop_maps_its_centre_and_its_up_direction(degrees) -> None:
    up = np.array([np.sin(np.radians(degrees)), -np.cos(np.radians(degrees))])
    centre = np.array([100.0, 80.0])
    region = Region.from_alignment(centre, centre + 40 * up)
    to_image = region.crop_to_image(256)
    at = lambda x, y: to_image[:, :2] @ (x, y) + to_image[:, 2]  # noqa: E731
    np.testing.assert_allclose(at(128, 128), centre, atol=1e-9)
    np.testing.assert_allclose(at(128, 0), centre + 50 * up, atol=1e-9)
    assert np.linalg.det(to_image[:, :2]) > 0  # a rotation, not a reflection


def test_letterbox_keeps_the_aspect_and_maps_back() -> None:
    image = np.zeros((90, 180, 3), np.uint8)
    image[45, 90] = 255
    padded, scale, offset = _letterbox(image)
    assert padded.shape == (224, 224, 3)
    assert padded[0, 0, 0] == pytest.approx(-1)
    y, x = np.unravel_index(padded[..., 0].argmax(), (224, 224))
    # the centre of a pixel in the letterbox, from edge to edge, is that of the image's pixel
    np.testing.assert_allclose((np.array([x, y]) + 0.5 - offset) / scale - 0.5, (90, 45), atol=0.5)


def test_suppression_merges_boxes_of_one_person_and_keeps_two_people() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], float)
    points = np.array([[[0.0, 0.0]], [[3.0, 0.0]], [[55.0, 55.0]]])
    merged = _merge_overlapping(boxes, points, np.array([0.6, 0.3, 0.9]))
    assert [score for _, score in merged] == [0.9, 0.6]
    np.testing.assert_allclose(merged[0][0], [[55, 55]])
    np.testing.assert_allclose(merged[1][0], [[1.0, 0.0]])  # (0.6 x 0 + 0.3 x 3) / 0.9


def test_suppression_of_nothing_and_of_degenerate_boxes() -> None:
    assert _merge_overlapping(np.zeros((0, 4)), np.zeros((0, 1, 2)), np.zeros(0)) == []
    flat = _merge_overlapping(np.zeros((2, 4)), np.zeros((2, 1, 2)), np.array([0.5, 0.6]))
    assert len(flat) == 2


def reference_refinement(points, heat):
    """The published procedure, one landmark after the other."""
    out = points.astype(float).copy()
    for j, (x, y) in enumerate(points):
        column, row = int(x / 4), int(y / 4)
        if not (0 <= column < 64 and 0 <= row < 64):
            continue
        rows, columns = (
            range(max(0, row - 3), min(64, row + 4)),
            range(max(0, column - 3), min(64, column + 4)),
        )
        weight = {(r, c): 1 / (1 + np.exp(-heat[r, c, j])) for r in rows for c in columns}
        if max(weight.values()) < 0.5:
            continue
        total = sum(weight.values())
        out[j, 0] = 4 * sum(w * c for (_, c), w in weight.items()) / total
        out[j, 1] = 4 * sum(w * r for (r, _), w in weight.items()) / total
    return out


def test_refinement_matches_the_published_procedure() -> None:
    rng = np.random.default_rng(1)
    points = rng.uniform(-20, 276, (39, 2)).astype(np.float32)
    points[:3] = [[0, 0], [255.9, 255.9], [-1, 100]]
    heat = rng.normal(-3, 2, (64, 64, 39)).astype(np.float32)
    heat[:, :, 10:20] -= 20  # no peak: these stay
    refined = refine(points, heat).points
    np.testing.assert_allclose(refined, reference_refinement(points, heat), rtol=1e-4)
    np.testing.assert_array_equal(refined[10:20], points[10:20])


def test_refinement_goes_to_the_peak() -> None:
    heat = np.full((64, 64, 1), -30.0, np.float32)
    heat[20, 30, 0] = 30
    found = refine(np.array([[115.0, 85.0]], np.float32), heat)
    np.testing.assert_allclose(found.points, [[120, 80]], atol=1e-6)
    np.testing.assert_allclose((found.peak, found.spread), ([1], [0]), atol=1e-4)


def test_the_spread_of_a_heat_map_is_its_standard_deviation() -> None:
    heat = np.full((64, 64, 1), -30.0, np.float32)
    heat[20, [28, 32], 0] = 30  # two equal peaks, each two cells (8 pixels) from their middle
    found = refine(np.array([[120.0, 80.0]], np.float32), heat)
    np.testing.assert_allclose(found.points, [[120, 80]], atol=1e-4)
    np.testing.assert_allclose(found.spread, [8], atol=1e-3)


class Echo:
    """In place of the model: its outputs put all points where the crop is brightest."""

    def __init__(self):
        self.spot = np.zeros(2)

    def run(self, image):
        grey = image[..., 0]
        y, x = np.mgrid[0:256, 0:256] + 0.5  # from edge to edge, as the model's coordinates
        self.spot = np.array([(x * grey).sum(), (y * grey).sum()]) / grey.sum()

    def output(self, size):
        heat = np.full((64, 64, 39), -30, np.float32)
        points = np.zeros((39, 5), np.float32)
        points[:, :2] = self.spot
        points[34, 1] -= 100  # the rim above the centre
        world = np.tile(np.array([1, 0, 2], np.float32), (39, 1))
        return {195: points, 1: np.ones(1, np.float32), 117: world, 64 * 64 * 39: heat}[size]


def echo_model(mirrored_pass=False):
    model = LandmarkModel.__new__(LandmarkModel)
    model._model, model._mirrored_pass, model._pool = Echo(), mirrored_pass, None
    return model


def spot(x, y, width=200, height=160):
    """A bright blot with its centre of mass at x, y; pixel centres are integers."""
    column, row = np.arange(width), np.arange(height)[:, None]
    blot = np.exp(-((column - x) ** 2 + (row - y) ** 2) / 18)
    return np.repeat((250 * blot).astype(np.uint8)[..., None], 3, axis=-1)


@pytest.mark.parametrize("degrees", [0, 40, 90, -120])
@pytest.mark.parametrize("size", [60.0, 100.0, 300.0])
def test_what_lies_at_a_pixel_is_found_at_that_pixel(degrees, size) -> None:
    """On both axes; half a crop pixel off would be 0.59 px in the largest region."""
    region = Region(100.0, 80.0, size, np.radians(degrees))
    found = echo_model().find(spot(104.0, 77.0), region)
    np.testing.assert_allclose(found.points[0, :2], (104, 77), atol=0.06)


def test_a_mirrored_image_gives_mirrored_points() -> None:
    image = spot(104.0, 77.0)
    region, mirror = Region(100.0, 80.0, 150.0, 0.3), Region(99.0, 80.0, 150.0, -0.3)
    straight = echo_model().find(image, region).points[0]
    other = echo_model().find(np.ascontiguousarray(image[:, ::-1]), mirror).points[0]
    np.testing.assert_allclose((199 - other[0], other[1]), straight[:2], atol=1e-2)


def test_the_mirrored_pass_is_turned_back_to_the_image() -> None:
    """The echo sees the blot in both crops, so both passes put it at the same pixel."""
    region = Region(100.0, 80.0, 150.0, np.pi / 2)  # up in the crop is right in the image
    found = echo_model(mirrored_pass=True).find(spot(104.0, 77.0), region)
    xy = found.evidence[:, columns("mirrored_x", "mirrored_y")]
    np.testing.assert_allclose(xy, found.points[:, :2], atol=1e-3)
    # right in the crop is down in the image; the mirrored pass saw the other way round
    world = found.evidence[:, columns("world_x", "world_y", "world_z")]
    np.testing.assert_allclose(world, np.tile([0, 1, 2], (33, 1)), atol=1e-6)
    mirrored = columns("mirrored_world_x", "mirrored_world_y", "mirrored_world_z")
    np.testing.assert_allclose(found.evidence[:, mirrored], np.tile([0, -1, 2], (33, 1)), atol=1e-6)


def test_passes_side_by_side_give_what_they_give_in_turn() -> None:
    region, image = Region(100.0, 80.0, 150.0, 0.3), spot(104.0, 77.0)
    model = echo_model(mirrored_pass=True)
    in_turn = model.find(image, region)
    with ThreadPoolExecutor(1) as model._pool:
        model._second = Echo()
        beside = model.find(image, region)
    np.testing.assert_array_equal(in_turn.points, beside.points)
    np.testing.assert_array_equal(in_turn.evidence, beside.evidence)


def test_without_a_mirrored_pass_its_columns_are_not_known() -> None:
    evidence = echo_model().find(spot(104.0, 77.0), Region(100.0, 80.0, 150.0, 0.0)).evidence
    unknown = np.array([name.startswith("mirrored_") for name in EVIDENCE])
    assert np.isnan(evidence[:, unknown]).all()
    assert np.isfinite(evidence[:, ~unknown]).all()


def test_absent_and_damaged_weights_are_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"gone\.tflite.*missing.*`dance run` fetches them"):
        LiteRtModel(tmp_path / "gone.tflite", 1)
    (tmp_path / "bad.tflite").write_bytes(b"no model" * 100)
    with pytest.raises(InputError, match=r"bad\.tflite.*not a readable"):
        LiteRtModel(tmp_path / "bad.tflite", 1)
