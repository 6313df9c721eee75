"""Stage fetch: get the data set's published files into downloads/, verified.

python -m pipeline.fetch [data=digits]
"""

from pipeline import app
from pipeline.config import Config
from pipeline.data import fetching
from pipeline.paths import DOWNLOADS


def fetch(config: Config) -> None:
    """Fill downloads/ with the files of `config.data`."""
    fetching.fetch(config.data, DOWNLOADS)


if __name__ == "__main__":
    app.run(fetch)
