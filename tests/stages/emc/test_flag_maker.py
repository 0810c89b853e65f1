"""low-res-emc, local-update and the halves keep out of each other's results in prob_dir."""

import shutil

import pytest
from small_reconstruction import context, make

from fxs_hpc.config.emc.keys import EmcConfig
from fxs_hpc.errors import UsageError
from fxs_hpc.files.emc import emc_state
from fxs_hpc.stages.emc import (
    local_update,
    low_res_emc,
    move_high_recon_files,
    move_recon_files,
    setup_ematrix,
    setup_intens,
    setup_quat,
)
from fxs_hpc.stages.emc.flag_folder import flag_folders
from fxs_hpc.stages.emc.flag_maker import others


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A low-resolution run of two iterations."""
    home = tmp_path_factory.mktemp("low")
    make(home)
    low_res_emc.run(context(home), 2)
    return home


@pytest.fixture(scope="module")
def high(begun, tmp_path_factory):
    """The low-resolution run put away, and two flags of local-update."""
    home = tmp_path_factory.mktemp("high") / "work"
    shutil.copytree(begun, home)
    (home / "config.ini").write_text((home / "config.ini").read_text().replace(str(begun), str(home)))
    scale = (home / "aux/start-phi.dat").read_bytes()
    move_recon_files.run(context(home))
    (home / "aux/start-phi.dat").write_bytes(scale)
    for stage in (setup_quat, setup_intens, setup_ematrix):
        stage.run(context(home))
    local_update.run(context(home), 2)
    return home


def flags(home):
    return list(flag_folders(home / "Data/high-prob"))


def test_every_state_names_its_maker(begun, high):
    for home, stage in ((begun, "low-res-emc"), (high, "local-update")):
        keys = emc_state.read(home / "Data/high-prob/iter_flag-2/state.h5").keys
        assert keys["stage"] == stage and keys["half"] is None
        assert others(home / "Data/high-prob", stage, None) == {}
        assert set(others(home / "Data/high-prob", stage, "A")) == set(flags(home))


def test_local_update_refuses_flags_of_low_res_emc(begun, high, tmp_path):
    home = tmp_path / "work"
    shutil.copytree(high, home)
    (home / "config.ini").write_text((home / "config.ini").read_text().replace(str(high), str(home)))
    shutil.rmtree(home / "Data/high-prob")
    shutil.copytree(begun / "Data/high-prob", home / "Data/high-prob")
    for resume in (False, True):
        with pytest.raises(UsageError, match=r"iter_flag-4 was made by low-res-emc of all frames, not by local-.*emc move-recon-files"):
            local_update.run(context(home), 3, resume=resume)
    with pytest.raises(UsageError, match="made by low-res-emc"):
        move_high_recon_files.run(context(home))
    assert flags(home) == [1, 2, 3, 4]


def test_low_res_emc_refuses_flags_of_local_update(high):
    for resume in (False, True):
        with pytest.raises(UsageError, match=r"iter_flag-2 was made by local-update.*emc move-high-recon-files config.ini"):
            low_res_emc.run(context(high), 3, resume=resume)
    with pytest.raises(UsageError, match="made by local-update"):
        move_recon_files.run(context(high))
    assert flags(high) == [1, 2]


def test_standing_of_low_res_emc_is_that_of_its_own_flags(begun, high):
    own = low_res_emc.standing(context(begun, low_res_iterations=2).config)
    assert own.done and own.words == "iter_flag-4" and own.made == 2
    put_away = low_res_emc.standing(context(high, low_res_iterations=2).config)
    assert put_away.done and put_away.words == "iter_flag-4"
    assert move_recon_files.standing(context(high).config).words == "low-res-recon-0"
    assert not move_recon_files.standing(context(begun).config).done


def test_standing_where_only_the_other_engine_has_run(high, tmp_path):
    home = tmp_path / "work"
    shutil.copytree(high, home)
    (home / "config.ini").write_text((home / "config.ini").read_text().replace(str(high), str(home)))
    shutil.rmtree(home / "Data/high-prob/low-res-recon-0")
    assert low_res_emc.standing(context(home).config).words == "not begun"
    assert not move_recon_files.standing(context(home).config).done


def test_a_half_refuses_flags_of_all_frames(begun, tmp_path):
    home = tmp_path / "work"
    shutil.copytree(begun, home)
    text = (home / "config.ini").read_text().replace(str(begun), str(home))
    (home / "config-A.ini").write_text(text)
    (home / "config.ini").unlink()
    made = context(home, name="config-A.ini")
    assert isinstance(made.config, EmcConfig)
    with pytest.raises(UsageError, match=r"low-res-emc of all frames, not by low-res-emc of half A.*move-recon-files config.ini"):
        low_res_emc.run(made, 3, resume=True)
    assert low_res_emc.standing(made.config).words == "not begun"


def test_flags_of_another_program_count_for_whoever_asks(high):
    folder = high / "Data/high-prob/iter_flag-9"
    folder.mkdir()
    assert 9 not in others(high / "Data/high-prob", "low-res-emc", None)
    folder.rmdir()
