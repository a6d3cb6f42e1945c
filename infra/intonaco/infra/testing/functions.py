"""What every named function of columns must hold."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from intonaco.core.columns import Column, take
from intonaco.infra.features.defined.rowfunctions import RowFunction

__all__ = ["RowFunctionContract"]


class RowFunctionContract:
    """Subclass it with the fixture `function`, and others where columns of any numbers, or these parameters, do not suit it."""

    @pytest.fixture
    def function(self) -> RowFunction:
        """The function under test."""
        raise NotImplementedError("the subclass provides the fixture `function`")

    @pytest.fixture
    def columns(self, function: RowFunction) -> Sequence[Column]:
        """Columns that it takes, with a missing value in each."""
        special = [0.0, -0.0, 1.0, -1.0, 1e-9, 1e18, -1e18, 45.0, 89.99, 90.0, np.nan]
        numbers = np.concatenate([special, np.random.default_rng(7).normal(0, 50, 501)])
        return [np.roll(numbers, 3 * place) for place in range(function.columns)]

    @pytest.fixture
    def parameters(self, function: RowFunction) -> Sequence[float]:
        """Parameters that it takes."""
        return [float(number) for number in range(max(function.parameters, 3 if function.parameters < 0 else 0))]

    def test_its_check_takes_the_parameters(self, function: RowFunction, parameters: Sequence[float]) -> None:
        if function.check is not None:
            function.check(*parameters)

    @pytest.mark.parametrize("change", [lambda n: -n, lambda n: 0.0, lambda n: np.nan, lambda n: np.inf, lambda n: 1e300 * n])
    def test_what_its_check_lets_through_is_computed(
        self, function: RowFunction, columns: Sequence[Column], parameters: Sequence[float], change: Callable[[float], float]
    ) -> None:
        changed = [change(number) for number in parameters]
        for given in (changed, changed[::-1], [*changed[:1], *parameters[1:]]):
            try:
                if function.check is not None:
                    function.check(*given)
            except ValueError:
                continue
            assert function.compute(*columns, *given).shape == (len(columns[0]),)

    def test_gives_a_number_for_each_row(self, function: RowFunction, columns: Sequence[Column], parameters: Sequence[float]) -> None:
        found = function.compute(*columns, *parameters)
        assert (found.dtype, found.shape) == (np.dtype(np.float64), (len(columns[0]),))

    def test_a_row_alone_gives_the_same_bits(self, function: RowFunction, columns: Sequence[Column], parameters: Sequence[float]) -> None:
        whole = function.compute(*columns, *parameters)
        named = {str(place): column for place, column in enumerate(columns)}
        alone = [function.compute(*take(named, slice(row, row + 1)).values(), *parameters) for row in range(len(whole))]
        assert np.concatenate(alone).tobytes() == whole.tobytes()

    def test_rows_do_not_look_at_each_other(self, function: RowFunction, columns: Sequence[Column], parameters: Sequence[float]) -> None:
        order = np.random.default_rng(11).permutation(len(columns[0]))
        named = {str(place): column for place, column in enumerate(columns)}
        shuffled = function.compute(*take(named, order).values(), *parameters)
        assert shuffled.tobytes() == function.compute(*columns, *parameters)[order].tobytes()

    def test_columns_are_left_as_they_are(self, function: RowFunction, columns: Sequence[Column], parameters: Sequence[float]) -> None:
        before = [np.asarray(column).tobytes() for column in columns if isinstance(column, np.ndarray)]
        function.compute(*columns, *parameters)
        assert [np.asarray(column).tobytes() for column in columns if isinstance(column, np.ndarray)] == before

    def test_no_rows_give_none(self, function: RowFunction, columns: Sequence[Column], parameters: Sequence[float]) -> None:
        named = {str(place): column for place, column in enumerate(columns)}
        assert function.compute(*take(named, slice(0, 0)).values(), *parameters).shape == (0,)
