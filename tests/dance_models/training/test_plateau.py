import pytest

from dance_models.training.plateau import reached_plateau


@pytest.mark.parametrize(
    ("scores", "reached"),
    [
        ([10.0, 8.0, 6.0, 5.0, 5.0], True),
        ([10.0, 8.0, 6.0, 5.0, 4.96], True),  # 0.8 % better
        ([10.0, 8.0, 6.0, 5.0, 4.9], False),  # 2 % better
        ([10.0, 4.0, 6.0, 7.0, 8.0], True),  # the best was early
        ([9.0, 8.0, 7.0, 6.0, 5.0, 5.0, 5.0, 5.0, 4.0, 5.0], False),  # the last two of ten
        ([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 4.0, 4.0, 4.0, 4.0], True),
        ([5.0, 5.0], True),
        ([5.0], False),
        ([], False),
    ],
)
def test_a_plateau_is_a_last_fifth_without_gain(scores: list[float], reached: bool) -> None:
    assert reached_plateau(scores) is reached
