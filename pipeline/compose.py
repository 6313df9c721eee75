"""Write the configuration of conf/ into params.yaml, where DVC watches its values.

python -m pipeline.compose
python -m pipeline.compose --cfg job
python -m pipeline.compose --cfg job experiment=theano_tutorial

With --cfg job the configuration is printed, and nothing is written.
"""

import dataclasses
import hashlib

from omegaconf import OmegaConf
from yaml import YAMLError

from pipeline.core import app
from pipeline.core.atomic import write_text
from pipeline.core.config import Config
from pipeline.core.errors import UserError
from pipeline.core.job_context import JobContext
from pipeline.core.paths import PARAMS
from pipeline.core.progress import next_stage
from pipeline.core.text import redact

HEADER = """\
# Written by `python -m pipeline.compose` from conf/: change settings there, not here.
# SHA-256 of the lines below: {digest}
"""


def compose(config: Config) -> None:
    """Write params.yaml.

    Raises:
        UserError: it has edits, which would be lost.
    """
    # Redacted, because Git stores the file and dvc.lock its values. Nothing else reads it.
    values = redact(OmegaConf.to_yaml(dataclasses.asdict(config)))
    if PARAMS.is_file() and _edited(PARAMS.read_bytes(), values):
        raise UserError(
            f"{PARAMS} was changed by hand or by `dvc exp run -S KEY=VALUE`, but is written from conf/: change conf/, "
            "as `dvc exp run -S conf/settings.yaml:train.learning_rate=0.2` does, and delete params.yaml"
        )
    write_text(PARAMS, HEADER.format(digest=_digest(values)) + values)
    if not JobContext.from_hydra().overrides:  # `dvc repro` would replace what they have changed
        next_stage("dvc repro")


def _edited(content: bytes, composed: str) -> bool:
    """Whether the values neither match the digest in the header nor equal the ones that are to be written."""
    try:
        text = content.decode()
        values = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
        return _digest(values) not in text and OmegaConf.create(values) != OmegaConf.create(composed)
    except (YAMLError, UnicodeDecodeError):  # for example a merge conflict, or an editor that saves Latin-1
        return True


def _digest(values: str) -> str:
    return hashlib.sha256(values.encode()).hexdigest()


if __name__ == "__main__":
    app.run(compose)
