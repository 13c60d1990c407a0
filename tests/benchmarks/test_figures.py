"""The arithmetic of the benchmarks' report."""

import pytest
from benchmarks.figures import Spread, keeps, percentile, written


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2.0], Spread(2.0, 2.0, 2.0)),
        ([3.0, 1.0, 2.0], Spread(1.0, 2.0, 3.0)),
        ([4.0, 1.0], Spread(1.0, 2.5, 4.0)),
    ],
)
def test_a_spread_has_minimum_median_and_maximum(values: list[float], expected: Spread) -> None:
    assert Spread.of(values) == expected


def test_a_spread_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.of([])


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(24, 0.95, 23), (20, 0.95, 19), (100, 0.95, 95), (1, 0.95, 1), (4, 0.5, 2), (5, 0.0, 1), (5, 1.0, 5)],
)
def test_a_percentile_is_the_nearest_rank(count: int, share: float, expected: float) -> None:
    values = [float(value) for value in range(count, 0, -1)]

    assert percentile(values, share) == expected


@pytest.mark.parametrize(("values", "share"), [([], 0.95), ([1.0], 95.0), ([1.0], -0.1)])
def test_a_percentile_that_does_not_exist_is_an_error(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, share)


def test_a_promise_is_kept_by_the_median() -> None:
    assert keeps(Spread(0, 3.5, 9), 3.5) is True
    assert keeps(Spread(0, 3.6, 9), 3.5) is False
    assert keeps(Spread(0, 0, 0), 0) is True
    assert keeps(Spread(0, 1, 9), None) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (0.000123, "0.0001"),
        (0.0234, "0.0234"),
        (0.5, "0.500"),
        (3.456, "3.46"),
        (12.34, "12.3"),
        (99.96, "100"),
        (663.4, "663"),
        (12345.6, "12346"),
    ],
)
def test_a_value_is_written_with_three_digits(value: float, expected: str) -> None:
    assert written(value) == expected
