"""What every key-value store must hold."""

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from intonaco.core.errors import CorruptError, DeadlineError, InvalidError
from intonaco.infra.storage.entries import VALUE
from intonaco.infra.storage.keyvalue import WHOLE_ENTRIES, KeyValueStore, SupportsChange, SupportsDeadline, SupportsListing, SupportsStored
from intonaco.infra.testing.stores import StoreContract

__all__ = ["KeyValueStoreContract"]

_LEAST, _GREATEST = -(2**63), 2**63 - 1
#: Bytes that mean something in patterns, protocols and layouts.
_SPECIAL = st.lists(st.sampled_from([b"*", b"?", b"[", b"]", b"\\", b"^", b"-", b":", b"\r\n", b"\x00", b"\x01", b"a"]), max_size=5).map(
    b"".join
)
_KEYS = (
    st.binary(max_size=8)
    | _SPECIAL
    | st.sampled_from([b"", b"\x00", b"a" * 400, b"a" * 401, b"a" * 2000, b"a" * 1999 + b"b", b"\xff" * 511])
)
_ORDERS = st.integers(-3, 3) | st.sampled_from([_LEAST, _GREATEST])
_ENTRIES = st.lists(st.tuples(_KEYS, _ORDERS, st.binary(max_size=3)), max_size=12)

_property = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
)


def _winners(entries: Sequence[tuple[bytes, int, bytes]]) -> dict[bytes, tuple[int, bytes]]:
    model: dict[bytes, tuple[int, bytes]] = {}
    for key, order, value in entries:
        model[key] = max(model.get(key, (order, value)), (order, value))
    return model


