"""The house keeps its walls: who imports what, what DVC is told, and what a light command must not load."""

import ast
import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.imports import imported_names, pipeline_files
from tests.support.project import Project

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"tensorflow", "keras", "mlflow", "matplotlib", "optuna", "ray"}
STAGES = ("compose", "fetch", "preprocess", "optimum", "train", "evaluate")
COMMANDS = ("ui", "compare", "promote", "reproduce", "predict", "report")
SOURCES = sorted((ROOT / "pipeline").rglob("*.py"))


def heavy_imports(file: Path) -> set[str]:
    heavy = {"tensorflow", "keras", "mlflow"}
    return {name.split(".")[0] for name in imported_names(file)} & heavy


@pytest.mark.parametrize("stage", STAGES)
def test_stage_deps_name_exactly_the_files_it_imports(stage: str) -> None:
    """A file that is missing from deps would leave a stale result called up to date.

    What Hydra loads by name, the sweep's callback and launcher, is not in it: no stage of DVC sweeps.
    """
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    listed = {ROOT / dep for dep in deps if dep.startswith("pipeline/")}
    assert listed == pipeline_files(ROOT / "pipeline" / f"{stage}.py")


def test_rooms_do_not_import_stages() -> None:
    """A stage is an entry, and so is a command about runs: what two of them need belongs in a room."""
    entries = {f"pipeline.{name}" for name in (*STAGES, *COMMANDS)}
    for file in SOURCES:
        assert not imported_names(file) & entries, file


def test_heavy_packages_stay_in_their_rooms() -> None:
    """Only model/ imports TensorFlow and Keras, only tracking/ MLflow (whose Keras flavour is MLflow's affair)."""
    for file in SOURCES:
        room = file.relative_to(ROOT / "pipeline").parts[0]
        allowed = {"model": {"tensorflow", "keras"}, "tracking": {"mlflow"}}.get(room, set())
        assert heavy_imports(file) <= allowed, file


def test_data_and_figures_reach_no_heavy_package() -> None:
    """Not even through other rooms: preprocessing and drawing must start at once."""
    for room in ("data", "figures"):
        for file in (ROOT / "pipeline" / room).glob("*.py"):
            assert not any(heavy_imports(reached) for reached in pipeline_files(file)), file


@pytest.mark.parametrize("folder", ["pipeline", "benchmarks", "hydra_plugins"])
def test_nothing_that_is_read_can_run_code(folder: str) -> None:
    """No pickle in any form, no text as code, and no YAML or NumPy file with objects in it."""
    running = {"pickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "torch"}
    for file in sorted((ROOT / folder).rglob("*.py")):
        assert not {name.split(".")[0] for name in imported_names(file)} & running, file
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {"eval", "exec", "compile", "__import__"}, (file, node.lineno)
                assert not re.match(r"yaml\.(load|load_all|unsafe_\w+|full_\w+)$", called), (file, node.lineno)
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get("allow_pickle", "False") == "False", (file, node.lineno)
                assert given.get("safe_mode", "True") == "True", (file, node.lineno)


@pytest.mark.parametrize(
    "command",
    [["pipeline.compose"], ["pipeline.fetch"], ["pipeline.preprocess"], ["pipeline.train", "--help"]]
    + [[f"pipeline.{stage}", "--cfg", "job"] for stage in STAGES]
    + [[f"pipeline.{command}", "--help"] for command in COMMANDS],
    ids=" ".join,
)
def test_light_commands_load_no_heavy_package(command: list[str], changeable: Project) -> None:
    """Each costs up to seconds: a command that needs none must not pay for it, not even through Hydra's plugins."""
    module, *words = command
    code = (
        "import runpy, sys, atexit\n"
        f"atexit.register(lambda: print('HEAVY', sorted({HEAVY} & set(sys.modules))))\n"
        f"sys.argv = ['x', *{words!r}]\n"
        f"runpy.run_module({module!r}, run_name='__main__')\n"
    )
    done = changeable.run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout


@pytest.mark.parametrize("file", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda file: str(file.relative_to(ROOT)))
def test_each_conf_file_starts_with_the_command_that_uses_it(file: Path) -> None:
    """A reader of conf/ sees at once how a file is chosen."""
    first = next(line for line in file.read_text().splitlines() if "@package" not in line)
    assert re.match(r"# python -m pipeline\.\w+ ", first), first


def test_locks_have_hashes_and_name_no_index() -> None:
    """Anybody's index serves the same bytes; nobody's address is in Git."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = (ROOT / name).read_text().splitlines()
        pinned = [line for line in lines if re.match(r"^[a-z0-9]", line)]
        assert len(pinned) > 100
        assert all("==" in line and line.endswith("\\") for line in pinned)
        assert not any("://" in line or "index" in line for line in lines)


def test_core_lock_is_part_of_the_development_lock() -> None:
    """`make repro` and `make test` must see the same versions."""
    core, development = (
        set(re.findall(r"^\S+==\S+(?: ; .*?)?(?= \\$)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert core <= development
