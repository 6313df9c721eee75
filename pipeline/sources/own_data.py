"""User data: copied from data.path into downloads/."""

import logging
import shutil
from pathlib import Path

from filelock import FileLock

from pipeline.core.config import Data
from pipeline.core.errors import UserError
from pipeline.core.paths import expand_home, home
from pipeline.core.text import printable
from pipeline.formats import checks, layouts

log = logging.getLogger(__name__)

MAX_NAMES = 5  # that a warning lists


def fetch(data: Data, folder: Path) -> None:
    """Validate the data at `data.path`, and replace the contents of `folder` by a copy of them.

    Raises:
        UserError: the data are invalid or cannot be copied. The folder is then unchanged.
    """
    assert data.path is not None
    source = (home() / expand_home(data.path)).resolve()
    layout = layouts.detect(source, data.prefix)
    stored = layout.read()
    sets = checks.validate(stored, data, source)
    if stored.unread:
        names = ", ".join(map(printable, stored.unread[:MAX_NAMES])) + (
            ", ..." if len(stored.unread) > MAX_NAMES else ""
        )
        log.warning("not used, as no name of a training, validation or test set: %s in %s", names, source)
    new = folder.with_name(f".{folder.name}.new")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        shutil.rmtree(new, ignore_errors=True)  # a killed process may have left it
        new.mkdir(parents=True)
        try:
            layout.copy(new)
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
        except OSError as error:
            raise UserError(f"{source} cannot be copied to {folder}: {error.strerror}") from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
    validation = f", {len(sets.validation)} validation" if sets.validation else ""
    log.info(
        "copied %d training%s and %d test images from %s", len(sets.training), validation, len(sets.test or ()), source
    )
