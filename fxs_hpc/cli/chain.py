"""Words of the command line -> a chain of commands with their settings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from fxs_hpc.config.commands import COMMANDS, command_named
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.config.settings import Loaded, available, load
from fxs_hpc.errors import UsageError


@dataclass(frozen=True)
class Step:
    """One command and the name of its settings (None: the one of config.ini)."""

    command: str
    name: str | None


def parse(words: Sequence[str], is_name: Callable[[str, str], bool] = lambda command, word: False) -> list[Step]:
    """`CMD NAME [CMD NAME ...]` as steps; a NAME may be left out.

    Parameters
    ----------
    is_name : callable
        Tells whether a word that is also a command is a settings name of the given command.

    Raises
    ------
    UsageError
        If a command is unknown.
    """
    steps, rest = [], list(words)
    while rest:
        command = command_named(rest.pop(0)).name
        named = bool(rest) and (rest[0] not in COMMANDS or is_name(command, rest[0]))
        steps.append(Step(command, rest.pop(0) if named else None))
    return steps


def load_all(words: Sequence[str], config: RunConfig, overrides: Sequence[str] = ()) -> list[Loaded]:
    """Settings of all commands of the chain, so that a mistake in the last shows before the first runs.

    Parameters
    ----------
    overrides : sequence of str
        `KEY=VALUE` or, for one command of several, `COMMAND.KEY=VALUE`.
    """
    steps = parse(words, lambda command, word: word in available(command, config.home))
    if not steps:
        raise UsageError(f"which command? {', '.join(COMMANDS)}; see fxs-hpc fxs --help")
    values = _assigned(overrides, [step.command for step in steps])
    return [load(step.command, _name(step, config), config.home, values[step.command]) for step in steps]


def _name(step: Step, config: RunConfig) -> str:
    name = step.name or config.settings_names.get(step.command)
    if not name:
        known = ", ".join(available(step.command, config.home))
        raise UsageError(
            f"{step.command}: which settings? Give a name ({known}), or write `{step.command} = NAME` under [fxs] in config.ini"
        )
    return name


def _assigned(overrides: Sequence[str], commands: Sequence[str]) -> Mapping[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {command: {} for command in commands}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set {text}: expected KEY=VALUE, for example --set grid.max_order=31")
        first, _, rest = key.strip().partition(".")
        if first in values and rest:
            values[first][rest] = _value(text, value)
        elif len(commands) == 1:
            values[commands[0]][key.strip()] = _value(text, value)
        else:
            raise UsageError(f"--set {text}: with several commands say which one: COMMAND.KEY=VALUE, COMMAND one of {', '.join(commands)}")
    return values


def _value(text: str, value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise UsageError(f"--set {text}: the value is no valid YAML; text with braces wants quotes, ['a/{{latest}}/b.h5']") from None
