"""The architecture: imports between rooms, deps in dvc.yaml, heavy imports, and the lock files."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.support.imports import direct_imports, imported_names, pipeline_files, run_and_list
from tests.support.project import Project

ROOT = Path(__file__).resolve().parents[1]
PIPELINE = ROOT / "pipeline"
HEAVY = {"tensorflow", "keras", "mlflow", "matplotlib", "optuna", "ray"}
STAGES = ("compose", "fetch", "preprocess", "train", "evaluate")
COMMANDS = ("ui", "compare", "promote", "reproduce", "predict", "report", "upload", "optimum")

# A room and the rooms that it imports. A room stands below all that it imports.
ROOMS = {
    "core": set(),
    "data": {"core"},
    "drawing": {"core"},
    "formats": {"core", "data"},
    "sources": {"core", "formats"},
    "model": {"core", "data"},
    "tracking": {"core", "data"},
    "training": {"core", "data", "drawing", "model", "tracking"},
    "evaluation": {"core", "data", "drawing", "model"},
    "runs": {"core", "tracking"},
    "sweep": {"core", "data", "drawing", "evaluation", "runs", "tracking", "training"},
    "comparison": {"core", "data", "evaluation", "model", "runs"},
    "convex": {"core", "data"},
    "recognition": {"core", "model"},
    "reporting": {"core", "drawing", "evaluation", "runs"},
    "reproduction": {"core", "model", "tracking"},
}


def rooms_of(files: Iterable[Path]) -> set[str]:
    """Return the rooms of the files. Files directly in pipeline/ are in no room."""
    parts = (file.relative_to(PIPELINE).parts for file in files)
    return {first for first, *rest in parts if rest}


@pytest.mark.parametrize("room", sorted(path.parent.name for path in PIPELINE.glob("*/__init__.py")))
def test_room_imports_the_rooms_above_it_and_no_other(room: str) -> None:
    """Rooms are ordered by their imports: there is no cycle, and no room imports a command."""
    order = list(ROOMS)
    files = [file for source in (PIPELINE / room).rglob("*.py") for file in direct_imports(source)]
    assert rooms_of(files) - {room} == ROOMS[room]
    assert all(order.index(imported) < order.index(room) for imported in ROOMS[room])
    assert {file for file in files if file.parent == PIPELINE} <= {PIPELINE / "__init__.py"}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_its_file_and_on_the_rooms_it_imports(stage: str) -> None:
    """If a room is missing from `deps`, DVC calls a stale result up to date. A needless one repeats the stage.

    Hydra loads the launchers and sweepers by name. They are no deps, because no DVC stage sweeps.
    """
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    files = ("pipeline/__init__.py", f"pipeline/{stage}.py")
    rooms = (f"pipeline/{room}" for room in rooms_of(pipeline_files(PIPELINE / f"{stage}.py")))
    assert sorted(dep for dep in deps if dep.startswith("pipeline/")) == sorted([*files, *rooms])


def test_one_file_reads_hydra_config() -> None:
    """A job gets its context as an argument: what reads global state cannot run in a bank of jobs."""
    files = sorted(PIPELINE.rglob("*.py"))
    readers = [file for file in files if "hydra.core.hydra_config.HydraConfig" in imported_names(file)]
    assert readers == [PIPELINE / "core/job_context.py"]


def test_heavy_packages_stay_in_their_rooms() -> None:
    """Only model/quiet_keras.py imports TensorFlow and Keras. Only tracking/ and runs/ import MLflow."""
    for file in sorted(PIPELINE.rglob("*.py")):
        packages = {name.split(".")[0] for name in imported_names(file)}
        assert not packages & {"tensorflow", "keras"} or file == PIPELINE / "model/quiet_keras.py", file
        assert "mlflow" not in packages or rooms_of([file]) <= {"tracking", "runs"}, file


def test_figures_start_in_the_room_that_drops_the_users_matplotlibrc() -> None:
    """No other room makes a figure, and each module that imports matplotlib imports `drawing` too."""
    for file in sorted(PIPELINE.rglob("*.py")):
        names = [name for name in imported_names(file) if name.split(".")[0] == "matplotlib"]
        assert not names or "drawing" in rooms_of([file, *direct_imports(file)]), file
        assert "matplotlib.figure.Figure" not in names or rooms_of([file]) == {"drawing"}, file
        assert not any(name.startswith("matplotlib.pyplot") for name in names), file


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    """Readers, editors and relative imports would mistake one for the other."""
    for folder in ("pipeline", "hydra_plugins", "benchmarks"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            assert file.stem not in sys.stdlib_module_names, file
            assert file.parent.name not in sys.stdlib_module_names, file


@pytest.mark.parametrize("name", ["__main__", *STAGES, *COMMANDS])
def test_command_file_started_as_a_script_names_the_module(name: str, tmp_path: Path) -> None:
    """As an editor's Run button starts it, in any folder."""
    done = Project(tmp_path).run(sys.executable, str(PIPELINE / f"{name}.py"))
    module = "pipeline" if name == "__main__" else f"pipeline.{name}"
    message = f"error: start this command as a module, in the project's folder: python -m {module}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_command_started_inside_of_pipeline_names_the_right_folder(fresh: Project) -> None:
    """Python then finds pipeline.py, not the package."""
    done = fresh.run(sys.executable, "-m", "pipeline.compose", cwd=fresh.folder / "pipeline", PYTHONSAFEPATH="")
    message = "error: the working folder is pipeline/ itself: start this command in the folder above, after `cd ..`\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)


