"""What every store must hold, whatever it keeps: what was acknowledged outlives its process, and other processes read it."""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, ClassVar
from uuid import uuid4

import pytest

from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.store import Store
from intonaco.infra.testing.lacking import check_lacks
from intonaco.infra.testing.writers import Writer

__all__ = ["StoreContract"]


class StoreContract:
    """The part that the contracts of all stores share; subclass that of your primitive.

    It takes the fixture `url` beside `store`: with it the tests open the same store again, in processes of their own too, so
    the store's class has to be importable there. A store that says in `lacks` that it is not durable needs none.
    """

    #: The class that opens `url` in other processes, where it is not that of `store`.
    opens: ClassVar[type[Any] | None] = None

    @pytest.fixture
    def store(self) -> Any:
        """The store under test, open."""
        raise NotImplementedError("the subclass provides the fixture `store`")

    @pytest.fixture
    def url(self) -> str:
        """The URL behind which `store` was opened."""
        return pytest.fail(f"{type(self).__name__} does not provide the fixture `url`, by which others open the same store")

    @pytest.fixture
    def durable(self, store: Any) -> None:
        """Skips what a store need not hold that says that it forgets."""
        if _forgets(store):
            pytest.skip("this store says that it is not durable")

    @pytest.fixture
    def reopen(self, store: Any, request: pytest.FixtureRequest) -> Callable[[], Any]:
        """A function that opens the same store once more."""
        if _forgets(store):
            return pytest.skip("this store says that it is not durable")
        opens, url = self.opens or type(store), request.getfixturevalue("url")
        return lambda: opens.open(url)

    @staticmethod
    @abstractmethod
    def keep(store: Any, mark: str, number: int) -> None:
        """Write one thing that no other mark and number has."""

    @staticmethod
    @abstractmethod
    def kept(store: Any, mark: str) -> list[int]:
        """The numbers under this mark that were kept and are whole."""

    @pytest.fixture
    def mark(self) -> str:
        """What no other test uses."""
        return uuid4().hex

    def test_it_says_what_it_lacks_and_what_could_give_it(self, store: Any) -> None:
        check_lacks(store)

    def test_closing_twice_does_nothing(self, store: Any) -> None:
        store.close()
        store.close()

    def test_what_was_kept_is_there_after_opening_again(self, store: Any, reopen: Callable[[], Any], mark: str) -> None:
        for number in (3, 1, 2):
            self.keep(store, mark, number)
        store.close()
        for more in (4, 5):
            with reopen() as again:
                assert sorted(self.kept(again, mark)) == list(range(1, more))
                self.keep(again, mark, more)
        with reopen() as again:
            assert sorted(self.kept(again, mark)) == [1, 2, 3, 4, 5]

    @pytest.mark.usefixtures("durable")
    def test_what_was_acknowledged_outlives_the_process_that_wrote_it(self, store: Any, url: str, mark: str) -> None:
        with Writer.start(type(self), self.opens or type(store), url, mark) as writer:
            writer.wait_for(10)
            told = writer.kill()
        kept = sorted(self.kept(store, mark))
        assert kept in (told, [*told, len(told)]), "what was acknowledged is there, and at most what was just being written"
        self.keep(store, mark, 10**6)
        assert sorted(self.kept(store, mark)) == [*kept, 10**6]

    @pytest.mark.usefixtures("durable")
    def test_a_write_that_a_full_disk_cuts_short_is_refused_and_leaves_nothing(self, store: Any, url: str, mark: str) -> None:
        self.keep(store, mark, 0)
        with Writer.start(type(self), self.opens or type(store), url, mark, first=1, largest_file=2**18) as writer:
            told, ended = writer.wait()
        assert ended in ("", f"{len(told) + 1} UnavailableError"), "a store on files says UnavailableError, others feel nothing"
        assert sorted(self.kept(store, mark)) == [0, *told]
        self.keep(store, mark, 10**6)
        assert sorted(self.kept(store, mark)) == [0, *told, 10**6]

    @pytest.mark.usefixtures("durable")
    def test_processes_that_write_at_once_lose_nothing(self, store: Any, url: str, mark: str) -> None:
        starts = (1_000_000, 2_000_000)
        with ExitStack() as stack:
            writers = [stack.enter_context(Writer.start(type(self), self.opens or type(store), url, mark, start)) for start in starts]
            for number in range(20):
                self.keep(store, mark, number)
            for writer in writers:
                writer.wait_for(20)
            told = [number for writer in writers for number in writer.kill()]
        kept = self.kept(store, mark)
        assert len(kept) == len(set(kept))
        assert set(kept) >= {*range(20), *told}


def _forgets(store: Any) -> bool:
    return Guarantee.DURABLE in store.lacks() and type(store).lacks is not Store.lacks
