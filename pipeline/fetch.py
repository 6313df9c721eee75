"""Download the data set's files into downloads/ and verify them, or copy your own.

python -m pipeline.fetch
python -m pipeline.fetch data=digits
python -m pipeline.fetch data=folder data.path=/home/me/letters
"""

from pipeline.core import app
from pipeline.core.config import Config
from pipeline.core.paths import DOWNLOADS
from pipeline.core.progress import next_stage
from pipeline.sources import download, own_data


def fetch(config: Config) -> None:
    """Fill downloads/ with the files of `config.data`."""
    fetch_data = own_data.fetch if config.data.files is None else download.fetch
    fetch_data(config.data, DOWNLOADS)
    next_stage("dvc repro -s data.dvc")


if __name__ == "__main__":
    app.run(fetch)
