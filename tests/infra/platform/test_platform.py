"""A platform: a workspace, tasks, and all that follows; from Python and from the command line."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import toys  # type: ignore[import-not-found, unused-ignore]

from intonaco.core.errors import DefinitionError, MissingError, RefusedError, SettingsError
from intonaco.infra.serving.ledger.ledger import Ledger
from intonaco.infra.workspace import Workspace

pytestmark = pytest.mark.slow

Ask = Callable[..., tuple[int, dict[str, Any]]]
Run = Callable[..., tuple[int, str, str]]
TRAIN = ("train", "toys.line", "--examples", "toys:points")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one version, deployed; tests work on copies."""
    folder = tmp_path_factory.mktemp("made")
    with toys.ToyPlatform(Workspace.open(folder)) as platform:
        trained = platform.train(toys.Line(), toys.points(60))
        platform.deploy("line", trained.register("line"))
    return folder


@pytest.fixture
def filled(root: Path, made: Path) -> Path:
    shutil.copytree(made, root, dirs_exist_ok=True)
    return root


@pytest.fixture
def platform(filled: Path) -> Iterator[toys.ToyPlatform]:
    with toys.ToyPlatform(Workspace.open(filled)) as platform:
        yield platform


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intonaco.core.plugins.platforms", lambda: {"toys": "toys:ToyPlatform"})


class TestPlatform:
    def test_what_is_deployed_predicts(self, platform: toys.ToyPlatform) -> None:
        answers = platform.predict("line", [{"x": 100.0}, {"x": -1.0}])
        assert [answer["y"] for answer in answers] == pytest.approx([201.0, -1.0])

    def test_an_endpoint_follows_what_is_deployed(self, platform: toys.ToyPlatform) -> None:
        before = platform.endpoint("line")
        assert platform.endpoint("line") is before
        platform.deploy("line", platform.train(toys.Line(intercept=False), toys.points(60)).register("line"))
        assert platform.endpoint("line") is not before
        assert platform.predict("line", [{"x": 0.0}])[0]["y"] == pytest.approx(0.0)

    def test_a_version_that_was_not_evaluated_on_held_out_rows_is_refused(self, platform: toys.ToyPlatform) -> None:
        known = platform.registry.version("line@1")
        with platform.runs.start("by hand") as run:
            platform.registry.register("rough", known.package, run_id=run.id, cells=known.cells, held_out=False)
        with pytest.raises(RefusedError, match="learned from"):
            platform.deploy("rough")
        with pytest.raises(MissingError):
            platform.deployments.get("rough")

    def test_tasks_are_found_by_name(self) -> None:
        assert toys.ToyPlatform.task("line") is toys.Line
        with pytest.raises(DefinitionError, match="no task 'curve'") as caught:
            toys.ToyPlatform.task("curve")
        assert "line, silent" in caught.value.hint

    def test_closing_twice_does_nothing(self, platform: toys.ToyPlatform) -> None:
        platform.predict("line", [{"x": 1.0}])
        platform.close()
        platform.close()

    def test_labels_are_named(self, platform: toys.ToyPlatform) -> None:
        with pytest.raises(MissingError, match="eta"):
            platform.training_set("eta", labels="outcomes")


