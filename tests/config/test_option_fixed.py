"""Options that have one value: it is accepted, another one is refused, and the message says what to do."""

import pytest

from fxs_hpc.config.commands import COMMANDS
from fxs_hpc.config.settings import build
from fxs_hpc.errors import SettingsError

REQUIRED = {"average": {"reconstruction_files": ["a/data.h5"]}}
WITH_WEIGHTS = ("simulate_ccd", "extract", "reconstruct", "average")


def nested(key, value):
    """The tree in which the dotted `key` has this value."""
    for name in reversed(key.split(".")):
        value = {name: value}
    return value


@pytest.mark.parametrize("command", COMMANDS)
def test_there_is_one_version_of_the_settings(command):
    required = REQUIRED.get(command, {})
    for version in (0.01, "0.01"):
        build(command, {"settings_version": version, **required})
    with pytest.raises(SettingsError, match=r"settings_version: .*only version 0\.01 exists"):
        build(command, {"settings_version": 0.02, **required})


@pytest.mark.parametrize("entry", ["name", "folder"])
@pytest.mark.parametrize("command", WITH_WEIGHTS)
def test_there_are_no_files_of_weights(command, entry):
    with pytest.raises(SettingsError, match=r"IO\.files\.ft_weights: .*weights are computed"):
        build(command, {**REQUIRED.get(command, {}), **nested(f"IO.files.ft_weights.{entry}", "data")})


@pytest.mark.parametrize("command", ["simulate_ccd", "extract", "reconstruct"])
def test_weights_are_always_computed(command):
    with pytest.raises(SettingsError, match=r"allow_weight_calculation: .*weights are always computed"):
        build(command, nested("fourier_transform.allow_weight_calculation", False))


def test_starts_are_random():
    assert build("reconstruct", nested("density_guess.amplitude_function", "random"))[0].density_guess.amplitude_function == "random"
    with pytest.raises(SettingsError, match="amplitude_function: found 'ones', allowed is 'random'"):
        build("reconstruct", nested("density_guess.amplitude_function", "ones"))
