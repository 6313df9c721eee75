"""The paths of the pipeline's files, whatever the working folder."""

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
    """The user's checkout, where runs are stored.

    `dvc exp run --temp` and `--queue` use a temporary checkout in `.dvc/tmp/exps/`. DVC deletes it afterwards, and
    runs in it would be lost.
    """
    for parent in ROOT.parents:
        if parent.name == "exps" and parent.parts[-3:-1] == (".dvc", "tmp"):
            return parent.parents[2]
    return ROOT
