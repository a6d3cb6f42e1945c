"""What every task engine must hold."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intonaco.core.errors import DeadlineError, IntonacoError, InvalidError, PluginError, SchemaError, UnavailableError
from intonaco.infra.compute.tasks import Call, Progress, Resources, SupportsProgress, TaskEngine, map_calls
from intonaco.infra.workspace import Workspace

__all__ = ["TaskEngineContract"]

_SAMPLES = "intonaco.infra.compute.sampletasks"


def _call(sample: str, **options: Any) -> Call:
    """A call of a sample task; what is no option of a call is an argument."""
    own = {name: options.pop(name) for name in ("resources", "retries", "timeout_s") if name in options}
    return Call(function=f"{_SAMPLES}:{sample}", arguments=options, **{"timeout_s": 60.0, **own})


class TaskEngineContract:
    """Subclass it with a fixture `engine` that yields an open engine of the fixture `workspace`, of two CPUs at least."""

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Iterator[Workspace]:
        with Workspace.open(tmp_path) as workspace:
            yield workspace

    @pytest.fixture
    def engine(self, workspace: Workspace) -> Iterator[TaskEngine]:
        raise NotImplementedError

    def test_a_plain_value_travels_there_and_back(self, engine: TaskEngine) -> None:
        value: dict[str, Any] = {
            "none": None,
            "list": [True, -(2**63), 2**64 - 1, 0.1, float("inf")],
            "text": "é\n",
            "bytes": b"\0\xff",
            "3": {},
        }
        assert engine.submit(_call("echo", value=value)).result() == value

    def test_results_come_in_the_order_of_the_calls(self, engine: TaskEngine) -> None:
        assert map_calls(engine, [_call("echo", value=i) for i in range(40)]) == list(range(40))

    def test_a_large_value_travels(self, engine: TaskEngine) -> None:
        value = bytes(range(256)) * 40_000
        assert engine.submit(_call("echo", value=value)).result() == value

    def test_calls_run_in_other_processes(self, engine: TaskEngine) -> None:
        import os

        assert engine.submit(_call("process")).result() != os.getpid()

    def test_two_calls_run_at_once(self, engine: TaskEngine) -> None:
        map_calls(engine, [_call("rest", seconds=0.3)] * 2)  # both processes have started
        begun = time.monotonic()
        map_calls(engine, [_call("rest", seconds=0.5)] * 2)
        assert time.monotonic() - begun < 0.95

    def test_workers_know_the_workspace(self, engine: TaskEngine, workspace: Workspace) -> None:
        assert engine.submit(_call("variable", name="INTONACO_WORKSPACE")).result() == str(workspace.root)

    def test_numeric_libraries_use_as_many_threads_as_cpus_were_asked_for(self, engine: TaskEngine) -> None:
        call = _call("variable", name="OMP_NUM_THREADS", resources=Resources(cpu=2))
        assert engine.submit(call).result() == "2"

    def test_our_error_comes_back_as_itself(self, engine: TaskEngine) -> None:
        with pytest.raises(SchemaError, match="a column is missing") as caught:
            engine.submit(_call("refuse")).result()
        assert (caught.value.hint, caught.value.field) == ("add it", "origin")

    def test_a_foreign_error_is_named_with_its_text(self, engine: TaskEngine) -> None:
        with pytest.raises(IntonacoError, match=r"stumble failed: KeyError: 'origin'"):
            engine.submit(_call("stumble")).result()

    def test_an_argument_that_cannot_travel_is_refused_at_once(self, engine: TaskEngine) -> None:
        with pytest.raises(InvalidError, match=r"\['value'\]\['a'\] is a builtins.tuple"):
            engine.submit(_call("echo", value={"a": (1,)}))

    def test_a_result_that_cannot_travel_is_refused(self, engine: TaskEngine) -> None:
        with pytest.raises(InvalidError, match=r"\['rows'\]\[0\] is a builtins.tuple"):
            engine.submit(_call("unplain")).result()

    def test_a_function_that_is_not_there_is_named(self, engine: TaskEngine) -> None:
        with pytest.raises(PluginError, match="sampletasks:nothing"):
            engine.submit(_call("nothing")).result()

    def test_what_a_task_prints_does_not_disturb(self, engine: TaskEngine, capfd: pytest.CaptureFixture[str]) -> None:
        assert engine.submit(_call("chatter")).result() == "said"
        assert capfd.readouterr().out == ""

    def test_a_crash_names_the_signal_and_its_siblings_finish(self, engine: TaskEngine) -> None:
        tickets = [
            engine.submit(_call(name, **given)) for name, given in (("rest", {"seconds": 0.3}), ("crash", {}), ("echo", {"value": 1}))
        ]
        with pytest.raises(UnavailableError, match="SIGSEGV"):
            tickets[1].result()
        assert (tickets[0].result(), tickets[2].result()) == (0.3, 1)

    def test_an_exit_names_the_code(self, engine: TaskEngine) -> None:
        with pytest.raises(UnavailableError, match="exited with code 7"):
            engine.submit(_call("leave", code=7)).result()

    @pytest.mark.slow
    @pytest.mark.parametrize(("name", "given"), [("spin", {}), ("hold", {"seconds": 60})])
    def test_a_call_that_takes_too_long_is_killed(self, engine: TaskEngine, name: str, given: dict[str, float]) -> None:
        begun = time.monotonic()
        with pytest.raises(DeadlineError, match=r"longer than 0\.4 s"):
            engine.submit(_call(name, timeout_s=0.4, **given)).result()
        assert time.monotonic() - begun < 5
        assert engine.submit(_call("echo", value=1)).result() == 1

    @pytest.mark.slow
    def test_a_call_that_takes_too_much_memory_is_killed(self, engine: TaskEngine) -> None:
        with pytest.raises(UnavailableError, match=r"ran out of memory.*250 MB"):
            engine.submit(_call("hoard", resources=Resources(memory_mb=250))).result()

    def test_waiting_ends_before_the_call_does(self, engine: TaskEngine) -> None:
        ticket = engine.submit(_call("rest", seconds=0.5))
        with pytest.raises(DeadlineError, match=r"within 0\.05 s"):
            ticket.result(timeout_s=0.05)
        assert ticket.result() == 0.5

    def test_a_cancelled_call_ends(self, engine: TaskEngine) -> None:
        tickets = [engine.submit(_call("rest", seconds=60)) for _ in range(4)]  # some run, some wait
        for ticket in tickets:
            ticket.cancel()
        for ticket in tickets:
            with pytest.raises(UnavailableError, match="cancelled"):
                ticket.result(timeout_s=10)
        assert engine.submit(_call("echo", value=1)).result() == 1

    def test_the_first_failure_cancels_the_rest(self, engine: TaskEngine) -> None:
        begun = time.monotonic()
        with pytest.raises(SchemaError):
            map_calls(engine, [_call("refuse"), _call("rest", seconds=60)])
        assert time.monotonic() - begun < 10

    @pytest.mark.parametrize("name", ["crash_until", "unavailable_until"])
    def test_what_may_pass_is_tried_again(self, engine: TaskEngine, tmp_path: Path, name: str) -> None:
        (tmp_path / "marks").mkdir()
        call = _call(name, folder=str(tmp_path / "marks"), attempts=3, retries=2)
        assert engine.submit(call).result() == 3

    def test_it_is_not_tried_more_often_than_asked(self, engine: TaskEngine, tmp_path: Path) -> None:
        (tmp_path / "marks").mkdir()
        with pytest.raises(UnavailableError, match="SIGSEGV"):
            engine.submit(_call("crash_until", folder=str(tmp_path / "marks"), attempts=3, retries=1)).result()
        assert len(list((tmp_path / "marks").iterdir())) == 2

    def test_more_than_the_engine_has_is_refused(self, engine: TaskEngine) -> None:
        with pytest.raises(InvalidError, match="10000 CPUs"):
            engine.submit(_call("echo", value=1, resources=Resources(cpu=10_000)))

    def test_progress_is_passed_on(self, engine: TaskEngine) -> None:
        if not isinstance(engine, SupportsProgress):
            pytest.skip("the engine passes no progress on")
        heard: list[Progress] = []
        engine.listen(heard.append)
        engine.submit(_call("climb", total=3)).result()
        assert [(each.done, each.total, each.note) for each in heard] == [(1, 3, "up"), (2, 3, "up"), (3, 3, "up")]

    def test_closing_ends_what_runs_and_refuses_more(self, engine: TaskEngine) -> None:
        ticket = engine.submit(_call("rest", seconds=60))
        engine.close()
        engine.close()
        with pytest.raises(UnavailableError, match="closed"):
            ticket.result(timeout_s=10)
        with pytest.raises(UnavailableError, match="closed"):
            engine.submit(_call("echo", value=1))
