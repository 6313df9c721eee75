"""Stage fetch: get the data set's files into downloads/, verified.

python -m pipeline.fetch [data=digits]
"""

from pipeline import app
from pipeline.config import Config
from pipeline.data import fetching, own
from pipeline.paths import DOWNLOADS


def fetch(config: Config) -> None:
    """Fill downloads/ with the files of `config.data`."""
    bring = own.bring if config.data.files is None else fetching.fetch
    bring(config.data, DOWNLOADS)


if __name__ == "__main__":
    app.run(fetch)
