"""A run's provenance as names and values."""

from collections.abc import Iterator

from pipeline.runs.stored_run import StoredRun

Rows = list[tuple[str, str]]

NAMES = {
    "mlflow.user": "user",
    "mlflow.source.name": "program",
    "git.commit": "commit",
    "code.hash": "SHA-256 of the training code",
    "data.md5": "MD5 of data/ (DVC)",
    "dvc.lock": "SHA-256 of dvc.lock",
    "dvc.experiment": "DVC experiment",
    "dvc.baseline": "commit that the DVC experiment is based on",
    "config.hash": "SHA-256 of the settings",
    "model.sha256": "SHA-256 of the model file",
    "output_dir": "folder",
}
OMITTED = {"failure", "git.dirty", "best_run_id", "process"}  # tags that the page shows elsewhere, or that are obsolete


def rows(run: StoredRun, lock: str | None = None) -> Iterator[tuple[str, str]]:
    """The run's tags and inputs; `lock` is the SHA-256 of its requirements.lock."""
    tags = run.tags
    for tag, name in NAMES.items():
        if tag in tags:
            dirty = " and changes that were not committed" if tags.get("git.dirty") == "true" else ""
            yield name, tags[tag] + (dirty if tag == "git.commit" else "")
    if lock:
        yield "SHA-256 of requirements.lock", lock
    for data in run.datasets:
        yield f"data for {data.context}" if data.context else "data", f"{data.name}, digest {data.digest}"
    if run.parent_run_id:
        yield "run of its sweep", run.parent_run_id
    others = sorted(set(tags) - set(NAMES) - OMITTED)
    yield from ((tag, tags[tag]) for tag in others if not tag.startswith("mlflow."))
