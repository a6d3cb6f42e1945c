"""What every stream must hold."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intonaco.core.errors import CorruptError, InvalidError
from intonaco.infra.storage.streams import Claimed, Stream, SupportsGroups, SupportsTopics
from intonaco.infra.testing.stores import StoreContract

__all__ = ["StreamContract", "StreamGroupsContract"]

_property = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)
_STEPS = st.lists(
    st.tuples(st.just("append"), st.lists(st.binary(max_size=4), max_size=4)) | st.tuples(st.just("trim"), st.integers(-1, 12)), max_size=12
)

_FILLING = b"x" * 10_000


class StreamContract(StoreContract):
    """Subclass it with the fixtures `url` and `store`, which yields the stream behind it, open; other topics may be in it.

    Where you can damage a stored record, override `damage`.
    """

    @pytest.fixture
    def store(self) -> Iterator[Stream]:
        """The stream under test."""
        raise NotImplementedError("the subclass provides the fixture `store`")

    @pytest.fixture
    def topic(self) -> str:
        """A topic that no other test uses."""
        return _topic()

    def damage(self, store: Stream, topic: str, offset: int) -> None:
        """Flip a bit in what is stored for the record."""
        pytest.skip(f"{type(self).__name__} does not say how a record of its stream is damaged")

    @staticmethod
    def keep(store: Stream, mark: str, number: int) -> None:
        """A record of two in a topic that all share."""
        store.append(f"contract/{mark}", [b"%d" % number, _FILLING])

    @staticmethod
    def kept(store: Stream, mark: str) -> list[int]:
        """Of the records that are there, all from the first offset to the end."""
        records = store.read(f"contract/{mark}", limit=10**6)
        assert [offset for offset, _ in records] == list(range(1, store.end(f"contract/{mark}") + 1)), "offsets have no gap"
        assert [value for _, value in records[1::2]] == [_FILLING] * (len(records) // 2), "nothing comes between what is appended together"
        return [int(value) for _, value in records[::2]]

    def test_offsets_go_on_where_they_were_after_opening_again(self, store: Stream, reopen: Callable[[], Stream], topic: str) -> None:
        store.append(topic, [b"a", b"b", b"c"])
        store.trim(topic, 3)
        store.append(f"{topic}-part", [b"a", b"b", b"c"])
        store.trim(f"{topic}-part", 2)
        store.close()
        with reopen() as again:
            assert (again.read(topic), again.end(topic), again.read(f"{topic}-part")) == ([], 3, [(3, b"c")])
            assert again.append(topic, [b"d"]) == 4
            assert again.read(topic) == [(4, b"d")]

    def test_a_topic_without_records_is_empty(self, store: Stream, topic: str) -> None:
        assert store.read(topic) == []
        assert store.end(topic) == 0
        assert store.append(topic, []) == 0
        store.trim(topic, 5)
        assert store.end(topic) == 0

    def test_offsets_count_from_one_in_the_order_of_the_values(self, store: Stream, topic: str) -> None:
        assert store.append(topic, [b"a", b"", b"c"]) == 3
        assert store.append(topic, [b"d"]) == 4
        assert store.append(topic, []) == 4
        assert store.read(topic) == [(1, b"a"), (2, b""), (3, b"c"), (4, b"d")]
        assert store.end(topic) == 4

    def test_reading_starts_behind_the_given_offset_and_stops_at_the_limit(self, store: Stream, topic: str) -> None:
        store.append(topic, [b"%d" % number for number in range(1, 11)])
        assert store.read(topic, after=3, limit=2) == [(4, b"4"), (5, b"5")]
        assert store.read(topic, after=9) == [(10, b"10")]
        assert store.read(topic, after=10) == []
        assert store.read(topic, after=99) == []
        assert store.read(topic, limit=0) == []

    def test_partitions_and_topics_count_for_themselves(self, store: Stream, topic: str) -> None:
        store.append(topic, [b"zero"])
        store.append(topic, [b"one", b"one more"], partition=1)
        store.append(f"{topic}-other", [b"other"])
        assert store.read(topic) == [(1, b"zero")]
        assert store.read(topic, partition=1) == [(1, b"one"), (2, b"one more")]
        assert store.end(topic, partition=2) == 0
        assert store.read(f"{topic}-other") == [(1, b"other")]

    def test_trimming_removes_records_and_keeps_the_offsets_of_the_others(self, store: Stream, topic: str) -> None:
        store.append(topic, [b"a", b"b", b"c"])
        store.trim(topic, 2)
        store.trim(topic, 1)
        assert store.read(topic) == [(3, b"c")]
        store.trim(topic, 99)
        assert store.read(topic) == []
        assert store.end(topic) == 3
        assert store.append(topic, [b"d"]) == 4
        assert store.read(topic) == [(4, b"d")]

    def test_a_large_record_is_kept(self, store: Stream, topic: str) -> None:
        value = bytes(range(256)) * 4096
        store.append(topic, [value, b"small"])
        assert store.read(topic) == [(1, value), (2, b"small")]

    @pytest.mark.parametrize("topic", ["", "name", "a/", "/a", "a/b c", "a/../b", "a/\x00"])
    def test_a_name_that_is_no_topic_is_refused(self, store: Stream, topic: str) -> None:
        with pytest.raises(InvalidError):
            store.append(topic, [b"x"])

    def test_a_partition_below_zero_is_refused(self, store: Stream, topic: str) -> None:
        with pytest.raises(InvalidError):
            store.append(topic, [b"x"], partition=-1)

    @_property
    @given(steps=_STEPS, after=st.integers(0, 20), limit=st.integers(0, 20))
    def test_it_answers_like_a_list(self, store: Stream, steps: list[tuple[str, list[bytes] | int]], after: int, limit: int) -> None:
        topic, values, trimmed = _topic(), list[bytes](), 0
        for _, step in steps:
            if isinstance(step, int):
                store.trim(topic, step)
                trimmed = max(trimmed, min(step, len(values)))
            else:
                values += step
                assert store.append(topic, step) == len(values)
        model = [(offset, value) for offset, value in enumerate(values, 1) if offset > max(trimmed, after)]
        assert store.read(topic, after=after, limit=limit) == model[:limit]
        assert store.end(topic) == len(values)

    def test_threads_that_append_lose_nothing_and_what_each_appends_stays_together(self, store: Stream, topic: str) -> None:
        ends: list[int] = []

        def write(mine: int) -> None:
            ends.extend(store.append(topic, [b"%d %d" % (mine, 2 * number), b"%d %d" % (mine, 2 * number + 1)]) for number in range(20))

        threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        records = [value for _, value in store.read(topic)]
        assert sorted(ends) == list(range(2, 161, 2))
        for mine in range(4):
            assert [value for value in records if value.startswith(b"%d " % mine)] == [b"%d %d" % (mine, number) for number in range(40)]
        assert [value[:1] for value in records[::2]] == [value[:1] for value in records[1::2]], (
            "no other comes between the two of one append"
        )

    def test_thousands_are_appended_and_read_in_their_order(self, store: Stream, topic: str) -> None:
        values = [b"%d" % number for number in range(12_345)]
        assert store.append(topic, values) == len(values)
        assert store.read(topic, limit=10**6) == list(enumerate(values, 1))
        assert [offset for offset, _ in store.read(topic, after=7000, limit=5000)] == list(range(7001, 12_001))

    def test_topics_are_told_with_their_partitions(self, store: Stream, topic: str) -> None:
        if not isinstance(store, SupportsTopics):
            pytest.skip("this stream does not tell its topics")
        store.append(topic, [])
        store.append(f"{topic}-b", [b"x"], partition=10)
        store.append(f"{topic}-b", [b"x"], partition=2)
        assert [each for each in store.topics() if each[0].startswith(topic)] == [(f"{topic}-b", 2), (f"{topic}-b", 10)]

    def test_a_read_during_appends_and_trims_has_no_gap(self, store: Stream, topic: str) -> None:
        done = threading.Event()

        def write() -> None:
            for number in range(60):
                end = store.append(topic, [b"%d" % number] * 5)
                store.trim(topic, end - 50)
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not done.is_set():
            offsets = [offset for offset, _ in store.read(topic, limit=1000)]
            assert offsets == list(range(offsets[0], offsets[-1] + 1)) if offsets else True
        writer.join()
        assert len(store.read(topic)) == 50

    def test_what_is_appended_together_is_seen_whole_or_not_at_all(self, store: Stream, topic: str) -> None:
        done = threading.Event()

        def write() -> None:
            try:
                for number in range(20):
                    store.append(topic, [b"%d" % number] * 100)
            finally:
                done.set()

        writer = threading.Thread(target=write)
        writer.start()
        ends = [0]
        while not done.is_set():
            ends.append(store.end(topic))
        writer.join()
        assert {end % 100 for end in ends} == {0}

    def test_a_damaged_record_is_corrupt(self, store: Stream, topic: str) -> None:
        store.append(topic, [b"first", b"second", b"third"])
        self.damage(store, topic, 2)
        with pytest.raises(CorruptError, match="2"):
            store.read(topic)
        assert store.read(topic, limit=1) == [(1, b"first")]
        assert store.read(topic, after=2) == [(3, b"third")]


class StreamGroupsContract(StreamContract):
    """What a stream that `SupportsGroups` must hold: subclass it in place of `StreamContract`."""

    @pytest.fixture
    def groups(self, store: Stream) -> SupportsGroups:
        """The stream, known to share out records."""
        assert isinstance(store, SupportsGroups)
        return store

    def test_a_topic_without_records_has_none_to_claim(self, groups: SupportsGroups, topic: str) -> None:
        assert groups.claim(topic, "group", "one") == []
        groups.acknowledge(topic, "group", [])
        groups.acknowledge(topic, "group", [1])

    def test_each_record_is_held_by_one_consumer(self, store: Stream, groups: SupportsGroups, topic: str) -> None:
        store.append(topic, [b"%d" % number for number in range(1, 8)])
        assert groups.claim(topic, "group", "one", limit=3) == [Claimed(number, b"%d" % number) for number in (1, 2, 3)]
        assert groups.claim(topic, "group", "two", limit=3) == [Claimed(number, b"%d" % number) for number in (4, 5, 6)]
        assert groups.claim(topic, "group", "one") == [Claimed(7, b"7")]
        assert groups.claim(topic, "group", "one") == []
        store.append(topic, [b"8"])
        assert groups.claim(topic, "group", "two") == [Claimed(8, b"8")]
        assert len(store.read(topic)) == 8

    def test_what_is_not_acknowledged_in_time_is_given_again(self, store: Stream, groups: SupportsGroups, topic: str) -> None:
        store.append(topic, [b"a", b"b", b"c", b"d"])
        groups.claim(topic, "group", "one", limit=3)
        groups.acknowledge(topic, "group", [1, 3])
        time.sleep(0.05)
        assert groups.claim(topic, "group", "two", idle_s=0.02) == [Claimed(2, b"b", 2), Claimed(4, b"d")]
        assert groups.claim(topic, "group", "one", idle_s=60.0) == []
        groups.acknowledge(topic, "group", [4])
        time.sleep(0.05)
        assert groups.claim(topic, "group", "two", idle_s=0.02) == [Claimed(2, b"b", 3)]
        groups.acknowledge(topic, "group", [2, 2, 99])
        time.sleep(0.05)
        assert groups.claim(topic, "group", "one", idle_s=0.02) == []

    def test_what_a_group_holds_and_has_done_is_known_after_opening_again(
        self, store: Stream, groups: SupportsGroups, topic: str, reopen: Callable[[], Any]
    ) -> None:
        store.append(topic, [b"a", b"b", b"c"])
        groups.claim(topic, "group", "one", limit=2)
        groups.acknowledge(topic, "group", [1])
        store.close()
        with reopen() as again:
            assert again.claim(topic, "group", "two", idle_s=60.0) == [Claimed(3, b"c")]
            assert again.claim(topic, "group", "two", idle_s=0.0) == [Claimed(2, b"b", 2), Claimed(3, b"c", 2)]

    def test_groups_topics_and_partitions_share_nothing(self, store: Stream, groups: SupportsGroups, topic: str) -> None:
        store.append(topic, [b"a"])
        store.append(topic, [b"p"], partition=1)
        for group in ("group", "other"):
            assert groups.claim(topic, group, "one") == [Claimed(1, b"a")]
            assert groups.claim(topic, group, "one", partition=1) == [Claimed(1, b"p")]
        groups.acknowledge(topic, "group", [1])
        assert groups.claim(topic, "other", "two", idle_s=0.0) == [Claimed(1, b"a", 2)]
        assert groups.claim(topic, "group", "two", idle_s=0.0) == []

    def test_trimmed_records_are_given_to_nobody(self, store: Stream, groups: SupportsGroups, topic: str) -> None:
        store.append(topic, [b"a", b"b", b"c"])
        groups.claim(topic, "group", "one", limit=1)
        store.trim(topic, 2)
        assert groups.claim(topic, "group", "two", idle_s=0.0) == [Claimed(3, b"c")]

    @pytest.mark.parametrize("name", ["", "a b", "a:b", "../a"])
    def test_a_name_that_names_no_group_or_consumer_is_refused(self, groups: SupportsGroups, topic: str, name: str) -> None:
        with pytest.raises(InvalidError):
            groups.claim(topic, name, "one")
        with pytest.raises(InvalidError):
            groups.claim(topic, "group", name)
        with pytest.raises(InvalidError):
            groups.acknowledge(topic, name, [1])

    def test_consumers_at_once_do_all_records_once(self, store: Stream, groups: SupportsGroups, topic: str) -> None:
        store.append(topic, [b"%d" % number for number in range(200)])
        done: list[int] = []

        def work(consumer: str) -> None:
            while claimed := groups.claim(topic, "group", consumer, limit=7):
                done.extend(each.offset for each in claimed)
                groups.acknowledge(topic, "group", [each.offset for each in claimed])

        threads = [threading.Thread(target=work, args=(f"consumer{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(done) == list(range(1, 201))


def _topic() -> str:
    return f"contract/{uuid4().hex}"