def test_clone_keeps_all_bytes_whatever_git_converts(fresh: Project, tmp_path: Path) -> None:
    """With core.autocrlf, Git would change line ends, and with them the hashes of code and settings."""
    fresh.git("-c", "core.autocrlf=true", "clone", "-q", ".", str(tmp_path / "clone"))
    for name in fresh.git("ls-files").splitlines():
        assert (tmp_path / "clone" / name).read_bytes() == (fresh.folder / name).read_bytes(), name


@pytest.mark.parametrize("room", ["core", "data", "formats", "sources", "drawing"])
def test_light_rooms_reach_no_heavy_package(room: str) -> None:
    """Fetching, preprocessing and drawing start without heavy packages, imported directly or through other rooms."""
    for file in (PIPELINE / room).glob("*.py"):
        packages = {name.split(".")[0] for reached in pipeline_files(file) for name in imported_names(reached)}
        assert not packages & {"tensorflow", "keras", "mlflow"}, file


@pytest.mark.parametrize("folder", ["pipeline", "benchmarks", "hydra_plugins"])
def test_nothing_that_is_read_can_run_code(folder: str) -> None:
    """No code uses pickle or evaluates text, and no YAML or NumPy file with objects is loaded."""
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
    [["pipeline.__main__"], ["pipeline.compose"], ["pipeline.fetch"], ["pipeline.preprocess"]]
    + [[f"pipeline.{stage}", "--help"] for stage in STAGES]
    + [[f"pipeline.{stage}", "--cfg", "job"] for stage in STAGES]
    + [[f"pipeline.{command}", "--help"] for command in COMMANDS],
    ids=" ".join,
)
def test_light_commands_load_no_heavy_package(command: list[str], changeable: Project) -> None:
    """A heavy package takes up to seconds to import. Light commands load none, also not through Hydra's plugins."""
    module, *words = command
    done = run_and_list(changeable, module, words, HEAVY)
    assert done.returncode == 0, done.stderr
    assert "loaded []" in done.stdout


@pytest.mark.parametrize("file", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda file: str(file.relative_to(ROOT)))
def test_each_conf_file_starts_with_the_command_that_uses_it(file: Path) -> None:
    """The first line of each file in conf/ shows how to select it."""
    first = next(line for line in file.read_text().splitlines() if "@package" not in line)
    assert re.match(r"# python -m pipeline\.\w+ ", first), first


def test_locks_have_hashes_and_name_no_index() -> None:
    """Hashes pin the packages for every index, and the locks name no index."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        lines = (ROOT / name).read_text().splitlines()
        pinned = [line for line in lines if re.match(r"^[a-z0-9]", line)]
        assert len(pinned) > 100
        assert all("==" in line and line.endswith("\\") for line in pinned)
        assert not any("://" in line or "index" in line for line in lines)


def test_make_test_leaves_out_every_marker() -> None:
    """Each marker is for slow tests. `make test` would run those of a marker that the Makefile does not list."""
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["markers"]
    slow = re.search("^SLOW := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert slow is not None
    assert slow[1].split(" or ") == [marker.partition(":")[0] for marker in markers]


def test_core_lock_is_part_of_the_development_lock() -> None:
    """`make repro` and `make test` use the same versions."""
    core, development = (
        set(re.findall(r"^\S+==\S+(?: ; .*?)?(?= \\$)", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert core <= development
