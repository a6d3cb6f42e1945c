from typing import Any

import pytest

from intonaco.core import Plugins
from intonaco.core.errors import NotRegisteredError, PluginError
from intonaco.core.plugins import platforms

OFFER = """
from intonaco.core.plugins import hookimpl

@hookimpl
def key_value_stores():
    return {"dummy": "dummy_store:Store"}
"""


def found(plugins: Plugins) -> list[str]:
    return [plugin.name for plugin in plugins.loaded]


def failures_of(plugins: Plugins, distribution: str) -> list[tuple[str, str]]:
    return [(failure.name, failure.reason) for failure in plugins.failures if failure.distribution == distribution]


def test_our_own_plugins_are_found_without_fault() -> None:
    plugins = Plugins.discover()
    assert {"infra", "general", "nlp", "vision", "lightgbm", "sklearn"} <= set(found(plugins))
    assert plugins.failures == []


def test_an_installed_plugin_is_found_and_its_offer_loaded(install: Any) -> None:
    install("intonaco-dummy", "intonaco: dummy = dummy_plugin", version="3.1", dummy_plugin=OFFER, dummy_store="class Store: pass")
    plugins = Plugins.discover()
    assert {"name": "dummy", "distribution": "intonaco-dummy", "version": "3.1"} in plugins.manifest()
    assert plugins.load("key_value_stores", "dummy", "key-value store").__name__ == "Store"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import not_there", "cannot be imported: ModuleNotFoundError: No module named 'not_there'"),
        ("raise OSError('no disk')", "cannot be imported: OSError: no disk"),
        ("x = (", "cannot be imported: SyntaxError"),
        (OFFER.replace("key_value_stores", "key_value_store"), "unknown hook 'key_value_store'"),
    ],
)
def test_a_broken_plugin_is_reported_by_name_and_the_rest_goes_on(install: Any, source: str, reason: str) -> None:
    install("intonaco-broken", "intonaco: broken = broken_plugin", broken_plugin=source)
    install("intonaco-dummy", "intonaco: dummy = dummy_plugin", dummy_plugin=OFFER)
    plugins = Plugins.discover()
    assert {"infra", "dummy"} <= set(found(plugins))
    assert [(name, text[: len(reason)]) for name, text in failures_of(plugins, "intonaco-broken")] == [("broken", reason)]


def test_an_entry_point_to_nothing_is_reported(install: Any) -> None:
    install("intonaco-ghost", "intonaco: ghost = ghost_plugin:missing", ghost_plugin="")
    assert failures_of(Plugins.discover(), "intonaco-ghost")[0][1].startswith("cannot be imported: AttributeError")


def test_two_distributions_that_claim_one_name_are_reported(install: Any) -> None:
    install("aaa-first", "intonaco: dummy = first_plugin", first_plugin=OFFER)
    install("bbb-second", "intonaco: dummy = second_plugin", second_plugin=OFFER)
    plugins = Plugins.discover()
    assert found(plugins).count("dummy") == 1
    assert failures_of(plugins, "bbb-second") == [("dummy", "claims the plugin name 'dummy', which aaa-first already holds")]


def test_the_reason_of_a_missing_offer_is_its_broken_plugin(install: Any) -> None:
    install("intonaco-dummy", "intonaco: dummy = dummy_plugin", dummy_plugin="import not_there")
    with pytest.raises(NotRegisteredError, match=r"the plugin 'dummy' is left out: intonaco-dummy cannot be imported: .*not_there"):
        Plugins.discover().load("key_value_stores", "dummy", "key-value store")


def test_a_disabled_plugin_is_not_even_imported(install: Any) -> None:
    install("intonaco-broken", "intonaco: broken = broken_plugin", broken_plugin="raise OSError('no disk')")
    plugins = Plugins.discover(disabled=["broken", "vision"])
    assert plugins.failures == []
    assert "vision" not in found(plugins)


def test_a_required_plugin_that_is_not_installed_fails() -> None:
    with pytest.raises(PluginError, match=r"the settings require the plugin 'infa': it is not installed \(did you mean 'infra'\?\)"):
        Plugins.discover(required=["infra", "infa"])


def test_a_required_plugin_that_is_broken_fails_with_its_reason(install: Any) -> None:
    install("intonaco-broken", "intonaco: broken = broken_plugin", broken_plugin="import not_there")
    with pytest.raises(PluginError, match=r"the plugin 'broken': intonaco-broken cannot be imported: .*not_there"):
        Plugins.discover(required=["broken"])


def test_plugins_add_hooks_of_their_own(install: Any) -> None:
    spec = "from intonaco.core.plugins import hookspec\n@hookspec\ndef dried(wall: str) -> None:\n    '''A wall has dried.'''\n"
    heard = "from intonaco.core.plugins import hookimpl\nwalls = []\n@hookimpl\ndef dried(wall):\n    walls.append(wall)\n"
    install("intonaco-walls", "intonaco.hooks: walls = wall_hooks", wall_hooks=spec)
    install("intonaco-ears", "intonaco: ears = ear_plugin", ear_plugin=heard)
    plugins = Plugins.discover()
    plugins.hook.dried(wall="west")
    assert next(plugin.module.walls for plugin in plugins.loaded if plugin.name == "ears") == ["west"]


def test_hooks_that_another_distribution_specified_are_reported(install: Any) -> None:
    spec = "from intonaco.core.plugins import hookspec\n@hookspec\ndef key_value_stores() -> None:\n    '''Taken.'''\n"
    install("zzz-walls", "intonaco.hooks: walls = wall_hooks", "intonaco.hooks: empty = empty_hooks", wall_hooks=spec, empty_hooks="")
    plugins = Plugins.discover()
    assert [name for name, _ in failures_of(plugins, "zzz-walls")] == ["empty", "walls"]
    assert "lmdb" in plugins.offers("key_value_stores")


def test_platforms_are_found_by_name(install: Any) -> None:
    install("acme-speech", "intonaco.platforms: speech = speech.platform:SpeechPlatform")
    assert platforms()["speech"] == "speech.platform:SpeechPlatform"
    assert platforms()["general"] == "intonaco.general.platform:GeneralPlatform"
