"""Words of the command line."""

import pytest

from fxs_hpc.cli.chain import Step, load_all, parse
from fxs_hpc.config.ini import RunConfig
from fxs_hpc.errors import SettingsError, UsageError


def test_names_may_be_left_out():
    assert parse(["extract", "a", "reconstruct", "average", "b"]) == [Step("extract", "a"), Step("reconstruct", None), Step("average", "b")]


def test_a_settings_name_may_be_a_command():
    assert parse(["extract", "average"], lambda command, word: True) == [Step("extract", "average")]


def test_unknown_commands():
    with pytest.raises(UsageError, match="did you mean 'extract'"):
        parse(["extrac", "tutorial"])
    with pytest.raises(UsageError, match="did you mean 'correlate'"):
        parse(["correlat", "tutorial"])


def test_names_come_from_config_ini(tmp_path):
    config = RunConfig(tmp_path, settings_names={"extract": "demo"})
    assert load_all(["extract"], config)[0].model.structure_name == "demo"
    with pytest.raises(UsageError, match="average: which settings"):
        load_all(["average"], config)


def test_a_mistake_in_the_last_stops_before_the_first(tmp_path):
    with pytest.raises(SettingsError, match="no settings called 'tutoral'"):
        load_all(["extract", "tutorial", "average", "tutoral"], RunConfig(tmp_path))


def test_single_settings_can_be_set(tmp_path):
    config = RunConfig(tmp_path)
    assert load_all(["extract", "demo"], config, ["max_order=5"])[0].model.max_order == 5
    chain = load_all(["extract", "demo", "average", "demo"], config, ["extract.max_order=6", "average.selection={error_limit: 1e-2}"])
    assert chain[0].model.max_order == 6 and chain[1].model.selection.error_limit == 0.01
    for wrong in (["max_order=5"], ["max_order"]):
        with pytest.raises(UsageError, match="--set"):
            load_all(["extract", "demo", "average", "demo"], config, wrong)
