"""Composes the jobs of a sweep as Hydra does, in a fraction of the time."""

import copy
import itertools
from collections.abc import Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf


class JobComposer:
    """Composes jobs from the configuration of the sweep's command.

    Hydra reads all of conf/ again for each job. Here, jobs that choose the same files of conf/ share a template that
    Hydra composes once, and each job gets its values. A job with any other override (`+`, `~`, a package or a setting
    of Hydra) is composed by Hydra itself, which reports what it refuses.
    """

    def __init__(self, loader: ConfigLoader, command: DictConfig) -> None:
        """`command` is the configuration of the sweep's command, with Hydra's section."""
        assert isinstance(loader, ConfigLoaderImpl)
        self.loader = loader
        self.command = command
        self.parser = OverridesParser.create(config_loader=loader)
        self.templates: dict[tuple[str, ...], DictConfig] = {}  # by the overrides that choose files

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration of a job, with Hydra's section: that of Hydra's `load_sweep_config`.

        Raises:
            HydraException: an override is wrong.
        """
        parsed = self.parser.parse_overrides(list(overrides))
        is_group = [self.loader.repository.group_exists(override.key_or_group) for override in parsed]
        choices = list(itertools.compress(parsed, is_group))
        values = [override for override, group in zip(parsed, is_group, strict=True) if not group]
        if not (all(map(_chooses_a_file, choices)) and all(map(_changes_a_value, values))):
            return self.loader.load_sweep_config(self.command, list(overrides))
        words = tuple(str(choice.input_line) for choice in choices)
        if words not in self.templates:
            self.templates[words] = self.loader.load_sweep_config(self.command, list(words))
        config = copy.deepcopy(self.templates[words])
        ConfigLoaderImpl._apply_overrides_to_config(values, config)  # noqa: SLF001 - what load_sweep_config calls
        config.hydra.overrides.task = [override.input_line for override in parsed]
        form = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            parsed, kv_sep=form.kv_sep, item_sep=form.item_sep, exclude_keys=form.exclude_keys
        )
        OmegaConf.copy_cache(from_config=self.command, to_config=config)
        return config


def _chooses_a_file(override: Override) -> bool:
    return override.type == OverrideType.CHANGE and override.package is None and isinstance(override.value(), str)


def _changes_a_value(override: Override) -> bool:
    return (
        override.type == OverrideType.CHANGE
        and override.package is None
        and not override.is_hydra_override()
        and not override.is_sweep_override()
    )
