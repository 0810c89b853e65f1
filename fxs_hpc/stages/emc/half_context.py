"""Running stages for one half of the frames."""

from dataclasses import replace

from fxs_hpc.config import ini
from fxs_hpc.config.emc.halves import HALVES, KEYS, half_config_name
from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.parallel.communicator import first
from fxs_hpc.stages.emc.context import Context


def half_config(run: RunConfig, half: str) -> EmcConfig:
    """The keys of half A or B: those of `run`, with changes by `--set`, but for the files that the half has of its own."""
    name = run.path.with_name(half_config_name(run.path.name, half)) if run.path else run.home / half_config_name(ini.FILE_NAME, half)
    own = ini.load(name)
    return EmcConfig(replace(own, emc={**run.emc, **{key: own.emc[key] for key in KEYS if key in own.emc}}))


def of_half(context: Context, half: str) -> Context:
    """`context` with the keys of half A or B."""
    return replace(context, config=first(context.ranks, lambda: half_config(context.config.run, half)))


def split_before(run: RunConfig) -> bool:
    """Whether split-data has made the configs of both halves."""
    return run.path is not None and all(run.path.with_name(half_config_name(run.path.name, half)).exists() for half in HALVES)
