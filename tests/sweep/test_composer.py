"""A job that is composed from a template is the one that Hydra composes."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

import pipeline.core.config  # noqa: F401 - registers the schema and the resolvers of conf/
from pipeline.core.paths import CONF
from pipeline.sweep.composer import JobComposer

COMMAND = ["hydra.sweep.dir=swept", "sweep.on_failure=stop"]
GROUPS = {
    "data": ["mnist", "digits"],
    "experiment": ["theano_tutorial"],
    "tracking": ["sqlite"],
    "train": ["sgd"],
}
VALUES = {
    "train.learning_rate": ["0.1", "1", "1e-3", "1e38"],
    "train.batch_size": ["32", "${train.epochs}"],
    "train.epochs": ["3", "0x10"],
    "train.shuffle": ["true", "no"],
    "train.update_patience": ["{updates:3,increase:4}"],
    "data.name": ["'a b'", "\u00e9t\u00e9", QuotedString("it's = [x, y]", Quote.single).with_quotes()],
    "data.path": ["null", "/home/x"],
    "data.sources": ["[a,b]", "[]"],
    "model.seed": ["${seed}", "7"],
    "tracking.experiment": ["${data.name}-x"],
    "sweep.rerun": ["true"],
}
OTHERS = [
    "+train.more=1",
    "++train.epochs=4",
    "~train.l2",
    "~experiment",
    "train={l2:0.5}",
    "hydra.job.chdir=false",
    "+hydra.job.env_set.A=b",
    "experiment@other=theano_tutorial",
    "data=[mnist,digits]",
]
REFUSED = [
    "train.epoch=3",
    "data=nope",
    "train.epochs=many",
    "train.epochs=1,2",
    "train.l2=[",
    "~train.nothing",
    "experiment=null",
]


@pytest.fixture(scope="module")
def composer() -> Iterator[JobComposer]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        hydra = GlobalHydra.instance().hydra
        assert hydra is not None
        loader = hydra.config_loader
        yield JobComposer(loader, loader.load_configuration("config", COMMAND, RunMode.MULTIRUN))


def described(config: DictConfig) -> tuple[object, ...]:
    """Everything of a configuration that Hydra, its files and our schema can see."""
    nodes: list[object] = []

    def visit(node: DictConfig) -> None:
        flags = {flag: node._get_flag(flag) for flag in ("struct", "readonly")}
        nodes.append((str(node._get_full_key(None)), OmegaConf.get_type(node), flags))
        for key in node:
            child = node._get_node(key)
            if isinstance(child, DictConfig) and not (child._is_none() or child._is_missing()):
                visit(child)

    visit(config)
    return OmegaConf.to_yaml(config), nodes, OmegaConf.get_cache(config)


def assert_equal(composer: JobComposer, overrides: Sequence[str]) -> None:
    expected = composer.loader.load_sweep_config(composer.command, list(overrides))
    assert described(composer.compose(overrides)) == described(expected), overrides


def test_random_overrides_give_what_hydra_composes(composer: JobComposer) -> None:
    """Fifty jobs: values of every kind, files of groups, and what only Hydra composes, in any order."""
    random = np.random.default_rng(1)
    for _ in range(50):
        chosen = [*random.choice(sorted(VALUES), 4, replace=False), random.choice(sorted(GROUPS))]
        words = [f"{key}={random.choice((VALUES | GROUPS)[key])}" for key in chosen]
        words += [str(random.choice(OTHERS))] if random.random() < 0.2 else []
        random.shuffle(words)
        try:
            composer.loader.load_sweep_config(composer.command, words)
        except HydraException as error:
            with pytest.raises(type(error), match=f"^{re.escape(str(error))}$"):
                composer.compose(words)
        else:
            assert_equal(composer, words)


@pytest.mark.parametrize("word", [f"{group}={name}" for group, names in GROUPS.items() for name in names])
def test_every_preset_gives_what_hydra_composes(composer: JobComposer, word: str) -> None:
    """Also the second time, from the template."""
    for overrides in ([word], [word, "train.epochs=3"], ["train.epochs=4", word], ["train.epochs=3", "train.epochs=4"]):
        assert_equal(composer, overrides)


@pytest.mark.parametrize("word", REFUSED)
def test_refused_overrides_are_refused_as_by_hydra(composer: JobComposer, word: str) -> None:
    """With the same words."""
    with pytest.raises((HydraException, ValueError)) as expected:
        composer.loader.load_sweep_config(composer.command, [word])
    with pytest.raises(type(expected.value), match=f"^{re.escape(str(expected.value))}$"):
        composer.compose([word])


def test_jobs_share_nothing(composer: JobComposer) -> None:
    """A job that changes its configuration leaves the template and the other jobs as they are."""
    first, second = (composer.compose(["train.epochs=3"]) for _ in range(2))
    with open_dict(first):
        first.hydra.job.num = 7
        first.train.l2 = 0.5
    assert described(second) == described(composer.compose(["train.epochs=3"]))
