from types import SimpleNamespace
from typing import Any

import pytest

from intonaco.core import Plugins
from intonaco.core.errors import DefinitionError, NotRegisteredError, PluginError
from intonaco.core.plugins import Plugin, as_plugin, hookimpl, hookspec, load_path


class Hooks:
    """What the plugins of these tests may offer and be told."""

    @hookspec
    def paints(self) -> dict[str, str]:
        """Names of paints to import paths."""
        raise NotImplementedError

    @hookspec
    def dried(self, wall: str) -> str:
        """A wall has dried."""
        raise NotImplementedError


def plugin(name: str, paints: Any = None, distribution: str = "", **said: Any) -> Plugin:
    module = SimpleNamespace(**said)
    if paints is not None:
        module.paints = hookimpl(paints if callable(paints) else lambda: paints)
    return as_plugin(module, name, distribution or f"dist-{name}")


def listener(name: str, **said: Any) -> Plugin:
    def dried(wall: str) -> str:
        return f"{name} saw {wall}"

    return as_plugin(SimpleNamespace(dried=hookimpl(dried), **said), name)


@pytest.fixture
def plugins() -> Plugins:
    made = Plugins()
    made.manager.add_hookspecs(Hooks)
    return made


def reasons(plugins: Plugins) -> list[str]:
    return [f"{failure.distribution}: {failure.reason}" for failure in plugins.failures]


def order(plugins: Plugins) -> list[str]:
    assert [line.split()[0] for line in plugins.hook.dried(wall="west")] == [plugin.name for plugin in plugins.loaded]
    return [plugin.name for plugin in plugins.loaded]


def test_without_wishes_hooks_run_by_name(plugins: Plugins) -> None:
    plugins.add(listener("c"), listener("a"))
    plugins.add(listener("b"))
    assert order(plugins) == ["a", "b", "c"]


def test_a_plugin_runs_after_and_before_those_it_names(plugins: Plugins) -> None:
    plugins.add(listener("a", runs_after=("c",)), listener("b"), listener("c"), listener("d", runs_before="b"))
    running = order(plugins)
    assert running.index("c") < running.index("a")
    assert running.index("d") < running.index("b")


def test_a_wish_about_a_plugin_that_is_not_there_is_passed_over(plugins: Plugins) -> None:
    plugins.add(listener("a", runs_after=("ghost",), runs_before=("ghost",)))
    assert (order(plugins), plugins.failures) == (["a"], [])


def test_a_circle_of_wishes_is_reported_and_the_order_is_by_name(plugins: Plugins) -> None:
    plugins.add(listener("b", runs_after=("a",)), listener("a", runs_after=("b",)), listener("c"))
    assert order(plugins) == ["a", "b", "c"]
    assert len(plugins.failures) == 1
    assert "form a circle" in plugins.failures[0].reason


def test_wishes_that_are_no_names_leave_the_plugin_out(plugins: Plugins) -> None:
    plugins.add(listener("a", runs_after=3), listener("b"))
    assert order(plugins) == ["b"]
    assert "int" in plugins.failures[0].reason


def test_a_name_taken_twice_is_reported_with_both_distributions(plugins: Plugins) -> None:
    plugins.add(plugin("a", {"ochre": "x:Ochre"}, "first"), plugin("a", {"umber": "x:Umber"}, "second"))
    assert list(plugins.offers("paints")) == ["ochre"]
    assert reasons(plugins) == ["second: claims the plugin name 'a', which first already holds"]


def test_one_module_under_two_names_is_reported(plugins: Plugins) -> None:
    first = plugin("a", {"ochre": "x:Ochre"})
    plugins.add(first, as_plugin(first.module, "b", "second"))
    assert reasons(plugins) == ["second: names the module of the plugin 'a', which dist-a already holds"]


def test_an_unknown_hook_leaves_its_plugin_out_by_name(plugins: Plugins) -> None:
    stray = as_plugin(SimpleNamespace(pants=hookimpl(lambda: None)), "stray", "dist-stray")
    plugins.add(stray, plugin("a", {"ochre": "x:Ochre"}))
    assert [each.name for each in plugins.loaded] == ["a"]
    assert reasons(plugins)[0].startswith("dist-stray: unknown hook 'pants'")


