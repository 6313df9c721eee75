"""What a sweep prints at its end."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from pipeline.core.paths import CONF
from pipeline.sweep import leaderboard
from pipeline.sweep.sweep_job import SweepJob, counts, ranked

MAX_ROWS = 10


def text(jobs: Sequence[SweepJob], folder: Path, parent: str, charts: str) -> str:
    """The leaderboard, failures with their logs, what was skipped, the best run and how to apply it, the charts."""
    return "\n".join([*_lines(jobs, folder, parent), charts]) + "\n"


def _lines(jobs: Sequence[SweepJob], folder: Path, parent: str) -> Iterator[str]:
    finished = ranked(jobs)
    if finished:
        yield from leaderboard.lines(jobs, MAX_ROWS)
    if len(finished) > MAX_ROWS:
        yield f"... and {len(finished) - MAX_ROWS} more in {relative_to_cwd(folder / 'leaderboard.csv')}"
    for job in jobs:
        if job.failure:
            log = f"; see {relative_to_cwd(Path(job.folder) / 'train.log')}" if job.folder else ""
            yield f"failed: {job.command_line}: {job.failure}{log}"
    if unfinished := sum(job.unfinished for job in jobs):
        yield f"not trained: {unfinished} jobs; the same command trains them"
    picture = folder / "leaderboard.png" if finished else folder
    yield f"sweep {folder.name}: {_counts(jobs)}: run {parent}, {relative_to_cwd(picture)}"
    if finished:
        job, best = finished[0]
        error = f"{best.valid_error:.2%}"
        yield f"the best is {best.name} with a validation error of {error}: run {best.run_id}, {best.folder}"
        yield "to put its values into conf/, train it there (to the same bits) and measure it on the test set:"
        yield from (f"  {line}" for line in apply_commands(job.overrides, job.choices))


def _counts(jobs: Sequence[SweepJob]) -> str:
    numbers = counts(jobs)
    named = {
        "failed": numbers["jobs/failed"],
        "pruned": numbers["jobs/pruned"],
        "skipped because they finished earlier": numbers["jobs/skipped"],
    }
    parts = [f"{number:g} {name}" for name, number in named.items() if number]
    return ", ".join([f"{len(ranked(jobs))} of {len(jobs)} jobs finished", *parts])


def relative_to_cwd(path: Path) -> str:
    """The path as a user would type it: relative where it is below the working folder, else absolute."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


def apply_commands(overrides: Sequence[str], choices: Mapping[str, str]) -> list[str]:
    """How to put a job's overrides into conf/: lines to follow, the last one a command.

    `dvc exp run -S` edits values in conf/, but not the chosen file of a group; `choices` has these.
    """
    edits, words = [], []
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        if key.startswith(("hydra", "sweep", "tracking")):
            continue
        if key.startswith("~"):
            edits.append(f"remove from conf/: {key[1:]}")
        elif (target := _file_with_key(key, choices)) is None:
            edits.append(f"choose in conf/config.yaml, under defaults: {key}: {value}")
        else:
            words += ["-S", shlex.quote(f"{target}={value}")]
    return [*edits, " ".join(["dvc exp run", *words])]


def _file_with_key(key: str, choices: Mapping[str, str]) -> str | None:
    """The file of conf/ that holds the value, and the key in it, as `conf/train/sgd.yaml:epochs`."""
    section, _, rest = key.partition(".")
    candidates = (
        (CONF / "experiment" / f"{choices.get('experiment')}.yaml", key),  # first: a preset overrides the others
        (CONF / "config.yaml", key),
        (CONF / section / f"{choices.get(section)}.yaml", rest),
    )
    for path, inner in candidates:
        if path.is_file() and _has(path, inner):
            return f"{path.relative_to(CONF.parent)}:{inner}"
    return None


def _has(path: Path, key: str) -> bool:
    node = yaml.safe_load(path.read_text(encoding="utf-8"))
    for name in key.split("."):
        if not isinstance(node, dict) or name not in node:
            return False
        node = node[name]
    return True
