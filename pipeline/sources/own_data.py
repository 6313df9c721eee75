"""Data of one's own: from where they are kept into downloads/."""

import logging
import shutil
from pathlib import Path

from filelock import FileLock

from pipeline.core.config import Data
from pipeline.core.errors import UserError
from pipeline.core.paths import home
from pipeline.formats import checks, layouts

log = logging.getLogger(__name__)


def bring(data: Data, folder: Path) -> None:
    """Leave exactly the data at `data.path` in `folder`, once they are known to be sound.

    Raises:
        UserError: they are not; the folder is as it was.
    """
    assert data.path is not None
    source = (home() / Path(data.path).expanduser()).resolve()
    layout = layouts.find(source, data.prefix)
    sets = checks.checked(layout.read(), data, source)
    new = folder.with_name(f".{folder.name}.new")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        shutil.rmtree(new, ignore_errors=True)  # of a process that was killed
        new.mkdir(parents=True)
        try:
            layout.copy(new)
            shutil.rmtree(folder, ignore_errors=True)
            new.rename(folder)
        except OSError as error:
            raise UserError(f"{source} cannot be copied to {folder}: {error.strerror}") from error
        finally:
            shutil.rmtree(new, ignore_errors=True)
    log.info("copied %d training and %d test images from %s", len(sets.training), len(sets.test or ()), source)
