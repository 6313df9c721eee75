"""A tilde is the home folder wherever a user types a path."""

from pathlib import Path

import pytest

from pipeline.core.config import Tracking
from pipeline.core.paths import expand_home
from pipeline.sources import mirrors
from pipeline.tracking import store
from tests.support.drawn import draw
from tests.support.own import npz
from tests.support.project import Project


@pytest.mark.parametrize(
    ("word", "expanded"),
    [
        ("~/x.png", "/home/me/x.png"),
        ("--show=~/x.png", "--show=/home/me/x.png"),
        ("data.path=~/a,~/b", "data.path=/home/me/a,/home/me/b"),
        ("data.sources=[~/a,~]", "data.sources=[/home/me/a,/home/me]"),
        ("data.path='~/my own'", "data.path='/home/me/my own'"),
        ("tracking.uri=sqlite:///~/runs.db", "tracking.uri=sqlite:////home/me/runs.db"),
        ("~train.l2", "~train.l2"),  # Hydra deletes the key
        ("data.sources=[http://host/~me/mnist]", "data.sources=[http://host/~me/mnist]"),
        ("data.path=a~/b", "data.path=a~/b"),
        ("data.path=~nobody-has-this-name/b", "data.path=~nobody-has-this-name/b"),
    ],
)
def test_tilde_is_expanded_where_a_path_begins(word: str, expanded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nowhere else: names and URLs may have tildes, too."""
    monkeypatch.setenv("HOME", "/home/me")
    assert expand_home(word) == expanded


def test_settings_in_conf_may_have_a_tilde(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only those of the command line; so may MLFLOW_TRACKING_URI."""
    monkeypatch.setenv("HOME", "/home/me")
    source = mirrors.create_source("~/mnist")
    assert isinstance(source, mirrors.Folder)
    assert source.folder == Path("/home/me/mnist")
    assert store.uri(Tracking("sqlite:///~/runs.db", "x")) == "sqlite:////home/me/runs.db"
    monkeypatch.setattr(store, "ENVIRONMENT_URI", "sqlite:///~/other.db")
    assert store.uri(Tracking("sqlite:///~/runs.db", "x")) == "sqlite:////home/me/other.db"


def test_each_command_expands_a_tilde(changeable: Project, tmp_path: Path) -> None:
    """Options and settings, of stages and of commands about runs. No folder is named ~."""
    me = tmp_path / "me"
    me.mkdir()
    (me / "own.npz").write_bytes(npz())
    draw(7, "plain", "thin").save(me / "7.png")
    changeable.copy(me / "project")
    for command in (
        ["train", "train.epochs=1", "hydra.run.dir=~/run", "tracking.uri=sqlite:///~/runs.db"],
        ["fetch", "data=folder", "data.path=~/own.npz"],
        ["predict", "--model=~/project/models", "--show=~/seen.png", "~/7.png"],
    ):
        done = changeable.stage(*command, HOME=str(me))
        assert done.returncode == 0, done.stderr
    assert {path.name for path in me.iterdir()} >= {"run", "runs.db", "seen.png"}
    assert (changeable.folder / "downloads/data.npz").is_file()
    assert not list(changeable.folder.rglob("~*"))