class KeyValueStoreContract(StoreContract):
    """Subclass it with the fixtures `url` and `store`, which yields the store behind it, open; other keys may be in it.

    Where you can damage a stored entry, override `damage`.
    """

    @pytest.fixture
    def store(self) -> Iterator[KeyValueStore]:
        """The store under test."""
        raise NotImplementedError("the subclass provides the fixture `store`")

    @pytest.fixture
    def space(self) -> bytes:
        """A prefix that no other test uses."""
        return uuid4().bytes

    def damage(self, store: KeyValueStore, key: bytes) -> None:
        """Flip a bit in what is stored under the key."""
        pytest.skip(f"{type(self).__name__} does not say how an entry of its store is damaged")

    @staticmethod
    def keep(store: KeyValueStore, mark: str, number: int) -> None:
        """An entry of its own, and one under a key that all share, whose order is the number."""
        store.put([(key.encode(), number, _value(number)) for key in (f"{mark}/{number}", mark)])

    @staticmethod
    def kept(store: KeyValueStore, mark: str) -> list[int]:
        """Of the entries that are there; the shared one has to be the greatest of them."""
        found = [order for _, (order, value) in store.scan(f"{mark}/".encode()) if value == _value(order)]
        (shared,) = store.get([mark.encode()])
        assert shared is not None
        assert shared[0] == max(found), "of a key that several put, the greatest order is there"
        return found

    def test_a_missing_key_reads_as_none(self, store: KeyValueStore, space: bytes) -> None:
        assert store.get([space, space + b"x"]) == [None, None]

    def test_no_keys_and_no_entries_are_nothing(self, store: KeyValueStore) -> None:
        assert store.get([]) == []
        assert store.put([]) == 0
        store.delete([])

    def test_what_was_put_is_read_back_at_once_in_the_order_of_the_keys(self, store: KeyValueStore, space: bytes) -> None:
        assert store.put([(space + b"a", 1, b"A"), (space + b"b", -2, b"")]) == 2
        assert store.get([space + b"b", space + b"nothing", space + b"a", space + b"b"]) == [(-2, b""), None, (1, b"A"), (-2, b"")]

    def test_a_greater_order_wins_and_a_lesser_one_takes_no_effect(self, store: KeyValueStore, space: bytes) -> None:
        assert store.put([(space, 5, b"new")]) == 1
        assert store.put([(space, 4, b"old")]) == 0
        assert store.get([space]) == [(5, b"new")]
        assert store.put([(space, 6, b"newer")]) == 1
        assert store.get([space]) == [(6, b"newer")]

    def test_of_equal_orders_the_greater_value_wins(self, store: KeyValueStore, space: bytes) -> None:
        assert store.put([(space, 1, b"b")]) == 1
        assert store.put([(space, 1, b"a"), (space, 1, b"b")]) == 0
        assert store.put([(space, 1, b"b\x00")]) == 1
        assert store.get([space]) == [(1, b"b\x00")]

    def test_of_one_key_twice_in_a_batch_the_same_rule_decides(self, store: KeyValueStore, space: bytes) -> None:
        store.put([(space, 2, b"x"), (space, 3, b"y"), (space, 1, b"z")])
        assert store.get([space]) == [(3, b"y")]

    @pytest.mark.parametrize("order", [_LEAST, -1, 0, 1, _GREATEST])
    def test_orders_of_64_bits_with_sign_are_kept(self, store: KeyValueStore, space: bytes, order: int) -> None:
        store.put([(space, order, b"v")])
        assert store.get([space]) == [(order, b"v")]

    @pytest.mark.parametrize("order", [_LEAST - 1, _GREATEST + 1])
    def test_an_order_beyond_64_bits_is_refused_with_its_batch(self, store: KeyValueStore, space: bytes, order: int) -> None:
        with pytest.raises(InvalidError):
            store.put([(space + b"good", 1, b"v"), (space, order, b"v")])
        assert store.get([space + b"good"]) == [None]

    def test_a_batch_whose_entries_fail_to_come_stores_nothing(self, store: KeyValueStore, space: bytes) -> None:
        def entries() -> Iterator[tuple[bytes, int, bytes]]:
            yield space, 1, b"v"
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.put(entries())
        assert store.get([space]) == [None]

    def test_a_deleted_key_is_gone_and_can_be_put_again(self, store: KeyValueStore, space: bytes) -> None:
        store.put([(space, 9, b"v"), (space + b"kept", 1, b"w")])
        store.delete([space, space + b"never there"])
        assert store.get([space, space + b"kept"]) == [None, (1, b"w")]
        assert store.put([(space, 1, b"again")]) == 1

    def test_what_was_deleted_is_not_there_after_opening_again(
        self, store: KeyValueStore, reopen: Callable[[], KeyValueStore], space: bytes
    ) -> None:
        store.put([(space, 9, b"v"), (space + b"again", 9, b"v"), (space + b"kept", 1, b"w")])
        store.delete([space, space + b"again"])
        store.put([(space + b"again", 1, b"lesser")])
        store.close()
        with reopen() as other:
            assert other.get([space, space + b"again", space + b"kept"]) == [None, (1, b"lesser"), (1, b"w")]

    @pytest.mark.parametrize("size", [0, 1, 399, 400, 401, 511, 2000, 100_000])
    def test_long_keys_that_differ_at_the_end_never_meet(self, store: KeyValueStore, space: bytes, size: int) -> None:
        keys = [space + b"k" * size + end for end in (b"", b"a", b"b", b"\x00")]
        store.put([(key, 1, b"value of %d" % number) for number, key in enumerate(keys)])
        assert store.get(keys) == [(1, b"value of %d" % number) for number in range(4)]
        assert sorted(store.scan(space)) == [
            (key, (1, b"value of %d" % number)) for number, key in sorted(enumerate(keys), key=lambda e: e[1])
        ]

    def test_the_empty_key_is_a_key(self, store: KeyValueStore) -> None:
        store.put([(b"", _GREATEST, b"\xff\xff")])
        assert store.get([b""]) == [(_GREATEST, b"\xff\xff")]
        assert (b"", (_GREATEST, b"\xff\xff")) in list(store.scan())
        store.delete([b""])
        assert store.get([b""]) == [None]

    def test_a_large_value_is_kept(self, store: KeyValueStore, space: bytes) -> None:
        value = bytes(range(256)) * 4096
        store.put([(space, 1, value)])
        assert store.get([space]) == [(1, value)]

    def test_thousands_are_put_and_read_in_their_order(self, store: KeyValueStore, space: bytes) -> None:
        entries = [(space + b"%d" % number, number, b"v" * (number % 300)) for number in range(3200)]
        assert store.put(entries) == len(entries)
        assert store.put(entries) == 0
        keys = [key for key, _, _ in entries]
        values = [(order, value) for _, order, value in entries]
        assert store.get([*keys, space, *keys[::-1]]) == [*values, None, *values[::-1]]
        store.delete(keys)
        assert store.get(keys) == [None] * len(keys)

    def test_no_part_of_what_is_put_together_is_seen_alone(self, store: KeyValueStore, space: bytes) -> None:
        keys = [space + b"%d" % number for number in range(WHOLE_ENTRIES)]
        some = keys[:: WHOLE_ENTRIES // 1000]
        store.put([(key, 0, b"0") for key in keys])
        done = threading.Event()
        torn: list[object] = []

        def read() -> None:
            while not done.is_set():
                seen = set(store.get(some))
                torn.extend([seen] if len(seen) > 1 else [])

        reader = threading.Thread(target=read)
        reader.start()
        for order in range(1, 6):
            store.put([(key, order, b"%d" % order * 50) for key in keys])
        done.set()
        reader.join()
        store.delete(keys)
        assert torn == []

    def test_a_scan_gives_every_entry_of_the_prefix_once(self, store: KeyValueStore, space: bytes) -> None:
        entries = {space + b"%05d" % number: (number, b"v%d" % number) for number in range(2500)}
        store.put([(key, order, value) for key, (order, value) in entries.items()])
        store.put([(space[:-1] + bytes([space[-1] ^ 1]), 1, b"beside")])
        scanned = list(store.scan(space))
        assert len(scanned) == len(entries)
        assert dict(scanned) == entries

    def test_entries_can_be_put_and_deleted_while_they_are_scanned(self, store: KeyValueStore, space: bytes) -> None:
        store.put([(space + b"%05d" % number, 1, b"v") for number in range(2100)])
        seen = []
        for number, (key, _) in enumerate(store.scan(space)):
            seen.append(key)
            if number % 300 == 0:
                store.delete(seen)
                store.put([(space + b"late", number, b"v")])
        assert {space + b"%05d" % number for number in range(2100)} <= set(seen)
        assert len(set(seen)) == len(seen)

    @_property
    @given(entries=_ENTRIES, cuts=st.lists(st.integers(0, 12), max_size=4), shuffled=st.randoms(use_true_random=False))
    def test_the_outcome_is_the_same_for_every_arrival_and_batching(
        self, store: KeyValueStore, entries: list[tuple[bytes, int, bytes]], cuts: list[int], shuffled: "object"
    ) -> None:
        space = uuid4().bytes
        arriving = list(entries)
        shuffled.shuffle(arriving)  # type: ignore[attr-defined]
        for start, end in itertools.pairwise([0, *sorted(cuts), len(arriving) + 12]):
            store.put([(space + key, order, value) for key, order, value in arriving[start:end]])
        expected = {space + key: entry for key, entry in _winners(entries).items()}
        assert dict(zip(expected, store.get(list(expected)), strict=True)) == expected
        assert dict(store.scan(space)) == expected

    @_property
    @given(steps=st.lists(st.tuples(st.sampled_from(["put", "delete"]), _ENTRIES), max_size=8), prefix=_KEYS)
    def test_it_answers_like_a_dict(
        self, store: KeyValueStore, steps: list[tuple[str, list[tuple[bytes, int, bytes]]]], prefix: bytes
    ) -> None:
        space = uuid4().bytes
        model: dict[bytes, tuple[int, bytes]] = {}
        for verb, entries in steps:
            if verb == "put":
                store.put([(space + key, order, value) for key, order, value in entries])
                model = _winners([*((key, *entry) for key, entry in model.items()), *entries])
            else:
                store.delete([space + key for key, _, _ in entries])
                model = {key: entry for key, entry in model.items() if key not in {each[0] for each in entries}}
        under = {space + key: entry for key, entry in model.items() if key.startswith(prefix)}
        assert dict(store.scan(space + prefix)) == under

    def test_threads_that_put_the_same_keys_end_with_the_greatest(self, store: KeyValueStore, space: bytes) -> None:
        def write(mine: int) -> None:
            for order in range(20):
                store.put([(space + b"%d" % key, order * 4 + mine, b"%d" % mine) for key in range(5)])

        _run([threading.Thread(target=write, args=(number,)) for number in range(4)])
        assert store.get([space + b"%d" % key for key in range(5)]) == [(79, b"3")] * 5

    def test_a_batch_is_seen_whole_or_not_at_all(self, store: KeyValueStore, space: bytes) -> None:
        keys = [space + b"%d" % key for key in range(50)]
        done = threading.Event()
        torn: list[object] = []

        def read() -> None:
            while not done.is_set():
                seen = store.get(keys)
                torn.extend([seen] if len(set(seen)) > 1 else [])

        def write() -> None:
            try:
                for order in range(20):
                    store.put([(key, order, b"%d" % order) for key in keys])
            finally:
                done.set()

        _run([threading.Thread(target=read), threading.Thread(target=read), threading.Thread(target=write)])
        assert torn == []

    def test_a_damaged_entry_is_corrupt_and_can_be_replaced(self, store: KeyValueStore, space: bytes) -> None:
        store.put([(space, 1, b"value"), (space + b"x", 1, b"whole")])
        self.damage(store, space)
        with pytest.raises(CorruptError):
            store.get([space])
        assert store.get([space + b"x"]) == [(1, b"whole")]
        store.delete([space])
        store.put([(space, 1, b"value")])
        assert store.get([space]) == [(1, b"value")]

    def test_a_damaged_entry_is_neither_hidden_nor_hides_by_a_put(self, store: KeyValueStore, space: bytes) -> None:
        store.put([(space, 5, b"value")])
        self.damage(store, space)
        for order in (4, 6):
            with pytest.raises(CorruptError):
                store.put([(space + b"x", 1, b"beside"), (space, order, b"other")])
        store.delete([space])
        assert store.get([space, space + b"x"]) == [None, None]

    def test_each_damaged_entry_is_listed_among_all(self, store: KeyValueStore, space: bytes) -> None:
        if not isinstance(store, SupportsListing):
            pytest.skip("this store does not list what is damaged")
        keys = [space + (b"%04d" % number if number % 100 else b"long" * 200 + b"%d" % number) for number in range(1500)]
        store.put([(key, 1, b"value") for key in keys])
        harmed = {keys[number] for number in (0, 1, 700, 1499)}
        for key in harmed:
            self.damage(store, key)
        listed = dict(each for each in store.listed() if each[0].startswith(space))
        assert {key for key, wrong in listed.items() if wrong} == harmed
        assert set(listed) == set(keys)
        store.delete(harmed)
        assert not any(wrong for _, wrong in store.listed())

    def test_a_store_that_keeps_deadlines_answers_within_one_as_without(self, store: KeyValueStore, space: bytes) -> None:
        if not isinstance(store, SupportsDeadline):
            pytest.skip("this store keeps no deadlines; one on this machine needs none")
        store.put([(space, 1, b"v")])
        assert store.get_within([space, space + b"x"], 30.0) == [(1, b"v"), None]
        assert store.get_within([], 30.0) == []
        with pytest.raises(DeadlineError):
            store.get_within([space], 0.0)
        assert store.get_within([space], 30.0) == [(1, b"v")]

    def test_what_is_stored_under_a_prefix_is_what_the_keys_have(self, store: KeyValueStore, space: bytes) -> None:
        if not isinstance(store, SupportsStored):
            pytest.skip("this store is not read by prefix; one that is far has no use for it")
        behind = [b"", b"a", b"\x00", b"b" * 384, b"b" * 385, b"c" * 520, b"d" * 3000]
        store.put([(space + key, number - 3, b"%d" % number * number) for number, key in enumerate(behind)])
        read = store.stored_under(space)
        for keys in (behind, [b"absent"], [b"a", b"absent", b"d" * 2999, b"b" * 385], [], [b"a"]):
            wanted = [None if entry is None else entry[1] for entry in store.get([space + key for key in keys])]
            assert [None if stored is None else stored[VALUE] for stored in read(keys)] == wanted
        store.put([(space + b"a", 100, b"new")])
        assert [stored and stored[VALUE] for stored in read([b"a"])] == [b"new"]

    def test_what_is_damaged_is_not_given_as_stored(self, store: KeyValueStore, space: bytes) -> None:
        if not isinstance(store, SupportsStored):
            pytest.skip("this store is not read by prefix")
        store.put([(space + b"a", 1, b"value"), (space + b"b", 1, b"whole")])
        self.damage(store, space + b"a")
        with pytest.raises(CorruptError):
            store.stored_under(space)([b"b", b"a"])
        assert [stored and stored[VALUE] for stored in store.stored_under(space)([b"b"])] == [b"whole"]

    def test_a_change_sees_what_is_there_and_puts_what_it_becomes(self, store: KeyValueStore, space: bytes) -> None:
        if not isinstance(store, SupportsChange):
            pytest.skip("this store changes nothing in one turn; one that is far reads and puts")
        keys = sorted(space + key for key in (b"", b"a", b"absent", b"b" * 500, b"c", b"d" * 3000))
        store.put([(key, 7, b"old") for key in keys if key != space + b"absent"])
        seen: list[list[bytes | None]] = []

        def new(old: Sequence[bytes | None]) -> list[bytes | None]:
            seen.append(list(old))
            return [None if number == 0 else b"old" if number == 1 else b"new" for number in range(len(old))]

        assert store.change(keys, new) == len(keys) - 2
        assert seen == [[None if key == space + b"absent" else b"old" for key in keys]]
        held = [(7, b"old")] * 2 + [(1, b"new") if key == space + b"absent" else (8, b"new") for key in keys[2:]]
        assert store.get(keys) == held

    def test_a_change_that_fails_leaves_all_as_it_was(self, store: KeyValueStore, space: bytes) -> None:
        if not isinstance(store, SupportsChange):
            pytest.skip("this store changes nothing in one turn")
        store.put([(space, 1, b"old")])

        def refused(_: Sequence[bytes | None]) -> list[bytes | None]:
            raise InvalidError("no")

        with pytest.raises(InvalidError):
            store.change([space, space + b"a"], refused)
        assert store.get([space, space + b"a"]) == [(1, b"old"), None]
        self.damage(store, space)
        with pytest.raises(CorruptError):
            store.change([space], lambda old: [b"new"])


def _value(number: int) -> bytes:
    return b"%d " % number * 2000


def _run(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
