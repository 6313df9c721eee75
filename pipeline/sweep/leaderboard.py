"""The leaderboard of a sweep: its finished jobs, the best first, as a table, as files and as a picture."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.core import terminal
from pipeline.core.atomic import write_csv, write_text
from pipeline.core.config import flatten
from pipeline.core.text import redact
from pipeline.sweep.importance import importance
from pipeline.sweep.standings import SEEDS, Comparison, Group, Interval, Standing, groups, standings
from pipeline.sweep.sweep_job import FIRST_KEYS, SweepJob, varied_keys

MEASURED = ("best/valid_error", "valid_error_low", "valid_error_high", "p_value", "p_adjusted", "tied")
RUN = ("best/valid_loss", "best/epoch", "seconds", "run_id", "name", "reused", "folder")
TIED = "="  # marks a row that does not differ significantly from the first
UNKNOWN = "-"
SCORES = ("valid error", "mean error", "95 % interval", "p (Holm)", "deviation", "seeds", "loss", "epoch", "run")
NARROW = ("loss", "epoch", "deviation", "p (Holm)", "seeds", "95 % interval")  # left out on a narrow terminal, in order
GAP = 2  # spaces between two columns


@dataclass(frozen=True)
class Leaderboard:
    """The finished jobs of a sweep, the best first, compared with the best at a level of significance.

    `groups` has the means over seeds, where the sweep varies them; `importance` the share of each varied setting in the
    variance of the validation error, where there are jobs enough.
    """

    keys: list[str]  # the settings that vary
    standings: list[Standing]
    groups: list[Group]
    importance: dict[str, float]
    significance: float

    @classmethod
    def of(cls, jobs: Sequence[SweepJob], significance: float) -> "Leaderboard":
        """The leaderboard of these jobs."""
        rows = standings(jobs, significance)
        return cls(varied_keys(jobs), rows, groups(jobs, significance), importance(jobs), significance)

    @property
    def best(self) -> Standing | None:
        """The job whose settings are suggested: the first row, or the first job of the best group of seeds.

        Its seed is the first one: to choose the luckiest would be to choose chance.
        """
        if not self.groups:
            return next(iter(self.standings), None)
        job = self.groups[0].jobs[0]
        return next(row for row in self.standings if row.job is job)

    def table(self) -> tuple[list[str], list[list[object]]]:
        """Column names and rows: rank, varied settings, validation scores of the best epoch, and the run."""
        rows: list[list[object]] = []
        for rank, row in enumerate(self.standings, 1):
            values, result, test = _settings(row.job), row.result, row.comparison
            low, high = row.interval or (None, None)
            measured = [result.valid_error, low, high, test.p_value, test.p_adjusted, test.tied]
            run = [result.valid_loss, result.epoch, result.seconds, result.run_id, result.name]
            where = [row.job.reused, result.folder]
            rows.append([rank, *(_cell(values[key]) for key in self.keys), *measured, *run, *where])
        return ["rank", *map(_label, self.keys), *MEASURED, *RUN], rows

    def document(self) -> dict[str, Any]:
        """The content of leaderboard.json, whose keys are stable."""
        return {
            "significance": self.significance,
            "varied": self.keys,
            "jobs": [_job(rank, row) for rank, row in enumerate(self.standings, 1)],
            "groups": [_group(group, self.keys) for group in self.groups],
            "importance": self.importance,
        }

    def write(self, title: str, folder: Path, *, grid: bool) -> list[Path]:
        """Write leaderboard.csv, .json and, if a job has finished, .png into the folder."""
        paths = [folder / f"leaderboard{suffix}" for suffix in (".csv", ".json", ".png")]
        write_csv(paths[0], *self.table())
        write_text(paths[1], json.dumps(self.document(), indent=1) + "\n")
        if not self.standings:
            return paths[:2]
        from pipeline.sweep import heat_map  # imports matplotlib, which Hydra would load for every command

        rows = [(group.jobs[0], group.mean, group.comparison) for group in self.groups] or [
            (row.job, row.result.valid_error, row.comparison) for row in self.standings
        ]
        points = [
            (job.config.train.learning_rate, job.config.train.batch_size, error, bool(test.tied))
            for job, error, test in rows
            if job.config is not None
        ]
        note = f"outlined: no significant difference from the best at {self.level}"
        heat_map.draw(points, f"{'mean ' if self.groups else ''}{title}\n{note}", paths[2], grid=grid)
        return paths

    @property
    def level(self) -> str:
        """The significance in words, for example `5 %`."""
        return f"{100 * self.significance:g} %"

    def lines(self, max_rows: int, file: str) -> Iterator[str]:
        """The tables for a terminal, with at most this number of rows each, and what they say in words.

        `file` has all rows.
        """
        yield from _plain(
            [*map(_label, self.keys), "valid error", "95 % interval", "p (Holm)", "loss", "epoch", "run"],
            [self._cells(row) for row in self.standings[:max_rows]],
            [row.comparison for row in self.standings],
        )
        if len(self.standings) > max_rows:
            yield f"... and {len(self.standings) - max_rows} more in {file}"
        yield from _tie_lines(self.standings, self.level)
        if self.groups:
            keys = [key for key in self.keys if key not in SEEDS]
            yield ""
            yield from _plain(
                [*map(_label, keys), "mean error", "deviation", "seeds", "95 % interval", "p (Holm)"],
                [_group_cells(group, keys) for group in self.groups[:max_rows]],
                [group.comparison for group in self.groups],
            )
            yield "means over seeds; p: paired t test over the seeds in common with the first row, adjusted (Holm)"
        if self.importance:
            shares = ", ".join(f"{_label(key)} {share:.0%}" for key, share in self.importance.items())
            yield f"shares in the variance of the validation error (fANOVA): {shares}"

    def _cells(self, row: Standing) -> list[str]:
        values = _settings(row.job)
        return [
            *(_text(values[key]) for key in self.keys),
            f"{row.result.valid_error:.2%}",
            _interval(row.interval),
            _p_value(row.comparison),
            f"{row.result.valid_loss:.4f}",
            str(row.result.epoch),
            row.result.run_id[:8],
        ]


def _tie_lines(rows: Sequence[Standing], level: str) -> Iterator[str]:
    """What the marks mean, in words."""
    if len(rows) < 2:  # noqa: PLR2004 - one job has no other
        return
    compared = [row for row in rows[1:] if row.comparison.tied is not None]
    if compared:
        yield f"{TIED} no significant difference from the first row: McNemar's exact test, adjusted for all rows (Holm)"
        tied = [row for row in rows if row.comparison.tied]
        yield f"{len(tied)} of {len(rows)} jobs have no significant difference from the best at {level}"
        if len(tied) > 1:
            # Of jobs of one bank that ended in the same epoch, the best.
            fastest = min(tied, key=lambda row: round(row.result.seconds, 1)).result
            yield f"the one of them that trained fastest is {fastest.name}: run {fastest.run_id[:8]}"
    if missing := len(rows) - 1 - len(compared):
        jobs = "1 job" if missing == 1 else f"{missing} jobs"
        yield f"not compared: {jobs}, trained by an earlier version or on other validation images"


def _settings(job: SweepJob) -> dict[str, object]:
    assert job.config is not None
    return job.values | dict(flatten(job.config))


def _job(rank: int, row: Standing) -> dict[str, Any]:
    settings, result = _settings(row.job), row.result
    return {
        "rank": rank,
        "run_id": result.run_id,
        "name": result.name,
        "settings": {key: _cell(settings[key]) for key in dict.fromkeys([*FIRST_KEYS, *row.job.values])},
        "valid_error": result.valid_error,
        "valid_error_interval": row.interval,
        "valid_loss": result.valid_loss,
        "epoch": result.epoch,
        "seconds": result.seconds,
        **vars(row.comparison),
        "reused": row.job.reused,
        "folder": result.folder,
    }


def _group(group: Group, keys: Sequence[str]) -> dict[str, Any]:
    settings = _settings(group.jobs[0])
    return {
        "settings": {key: _cell(settings[key]) for key in dict.fromkeys([*FIRST_KEYS, *keys]) if key not in SEEDS},
        "run_ids": [job.result.run_id for job in group.jobs if job.result is not None],
        "seeds": len(group.errors),
        "mean_valid_error": group.mean,
        "std_valid_error": group.deviation,
        "mean_interval": group.interval,
        **vars(group.comparison),
    }


def _group_cells(group: Group, keys: Sequence[str]) -> list[str]:
    values = _settings(group.jobs[0])
    deviation = UNKNOWN if group.deviation is None else f"{100 * group.deviation:.2f}"
    cells = [f"{group.mean:.2%}", deviation, str(len(group.errors)), _interval(group.interval)]
    return [*(_text(values[key]) for key in keys), *cells, _p_value(group.comparison)]


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]], tests: Sequence[Comparison]) -> Iterator[str]:
    """Numbered and marked rows below a header, the columns two blanks apart and aligned on the right.

    Where the lines of the terminal are too short, columns are left out: first those of NARROW, then settings, the last
    one first.
    """
    marks = [TIED if test.tied else "" for test in tests]
    table = [["", "", *header]]
    table += [[str(rank), mark, *row] for rank, (mark, row) in enumerate(zip(marks, rows, strict=False), 1)]
    columns = list(zip(*table, strict=True))
    widths = [max(map(len, column)) for column in columns]
    kept, width = list(range(len(columns))), terminal.width()
    settings = [number for number, name in enumerate(header, 2) if name not in SCORES]
    for number in [*(header.index(name) + 2 for name in NARROW if name in header), *reversed(settings)]:
        if sum(widths[each] + GAP for each in kept) - GAP <= width:
            break
        kept.remove(number)
    for row in table:
        yield (" " * GAP).join(row[number].rjust(widths[number]) for number in kept)
    if left_out := [name for number, name in enumerate(header, 2) if number not in kept]:
        yield f"lines of {width} characters have no room for {', '.join(left_out)}: COLUMNS=200 shows more"


def _interval(interval: Interval | None) -> str:
    return UNKNOWN if interval is None else f"{100 * interval[0]:.2f} to {interval[1]:.2%}"


def _p_value(test: Comparison) -> str:
    return UNKNOWN if test.p_adjusted is None else f"{test.p_adjusted:.2g}"


def _text(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(_cell(value))


def _cell(value: object) -> object:
    """Return a number unchanged, and anything else as text without credentials of URLs."""
    return value if isinstance(value, int | float) else redact(str(value))


def _label(key: str) -> str:
    """A key without dots: MLflow's UI takes a column with dots for nested columns, and shows nothing."""
    return key.removeprefix("train.").replace(".", "/")
