from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from attrs import field, frozen

from intonaco.core import read_settings
from intonaco.core.errors import InvalidError, SettingsError


class Mode(Enum):
    FAST = "fast"
    SAFE = "safe"


def positive(_: object, __: object, value: int) -> None:
    if value < 1:
        raise InvalidError("it must be at least 1", hint="leave it out for the default")


@frozen(kw_only=True)
class Server:
    port: int = field(default=80, validator=positive)
    level: Literal["low", "high"] = "low"
    mode: Mode = Mode.FAST
    names: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    trust: bool = False
    token: str = field(default="", repr=False)
    url: str = ""
    limit: float | None = None


@frozen
class Settings:
    project: str = "default"
    server: Server = Server()
    extra: dict[str, int] = field(factory=dict)


@frozen
class Needy:
    host: str


@frozen
class Outer:
    needy: Needy = Needy("here")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "intonaco.toml"


def read(file: Path, text: str = "", environ: dict[str, str] | None = None, **overrides: Any) -> Settings:
    file.write_text(text)
    return read_settings(
        Settings, file, environ=environ or {}, overrides={key.replace("__", "."): value for key, value in overrides.items()}
    )


def fault(file: Path, text: str = "", environ: dict[str, str] | None = None, **overrides: Any) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        read(file, text, environ, **overrides)
    return caught.value


def test_what_is_not_set_has_its_default(file: Path) -> None:
    assert (
        read(file) == read_settings(Settings, environ={}) == read_settings(Settings, file.with_name("none.toml"), environ={}) == Settings()
    )


def test_the_file_is_read(file: Path) -> None:
    settings = read(file, 'project = "maps"\n[server]\nmode = "safe"\nnames = ["a"]\n[extra]\nx = 3')
    assert settings == Settings("maps", Server(mode=Mode.SAFE, names=("a",)), {"x": 3})


def test_the_environment_goes_over_the_file_and_arguments_over_both(file: Path) -> None:
    text = "[server]\nport = 1\ntrust = true"
    assert read(file, text).server.port == 1
    assert read(file, text, {"INTONACO_SERVER__PORT": "2"}).server == Server(port=2, trust=True)
    assert read(file, text, {"INTONACO_SERVER__PORT": "2"}, server__port=3).server == Server(port=3, trust=True)


def test_a_variable_is_read_as_the_type_of_its_setting(file: Path) -> None:
    environ = {
        "INTONACO_PROJECT": "maps",
        "INTONACO_SERVER__NAMES": "a, b",
        "INTONACO_SERVER__COUNTS": "1,2",
        "INTONACO_SERVER__TRUST": "true",
        "INTONACO_SERVER__MODE": "safe",
        "INTONACO_SERVER__LIMIT": "0.5",
        "INTONACO_WORKSPACE": "/elsewhere",
    }
    assert read(file, environ=environ) == Settings("maps", Server(names=("a", "b"), counts=(1, 2), trust=True, mode=Mode.SAFE, limit=0.5))


def test_an_unknown_key_is_named_with_its_file_and_a_suggestion(file: Path) -> None:
    error = fault(file, "[server]\nprt = 1")
    assert str(error) == f"unknown setting 'server.prt' in {file} (did you mean 'port'?)"
    assert error.field == "server.prt"


def test_an_unknown_variable_and_argument_are_named(file: Path) -> None:
    assert "'srver' in the variable INTONACO_SRVER__PORT (did you mean 'server'?)" in str(
        fault(file, environ={"INTONACO_SRVER__PORT": "1"})
    )
    assert "'server.prt' in the arguments" in str(fault(file, server__prt=1))


@pytest.mark.parametrize(
    ("text", "key", "reason"),
    [
        ('[server]\nport = "x"', "server.port", "is 'x': Expected a whole number, got text"),
        ("[server]\nport = 1.5", "server.port", "is 1.5: Expected a whole number"),
        ("[server]\ntrust = 1", "server.trust", "is 1: Expected true or false"),
        ("[server]\nnames = 3", "server.names", "is 3: Expected a list"),
        ("[server]\ncounts = [1, 'x']", "server.counts[1]", ": Expected a whole number, got text"),
        ("server = 3", "server", "is 3: Expected a table"),
        ("[extra]\nx = 'y'", "extra[...]", "Expected a whole number"),
        ("project = 3", "project", "is 3: Expected text"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_was_expected(file: Path, text: str, key: str, reason: str) -> None:
    error = fault(file, text)
    assert error.field == key
    assert f"setting '{key}' in {file}" in str(error)
    assert reason in str(error)


@pytest.mark.parametrize(("key", "allowed"), [("level", "low, high"), ("mode", "fast, safe")])
def test_all_values_of_a_choice_are_listed(file: Path, key: str, allowed: str) -> None:
    error = fault(file, f'[server]\n{key} = "odd"')
    assert f"setting 'server.{key}' in {file} is 'odd'" in str(error)
    assert error.hint == f"allowed: {allowed}"


def test_what_a_validator_refuses_is_named_and_its_hint_stands_once(file: Path) -> None:
    error = fault(file, "[server]\nport = 0")
    assert str(error) == f"setting 'server.port' in {file} is 0: it must be at least 1 (leave it out for the default)"


def test_the_variable_at_fault_is_named(file: Path) -> None:
    assert "'server.port' in the variable INTONACO_SERVER__PORT is 'x'" in str(fault(file, environ={"INTONACO_SERVER__PORT": "x"}))
    assert "'server.port' in the variable INTONACO_SERVER__PORT is 0" in str(
        fault(file, "[server]\ntrust=true", {"INTONACO_SERVER__PORT": "0"})
    )


def test_the_argument_at_fault_is_named(file: Path) -> None:
    assert "'server.port' in the arguments is -1" in str(fault(file, server__port=-1))


def test_a_missing_required_setting_is_named(file: Path) -> None:
    file.write_text("[needy]")
    with pytest.raises(SettingsError, match=r"setting 'needy' in .*required field `host`"):
        read_settings(Outer, file, environ={})


def test_secrets_are_not_shown(file: Path) -> None:
    assert "geheim" not in str(fault(file, '[server]\ntoken = ["geheim"]'))
    assert "geheim" not in str(fault(file, '[server]\nurl = ["redis://:geheim@host"]'))


@pytest.mark.parametrize("damaged", ["x = [", "a = 1\na = 2"])
def test_a_file_that_is_not_toml_is_named_with_the_line(file: Path, damaged: str) -> None:
    assert f"{file} is not TOML" in str(fault(file, damaged))


def test_a_file_that_is_not_text_is_named(file: Path) -> None:
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="is not TOML"):
        read_settings(Settings, file, environ={})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_settings(Settings, tmp_path, environ={})
