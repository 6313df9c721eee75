"""The shipped conf/ composes, and every wrong value gives a one-line error. No data, no TensorFlow: seconds."""

import copy
import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from pipeline.core import hydra_errors
from pipeline.core.config import (
    Config,
    check_batch_size,
    check_update_patience,
    config_hash,
    flatten,
    keys,
    params,
    resolve,
    unknown_key_message,
)
from pipeline.core.errors import UserError
from pipeline.core.text import MAX_PARAM_LENGTH, redact

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _hydra() -> Iterator[None]:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        yield


def config(*overrides: str) -> Config:
    return resolve(compose("config", overrides=list(overrides)))


def refusal(*overrides: str) -> str:
    """The message for these overrides, or for conf/, which must be wrong."""
    with pytest.raises(
        (UserError, HydraException, OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError)
    ) as caught:
        config(*overrides)
    error = caught.value
    return str(error) if isinstance(error, UserError) else hydra_errors.short_message(error)


def test_conf_has_every_key_of_the_schema() -> None:
    """conf/ is the one place of defaults: it has all keys of the schema, and no others."""
    leaves = {key for key, _ in flatten(config())}
    sections = {key.rpartition(".")[0] for key in leaves}
    parents = {".".join(section.split(".")[:depth]) for section in sections for depth in range(1, 5)}
    assert leaves | parents - {""} == set(keys())


@pytest.mark.parametrize("option", sorted(path.stem for path in (ROOT / "conf/experiment").glob("*.yaml")))
def test_each_experiment_composes(option: str) -> None:
    """A preset that no longer fits the schema would fail only when a user chooses it."""
    assert config(f"experiment={option}")


@pytest.mark.parametrize("option", ["data=fashion_mnist", "data=emnist_letters data.path=own", "tracking=server"])
def test_each_group_option_composes(option: str) -> None:
    """The same for the groups."""
    assert config(*option.split())


@pytest.mark.parametrize("text", ["1e-3", "0.001", "'1e-3'", ".001"])
def test_scientific_notation_is_a_number(text: str) -> None:
    """YAML 1.1 readers take 1e-3 for text."""
    assert config(f"train.learning_rate={text}").train.learning_rate == 0.001


def test_config_hash_covers_what_determines_the_result() -> None:
    """The origin of the data and the store of the runs do not change it; a training setting does."""
    base = config_hash(config())
    assert config_hash(config("tracking=server", "data.sources=[/elsewhere]")) == base
    own = config_hash(config("data=folder", "data.path=here"))
    assert config_hash(config("data=folder", "data.path=there")) == own != base
    assert config_hash(config("train.learning_rate=0.2")) != base
    assert config_hash(config("seed=2")) != base


OPTIONAL = [("data.classes", None), ("data.path", None), ("data.prefix", ""), ("data.split.validation", None)]


WRONG = {int: ("x", 1.5, -1), float: ("x", math.nan), bool: ("maybe",), str: ([1], ""), list: ("x", [])}


def test_every_setting_refuses_values_of_other_types_and_beyond_its_limits() -> None:
    """For every key of conf/: a negative number, nan, an empty text or list, null, and values of another type."""
    composed = compose("config", ["data=fashion_mnist"])
    for key, value in flatten(resolve(composed)):
        for wrong in (*WRONG.get(type(value), ()), None):
            if (key, wrong) in OPTIONAL:
                continue
            with pytest.raises((UserError, OmegaConfBaseException)) as caught:
                resolve(changed(composed, key, wrong))
            error = caught.value
            line = str(error) if isinstance(error, UserError) else hydra_errors.short_message(error)
            assert line.startswith((f"{key}=", f"{key}: ")), line
            assert "\n" not in line


def changed(composed: DictConfig, key: str, value: object) -> DictConfig:
    """A copy with another value."""
    copied = copy.deepcopy(composed)
    OmegaConf.update(copied, key, value)
    return copied