class TestTrainCommand:
    def test_every_task_is_a_command_with_its_fields_as_options(self, run: Run) -> None:
        code, out, _ = run("train", "--help")
        assert code == 0
        assert "toys.line" in out
        assert "Tell a number by a straight line." in " ".join(out.split())
        _, out, _ = run("train", "toys.line", "--help")
        for part in ("--error [absolute|squared]", "--intercept", "--seed", "--task-seed", "--trials"):
            assert part in out

    def test_a_choice_that_there_is_not_lists_those_that_there_are(self, ask: Ask) -> None:
        code, answer = ask(*TRAIN, "--error", "cubed")
        assert (code, answer["error"]["code"]) == (2, "UsageError")
        assert "'absolute', 'squared'" in answer["error"]["message"]

    def test_it_trains_registers_and_has_its_results_the_second_time(self, ask: Ask) -> None:
        given = (*TRAIN, "--error", "squared", "--task-seed", "5", "--seed", "1", "--register", "line")
        code, first = ask(*given)
        assert (code, first["version"], first["memoized"]) == (0, "model:default/line@1", False)
        assert [cell["metric"] for cell in first["cells"] if not cell["segment"]] == ["squared_error"]
        assert first["next"] == "intonaco report line@1, or intonaco deploy line"
        _, second = ask(*given)
        assert (second["version"], second["memoized"]) == ("model:default/line@1", True)

    def test_a_flag_can_be_turned_off(self, ask: Ask) -> None:
        code, answer = ask(*TRAIN, "--intercept", "false")
        assert code == 0
        assert answer["cells"][0]["value"] > 0.01

    def test_a_table_makes_examples(self, ask: Ask, root: Path) -> None:
        with Workspace.open(root) as workspace:
            when = pa.array(range(50), pa.int64()).cast(pa.timestamp("us", tz="UTC"))
            workspace.tables.write(
                "default/points", pa.table({"x": [float(x) for x in range(50)], "y": [2.0 * x for x in range(50)], "t": when})
            )
        code, answer = ask("train", "toys.line", "--table", "points", "--labels", "y", "--at", "t", "--aside", "t", "--register", "line")
        assert code == 0, answer
        assert answer["cells"][0]["n"] == 10

    @pytest.mark.parametrize(
        ("options", "kind"),
        [
            ((), "InvalidError"),
            (("--examples", "toys:plain"), "InvalidError"),
            (("--examples", "nowhere:points"), "PluginError"),
            (("--table", "points"), "InvalidError"),
            (("--table", "points", "--labels", "y"), "MissingError"),
            (("--set", "eta"), "InvalidError"),
            (("--set", "eta", "--labels", "arrivals"), "MissingError"),
        ],
    )
    def test_what_there_is_to_learn_from_must_be_said(self, ask: Ask, options: tuple[str, ...], kind: str) -> None:
        code, answer = ask("train", "toys.line", *options)
        assert (code, answer["error"]["code"]) == (2, kind)


