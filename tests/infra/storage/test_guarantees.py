"""Who needs a guarantee that a store lacks is told at opening."""

from pathlib import Path
from typing import ClassVar

import pytest

from intonaco.core.errors import DefinitionError, SettingsError
from intonaco.core.plugin import Plugin
from intonaco.core.plugins import Plugins, hookimpl
from intonaco.infra.platform.platform import Platform
from intonaco.infra.storage.guarantees import Guarantee
from intonaco.infra.storage.lmdb import LmdbStore
from intonaco.infra.storage.store import Store
from intonaco.infra.workspace import Workspace


class Forgetful(LmdbStore):
    """Says of itself that it may lose what it acknowledged."""

    def lacks(self) -> dict[Guarantee, str]:
        return {Guarantee.DURABLE: "set appendonly yes"}


class Silent(LmdbStore):
    """Says nothing of itself."""

    lacks = Store.lacks


class ForgetfulPlugin:
    @staticmethod
    @hookimpl
    def key_value_stores() -> dict[str, str]:
        return {"forgetful": f"{__name__}:Forgetful", "silent": f"{__name__}:Silent"}


class Careful(Platform):
    name = "careful"


class Careless(Platform):
    name = "careless"
    needs: ClassVar = {"keyvalue": [Guarantee.ORDER_WINS]}


class Distributed(Platform):
    name = "distributed"
    needs: ClassVar = {"keyvalue": [Guarantee.SHARED]}


def _forgetful(folder: Path, url: str = "forgetful:online") -> Workspace:
    plugins = Plugins.discover()
    plugins.add(Plugin(name="forgetful", distribution="forgetful", version="1", module=ForgetfulPlugin))
    return Workspace.open(folder, overrides={"stores.keyvalue": url}, plugins=plugins)


def test_a_platform_says_at_its_opening_what_its_store_lacks_and_what_could_give_it(tmp_path: Path) -> None:
    with _forgetful(tmp_path) as workspace, pytest.raises(SettingsError) as told:
        Careful(workspace)
    assert "'careful' needs of stores.keyvalue" in told.value.message
    assert "'durable acknowledgements'" in told.value.message
    assert told.value.hint == "set appendonly yes"


def test_a_platform_that_needs_less_opens(tmp_path: Path) -> None:
    with _forgetful(tmp_path) as workspace:
        Careless(workspace)
        assert workspace.keyvalue.get([b"x"]) == [None]


def test_of_a_store_that_says_nothing_nothing_is_granted(tmp_path: Path) -> None:
    with _forgetful(tmp_path, "silent:online") as workspace, pytest.raises(SettingsError) as told:
        _ = workspace.keyvalue
    assert "'durable acknowledgements'" in told.value.message
    assert told.value.hint == "let Silent say in `lacks` what it does not keep, once its conformance run has shown that"
    with _forgetful(tmp_path, "silent:online") as workspace, pytest.raises(SettingsError, match="within reach of other machines"):
        Distributed(workspace)


def test_a_workspace_needs_all_that_a_primitive_promises(tmp_path: Path) -> None:
    with _forgetful(tmp_path) as workspace, pytest.raises(SettingsError, match=r"the workspace needs of stores\.keyvalue"):
        _ = workspace.keyvalue


def test_an_embedded_store_is_within_reach_of_this_machine_alone(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as workspace:
        with pytest.raises(SettingsError, match="within reach of other machines"):
            Distributed(workspace)
        assert set(workspace.catalog.database.lacks()) == {Guarantee.SHARED}
        assert all(set(store.lacks()) == {Guarantee.SHARED} for store in (workspace.blobs, workspace.tables, workspace.stream))


def test_a_need_of_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as workspace, pytest.raises(DefinitionError, match="'keyvalues', which is no store"):
        workspace.require("it", {"keyvalues": [Guarantee.DURABLE]})
