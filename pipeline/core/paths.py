"""Where the pipeline's files are, whatever folder a command is started from."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"
PARAMS = ROOT / "params.yaml"
DOWNLOADS = ROOT / "downloads"
DATA = ROOT / "data"
DATA_DVC = ROOT / "data.dvc"
DVC_YAML = ROOT / "dvc.yaml"
DVC_LOCK = ROOT / "dvc.lock"
LOCK = ROOT / "requirements.lock"
PREPARED = ROOT / "prepared"
MODELS = ROOT / "models"
REPORTS = ROOT / "reports"


def home() -> Path:
    """The folder of the user's own checkout, where runs are kept.

    `dvc exp run --temp` and `--queue` work in a temporary checkout under `.dvc/tmp/exps/`, which DVC deletes
    afterwards: runs that were kept in it would be lost.
    """
    for parent in ROOT.parents:
        if parent.name == "exps" and parent.parts[-3:-1] == (".dvc", "tmp"):
            return parent.parents[2]
    return ROOT
