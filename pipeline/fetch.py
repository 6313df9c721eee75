"""Download the data set's files into downloads/ and verify them, or copy your own.

python -m pipeline.fetch
python -m pipeline.fetch data=digits
python -m pipeline.fetch data=folder data.path=/home/me/letters
"""

from pipeline.core import app
from pipeline.core.config import Config
from pipeline.core.paths import DOWNLOADS
from pipeline.sources import download, own_data


def fetch(config: Config) -> None:
    """Fill downloads/ with the files of `config.data`."""
    bring = own_data.bring if config.data.files is None else download.fetch
    bring(config.data, DOWNLOADS)


if __name__ == "__main__":
    app.run(fetch)
