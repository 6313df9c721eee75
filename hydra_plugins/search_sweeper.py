"""Hydra instantiates sweepers from this namespace package only; the sweeper is in pipeline/sweep/search.py."""

from pipeline.sweep import search


class SearchSweeper(search.SearchSweeper):
    """That of +sweep=search."""
