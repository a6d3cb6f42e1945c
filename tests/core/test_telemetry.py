from contextlib import AbstractContextManager, nullcontext

from intonaco.core import telemetry


class Recorder:
    """A provider that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def span(self, name: str, attributes: dict[str, telemetry.Attribute]) -> AbstractContextManager[None]:
        self.told.append(("span", name, attributes))
        return nullcontext()

    def count(self, name: str, amount: int, attributes: dict[str, telemetry.Attribute]) -> None:
        self.told.append(("count", name, amount, attributes))

    def record(self, name: str, value: float, attributes: dict[str, telemetry.Attribute]) -> None:
        self.told.append(("record", name, value, attributes))


def speak() -> None:
    with telemetry.span("load", model="eta"):
        telemetry.count("requests")
        telemetry.record("wait_s", 0.5, endpoint="eta")


def test_nothing_happens_without_a_provider() -> None:
    speak()


def test_a_provider_is_told_all() -> None:
    recorder = Recorder()
    with telemetry.installed(recorder):
        speak()
    assert recorder.told == [
        ("span", "load", {"model": "eta"}),
        ("count", "requests", 1, {}),
        ("record", "wait_s", 0.5, {"endpoint": "eta"}),
    ]


def test_a_provider_is_told_nothing_after_its_context() -> None:
    outer, inner = Recorder(), Recorder()
    with telemetry.installed(outer):
        with telemetry.installed(inner):
            pass
        telemetry.count("after")
    speak()
    assert (len(outer.told), inner.told) == (1, [])
