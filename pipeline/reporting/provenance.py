"""Where a run came from, as names and values."""

from collections.abc import Iterator

from pipeline.runs.stored_run import Account

Rows = list[tuple[str, str]]

NAMES = {
    "mlflow.user": "user",
    "mlflow.source.name": "program",
    "git.commit": "commit",
    "code.hash": "SHA-256 of the training code",
    "data.md5": "MD5 of data/ (DVC)",
    "dvc.lock": "SHA-256 of dvc.lock",
    "config.hash": "SHA-256 of the settings",
    "model.sha256": "SHA-256 of the model file",
    "output_dir": "folder",
}
LEFT_OUT = {
    "failure",
    "git.dirty",
    "best_run_id",
    "process",
}  # tags that the page shows elsewhere, or say nothing later


def rows(account: Account, lock: str | None = None) -> Rows:
    """What the run's tags and inputs tell; `lock` is the SHA-256 of its dependencies' lock."""
    return list(_rows(account, lock))


def _rows(account: Account, lock: str | None) -> Iterator[tuple[str, str]]:
    tags = account.tags
    for tag, name in NAMES.items():
        if tag in tags:
            dirty = " and changes that were not committed" if tags.get("git.dirty") == "true" else ""
            yield name, tags[tag] + (dirty if tag == "git.commit" else "")
    if lock:
        yield "SHA-256 of requirements.lock", lock
    for data in account.datasets:
        yield f"data for {data.use}" if data.use else "data", f"{data.name}, digest {data.digest}"
    if account.sweep:
        yield "run of its sweep", account.sweep
    others = sorted(set(tags) - set(NAMES) - LEFT_OUT)
    yield from ((tag, tags[tag]) for tag in others if not tag.startswith("mlflow."))