def test_message_for_a_misspelt_setting_suggests_the_right_one() -> None:
    """In every section, sections included."""
    for key in keys():
        assert unknown_key_message(f"{key}x") == f"{key}x is not a setting; did you mean {key}?"
    for typed, key in (("learning_rate", "train.learning_rate"), ("lr", "train.learning_rate"), ("l2", "train.l2")):
        assert unknown_key_message(typed) == f"{typed} is not a setting; did you mean {key}?"


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("data=mnits", "there is no data/mnits (did you mean mnist?): choose from digits, emnist_digits, emnist_"),
        ("train=nope", "there is no train/nope: choose from sgd"),
        ("tracking=nope", "there is no tracking/nope: choose from server, sqlite"),
        ("+sweep=gird", "there is no sweep/gird (did you mean grid?): choose from grid, repeats, search"),
        ("experiment=nope", "there is no experiment/nope: choose from theano_tutorial"),
        ("hydra/launcher=submitit_slurm", "hydra/launcher=submitit_slurm is not installed: pip install -e '.[submi"),
        (
            "hydra/launcher=jobilb",
            "there is no hydra/launcher/jobilb (did you mean joblib?): choose from bank, basic, jo",
        ),
        ("hydra/launcher=rya", "there is no hydra/launcher/rya (did you mean ray?): choose from bank, basic, "),
    ],
)
def test_message_for_an_unknown_option_lists_the_options(choice: str, expected: str) -> None:
    """Presets and launchers too."""
    assert refusal(choice).startswith(expected)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "conf/train/sgd.yaml does not exist: restore it"),
        (b"# caf\xe9\n", "sgd.yaml: 'utf-8' codec can't decode byte 0xe9 in position 5: "),
        (b"epochs: 1\nepochs: 2\n", 'sgd.yaml", line 2, column 1'),
        (b"update_patience:\n\tupdates: 1\n", 'sgd.yaml", line 2, column 1'),
        (b"just text", "(in conf/train/sgd.yaml)"),
    ],
)
def test_conf_file_that_cannot_be_read_is_named(
    content: bytes | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deleted file, Latin-1, a key twice, a tab, a text: each with the file, and the line where there is one."""
    conf = shutil.copytree(ROOT / "conf", tmp_path / "conf")
    monkeypatch.setattr(hydra_errors, "CONF", conf)
    file = conf / "train/sgd.yaml"
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        message = refusal()
    assert expected in message
    assert "\n" not in message


def test_long_param_says_that_it_is_cut() -> None:
    """MLflow would cut it without a mark."""
    value = params(config(f"data.sources=[/{'x' * MAX_PARAM_LENGTH}]"))["data.sources"]
    assert len(value) == MAX_PARAM_LENGTH
    assert value.endswith("... (the whole is in provenance/config.yaml)")


@pytest.mark.parametrize("secret", ["me:secret@", "me@", "me:se@cret@", "me:se/cret@", "me:s/e@c/ret@", ":secret@", ""])
def test_redact_removes_user_and_password(secret: str) -> None:
    """Whatever characters a password has; a port and a path stay."""
    text = "cannot use postgresql://db:5432/mlflow (or sqlite:////a/b:c@d/mlflow.db)"
    assert redact(text.replace("://db", f"://{secret}db")) == text


BAD_VALUES = [
    ("train.batch_size", "0", "at least 1"),
    ("train.learning_rate", "-0.1", "above 0"),
    ("train.learning_rate", "0", "above 0"),
    ("train.learning_rate", "nan", "finite"),
    ("train.learning_rate", "1e400", "finite"),
    ("train.epochs", "0", "at least 1"),
    ("train.patience", "0", "at least 1"),
    ("train.early_stopping", "never", "epochs, updates"),
    ("train.update_patience.improvement", "1.5", "at most 1"),
    ("data.split.validation", "0", "at least 1"),
    ("data.split.validation", "1.5", "a share between 0 and 1"),
    ("data.split.test", "1", "between 0 and 1"),
    ("data.first_label", "-1", "at least 0"),
    ("data.classes", "[a]", "2 to 1000 different names"),
    ("data.classes", "[a,b,a]", "different names"),
    ("data.classes", "[a,{b:c}]", "different names"),
    ("data.sources", "[]", "at least one"),
    ("data.path", "own", "published"),
    ("model.initializer", "ones", "glorot_uniform"),
    ("model.pixel_divisor", "0", "above 0"),
    ("tracking.uri", "''", "an address"),
    ("tracking.weight_images_every", "-1", "at least 0"),
    ("seed", "-1", "0 to"),
    ("data.split.seed", "-1", "0 to"),
    ("data.files.train_images.name", "../x", "without a folder"),
    ("data.files.test_labels.bytes", "0", "at least 1"),
    ("data.files.test_labels.sha256", "abc", "64 digits"),
]


@pytest.mark.parametrize(("key", "value", "allowed"), BAD_VALUES)
def test_impossible_value_is_refused_with_key_value_and_what_is_allowed(key: str, value: str, allowed: str) -> None:
    """Keras would take batch_size=0 silently as 32, and train on with a learning rate of NaN."""
    with pytest.raises(UserError) as refusal:
        config(f"{key}={value}")
    message = str(refusal.value)
    assert message.startswith(f"{key}=")
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("sizes", "named"), [({"training": 63}, "training set has 63"), ({"training": 99, "validation": 10}, "validation")]
)
def test_minibatch_larger_than_a_set_is_refused(sizes: dict[str, int], named: str) -> None:
    """It would silently become one minibatch of another size."""
    settings = config("train.batch_size=64").train
    with pytest.raises(UserError, match=named):
        check_batch_size(settings, **sizes)
    check_batch_size(settings, training=64)


def test_patience_shorter_than_an_epoch_is_refused() -> None:
    """Training would end before anything was validated, with the initial weights for a result."""
    settings = config("train.early_stopping=updates", "train.update_patience.updates=9", "train.batch_size=64").train
    with pytest.raises(UserError, match=r"updates=9 is not allowed: an epoch has 10 updates"):
        check_update_patience(settings, 640)
    check_update_patience(settings, 9 * 64)