def test_an_unknown_argument_of_a_hook_leaves_its_plugin_out(plugins: Plugins) -> None:
    def dried(wall: str, ceiling: str) -> str:
        return wall + ceiling

    plugins.add(as_plugin(SimpleNamespace(dried=hookimpl(dried)), "a", "dist-a"), listener("b"))
    assert order(plugins) == ["b"]
    assert "ceiling" in reasons(plugins)[0]


def test_of_two_offers_of_a_name_the_first_holds_and_the_second_is_reported_once(plugins: Plugins) -> None:
    plugins.add(plugin("b", {"ochre": "b:Ochre"}), plugin("a", {"ochre": "a:Ochre"}))
    assert plugins.offers("paints")["ochre"].path == plugins.offers("paints")["ochre"].path == "a:Ochre"
    assert reasons(plugins) == ["dist-b: paints 'ochre' is already offered by a (dist-a), which stays"]


def test_a_provider_that_fails_is_reported_and_the_rest_goes_on(plugins: Plugins) -> None:
    def broken() -> dict[str, str]:
        raise RuntimeError("no pigment")

    plugins.add(plugin("a", broken), plugin("b", {"ochre": "b:Ochre"}), plugin("c", "umber"), plugin("d", {"umber": 3, "sepia": "d:Sepia"}))
    assert list(plugins.offers("paints")) == ["ochre", "sepia"]
    assert reasons(plugins)[0] == "dist-a: paints fails: RuntimeError: no pigment"
    assert reasons(plugins)[2] == "dist-d: paints offers 'umber': 3; names and import paths must be text"
    assert len(reasons(plugins)) == 3


def test_what_is_offered_is_imported_when_it_is_loaded(plugins: Plugins) -> None:
    plugins.add(plugin("a", {"sequence": "collections:OrderedDict", "ghost": "collections:Ghost", "gone": "not_there.at_all:X"}))
    assert plugins.load("paints", "sequence", "paint").__name__ == "OrderedDict"
    for name, reason in (("ghost", "no attribute 'Ghost'"), ("gone", "No module named 'not_there'")):
        with pytest.raises(PluginError, match=f"the paint '{name}' of dist-a cannot be loaded: .*{reason}") as caught:
            plugins.load("paints", name, "paint")
        assert caught.value.hint == "pip install dist-a"


def test_an_unknown_name_lists_the_known_ones(plugins: Plugins) -> None:
    plugins.add(plugin("a", {"ochre": "a:Ochre", "umber": "a:Umber"}))
    with pytest.raises(NotRegisteredError, match=r"no paint named 'okre'; registered: ochre, umber \(did you mean 'ochre'\?\)") as caught:
        plugins.load("paints", "okre", "paint")
    assert caught.value.field == "okre"


def test_a_name_that_a_package_of_ours_would_add_names_the_package(plugins: Plugins) -> None:
    with pytest.raises(NotRegisteredError, match=r"registered: none \(pip install intonaco-lightgbm adds 'lightgbm'\)"):
        plugins.load("paints", "lightgbm", "paint")


def test_an_extension_that_adds_a_scheme_is_named_by_how_the_scheme_begins(plugins: Plugins) -> None:
    with pytest.raises(NotRegisteredError, match="pip install intonaco-postgres adds 'postgresql'"):
        plugins.load("paints", "postgresql", "paint")


def test_a_tool_of_the_developers_is_no_package_to_add(plugins: Plugins) -> None:
    with pytest.raises(NotRegisteredError, match=r"registered: none$"):
        plugins.load("paints", "dev", "paint")


def test_a_module_that_raises_while_it_is_imported_is_wrapped(install: Any) -> None:
    install("intonaco-broken", broken_paint="raise OSError('no disk')")
    with pytest.raises(PluginError, match="'broken_paint:X' cannot be loaded: OSError: no disk"):
        load_path("broken_paint:X")


def test_a_plugin_needs_a_name() -> None:
    with pytest.raises(DefinitionError, match="needs a name"):
        as_plugin(SimpleNamespace(), "")
