"""Tables are late, or lack values, also where no model serves them."""

from typing import Any

import numpy as np
import pytest

from intonaco.core.errors import SchemaError
from intonaco.infra.monitoring.freshness import TableMonitor, check_table, freshness

HOUR_US = 3_600_000_000
MONITOR = TableMonitor("weather", time="at", within="3h", nulls={"temp": 0.1})


def rows(*hours: int, temp: Any = None) -> dict[str, Any]:
    return {"at": np.array(hours) * HOUR_US, "temp": np.zeros(len(hours)) if temp is None else np.array(temp)}


def test_a_table_is_as_old_as_its_newest_event() -> None:
    found = freshness("weather", np.array([1, 5, 3]), at_us=9)
    assert (found.newest_us, found.age_us) == (5, 4)


def test_events_of_the_future_do_not_make_a_table_fresh() -> None:
    assert freshness("weather", np.array([1, 99]), at_us=9).newest_us == 1


def test_a_table_without_events_has_no_age() -> None:
    assert freshness("weather", np.array([], dtype=np.int64), at_us=9).age_us is None


def test_a_late_table_is_one_alert_until_its_next_event() -> None:
    first, second = (check_table(MONITOR, rows(1), at * HOUR_US)[0] for at in (5, 6))
    assert (first.monitor, first.value, first.threshold) == ("freshness weather", 4 * 3600, 3 * 3600)
    assert (first.from_us, first.to_us) == (second.from_us, second.to_us)
    assert check_table(MONITOR, rows(1, 5), 6 * HOUR_US) == []


def test_nulls_are_counted_in_the_newest_whole_day() -> None:
    table = rows(1, 2, 25, temp=[np.nan, 1.0, np.nan])
    alerts = [each for each in check_table(MONITOR, table, 26 * HOUR_US) if each.monitor == "nulls weather.temp"]
    assert [(each.value, each.from_us, each.to_us) for each in alerts] == [(0.5, 0, 24 * HOUR_US)]


def test_a_day_without_rows_has_no_nulls() -> None:
    assert check_table(MONITOR, rows(49), 50 * HOUR_US) == []


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SchemaError, match="table 'weather' has no column 'temp'"):
        check_table(MONITOR, {"at": np.array([1])}, 5)