class TestCommandsOfAVersion:
    def test_models_and_reports_are_shown(self, ask: Ask, run: Run, filled: Path) -> None:
        assert [model["model"] for model in ask("models", "list")[1]["models"]] == ["line"]
        assert ask("models", "show", "line@1")[1]["held_out"] is True
        assert len(ask("models", "versions", "line")[1]["versions"]) == 1
        assert ask("report", "line")[1]["blocks"] > 1
        code, _, _ = run("report", "line", "--html", str(filled / "report.html"))
        assert (code, (filled / "report.html").is_file()) == (0, True)
        assert ask("report", "line", "--name", "evalution")[0] == 2

    def test_an_alias_is_moved_and_the_move_kept(self, ask: Ask, filled: Path) -> None:
        assert ask("models", "alias", "line", "champion", "1", "--why", "the only one")[0] == 0
        assert ask("models", "show", "line@champion")[1]["version"] == 1
        assert [move["why"] for move in ask("models", "history", "line")[1]["moves"]] == ["the only one"]

    def test_a_deployment_is_declared_and_removed(self, ask: Ask, filled: Path) -> None:
        code, answer = ask("deploy", "other", "line@1")
        assert (code, answer["state"], answer["versions"], answer["next"]) == (0, "waiting", ["line@1"], "intonaco serve")
        assert answer["pipelines"] == []
        assert {each["endpoint"] for each in ask("status")[1]["endpoints"]} == {"line", "other"}
        assert ask("deploy", "other", "--remove")[0] == 0
        assert ask("predict", "other", '{"x": 1}')[0] == 2

    def test_a_version_that_may_not_be_deployed_is_refused(self, ask: Ask, platform: toys.ToyPlatform) -> None:
        known = platform.registry.version("line@1")
        platform.registry.register("rough", known.package, run_id=known.run_id, cells=known.cells, held_out=False)
        code, answer = ask("deploy", "rough")
        assert (code, answer["error"]["code"]) == (6, "RefusedError")

    @pytest.mark.parametrize("rows", ['{"x": 3}', '[{"x": 3}]'])
    def test_predicting_answers_a_row_each(self, ask: Ask, filled: Path, rows: str) -> None:
        code, answer = ask("predict", "line", rows)
        assert (code, answer["versions"]) == (0, [1])
        assert [row["y"] for row in answer["predictions"]] == pytest.approx([7.0])

    @pytest.mark.parametrize("row", ['{"z": 1}', "{}", '{"x": "one"}', '{"x": [1.0]}', '{"x": null}', '{"x": NaN}', '{"x": 1e999}'])
    def test_a_row_with_a_wrong_name_type_shape_or_value_names_the_input(self, ask: Ask, filled: Path, row: str) -> None:
        code, answer = ask("predict", "line", row)
        assert (code, answer["error"]["code"]) == (2, "SchemaError")
        assert answer["error"]["field"] == ("z" if "z" in row else "x")

    def test_why_tells_what_made_a_step_run_again(self, ask: Ask, run: Run, filled: Path) -> None:
        before = ask("train", "toys.line", "--examples", "toys:points")[1]["run"]
        after = ask("train", "toys.line", "--examples", "toys:points", "--task-seed", "3")[1]["run"]
        code, answer = ask("why", after, "fit")
        assert (code, [step["function"].rpartition(":")[2] for step in answer["steps"]]) == (0, ["fit"])
        assert [(each["what"], each["name"]) for each in answer["steps"][0]["changed"]] == [("argument", "task")]
        assert answer["steps"][0]["before"]["run"] == before
        assert "argument" in run("why", after)[1]
        assert ask("why", after, "fitt")[1]["error"]["hint"] == "did you mean 'fit'?"
        assert len(ask("why", before[:-2])[1]["steps"]) == 4

    def test_the_ledger_counts_and_shows_the_last_predictions(self, ask: Ask, run: Run, filled: Path) -> None:
        assert ask("ledger", "line")[1]["rows"] == 0
        with toys.ToyPlatform(Workspace.open(filled)) as platform:
            endpoint, columns = platform.endpoint("line"), {"x": toys.points(5).columns["x"]}
            at_us = toys.points(5).moments
            Ledger(platform.workspace).record(endpoint, columns, endpoint.predict(columns, at_us), at_us)
        code, answer = ask("ledger", "line", "--limit", "2")
        assert (code, answer["rows"], answer["waiting"], answer["dropped"]) == (0, 5, 0, 0)
        assert len(answer["last"]) == 2
        assert answer["last"][0]["output.y"] == pytest.approx(2 * answer["last"][0]["x"] + 1)
        assert ask("ledger", "line", "--since", "1970-01-01T00:00:02Z", "--until", "4000000")[1]["matching"] == 2
        code, out, _ = run("ledger", "line")
        assert (code, "output.y" in out) == (0, True)

    def test_a_version_is_reproduced(self, ask: Ask, filled: Path) -> None:
        code, answer = ask("reproduce", "line@1")
        assert (code, answer["verdict"]) == (0, "identical"), answer

    def test_what_cannot_be_reproduced_is_told_by_the_exit_code(
        self, ask: Ask, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        strange = (Path(__file__).parent / "toys.py").read_text().replace('alpha", 0.0', 'alpha", 9.0')
        (tmp_path / "toys.py").write_text(strange)
        monkeypatch.syspath_prepend(str(tmp_path))
        code, answer = ask("reproduce", "line@1")
        assert (code, answer["verdict"]) == (4, "different")
        assert answer["next"].startswith("intonaco why ")


class TestNamedPlatform:
    """The platform that the settings name."""

    @pytest.fixture
    def distributed(self, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "installed"
        (folder / "distributed-1.dist-info").mkdir(parents=True)
        (folder / "distributed_platform.py").write_text(
            "from intonaco.infra.platform.platform import Platform\nfrom intonaco.infra.storage.guarantees import Guarantee\n"
            "class Distributed(Platform):\n    name = 'distributed'\n    needs = {'keyvalue': [Guarantee.SHARED]}\n"
        )
        (folder / "distributed-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: distributed\nVersion: 1\n")
        entry = "[intonaco.platforms]\ndistributed = distributed_platform:Distributed\n"
        (folder / "distributed-1.dist-info" / "entry_points.txt").write_text(entry)
        monkeypatch.syspath_prepend(str(folder))
        (root / "intonaco.toml").write_text('platform = "distributed"\n')

    @pytest.mark.usefixtures("distributed")
    @pytest.mark.parametrize("command", [["deploy", "line"], ["predict", "line", "{}"], ["serve", "--port", "0"]], ids=lambda each: each[0])
    def test_every_way_of_opening_it_holds_its_needs(self, run: Run, command: list[str]) -> None:
        code, out, err = run(*command)
        assert code == 2, out
        assert "the platform 'distributed' needs of stores.keyvalue" in err
        assert "redis://HOST" in err

    @pytest.mark.usefixtures("distributed")
    def test_a_worker_that_opens_the_workspace_is_held_to_them_too(self, root: Path) -> None:
        with Workspace.open(root) as workspace, pytest.raises(SettingsError, match=r"'distributed' needs of stores\.keyvalue"):
            _ = workspace.keyvalue

    def test_one_that_is_not_installed_is_told_with_those_that_are(self, root: Path, run: Run) -> None:
        (root / "intonaco.toml").write_text('platform = "generl"\n')
        code, _, err = run("deploy", "line")
        assert (code, "'generl', which is not installed" in err, "general" in err) == (2, True, True)
