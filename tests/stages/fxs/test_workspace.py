"""Folders, run numbers, links, inputs."""

from datetime import UTC, datetime

import pytest

from fxs_hpc.config.settings import build
from fxs_hpc.errors import InputFileError, SettingsError
from fxs_hpc.stages.fxs.workspace import Workspace, date_of, prefixed

AVERAGE = {"structure_name": "x", "reconstruction_files": ["a"]}


def workspace(command, tmp_path, tree=None, **settings):
    return Workspace.of(tmp_path, build(command, {**settings, **(tree or {})})[0], today="1_7_2023")


def test_dates_are_not_padded():
    assert date_of(datetime(2023, 7, 1, tzinfo=UTC)) == "1_7_2023"


def test_the_prefix_is_not_put_on_twice():
    assert prefixed("tutorial", 3) == prefixed("3d_tutorial", 3) == "3d_tutorial"
    assert prefixed("3d_x", 2) == "2d_3d_x"


@pytest.mark.parametrize("name", ["tutorial", "3d_tutorial"])
def test_results_lie_where_the_tutorial_says(tmp_path, name):
    simulate = workspace("simulate_ccd", tmp_path, structure_name=name)
    assert simulate.file("ccd", run=0) == tmp_path / "data/fxs/ccd/archive/3d_tutorial/1_7_2023/run_0/ccd.h5"
    assert simulate.file("ccd_symlink") == tmp_path / "data/fxs/ccd/3d_tutorial.h5"
    extract = workspace("extract", tmp_path, structure_name=name)
    assert extract.file("invariants", run=2) == tmp_path / "data/fxs/invariants/archive/3d_tutorial/1_7_2023/run_2/proj_data.h5"
    assert extract.file("invariant_symlink") == tmp_path / "data/fxs/invariants/3d_tutorial.h5"
    reconstruct = workspace("reconstruct", tmp_path, structure_name=name)
    assert reconstruct.file("invariants") == tmp_path / "data/fxs/invariants/3d_tutorial.h5"
    assert reconstruct.file("real_vtk", run=0, reconstruction=7) == (
        tmp_path / "data/fxs/reconstructions/3d_tutorial/1_7_2023/run_0/vtk/real_7.vts"
    )
    average = workspace("average", tmp_path, {**AVERAGE, "structure_name": name})
    assert average.file("average_results", run=0, dimensions=3) == (
        tmp_path / "data/fxs/averages/3d_tutorial/1_7_2023/run_0/average_results.h5"
    )


def test_folders_of_the_user(tmp_path):
    tree = {"IO": {"folders": {"ccd": "/big/{structure_name}/"}}}
    assert str(workspace("simulate_ccd", tmp_path, tree, structure_name="x").file("ccd_symlink")) == "/big/x/3d_x.h5"
    tree = {"IO": {"folders": {"base": {"command": "xframe_opt.IO.folders.home + 'deep/'"}}}}
    assert workspace("extract", tmp_path, tree).file("ccd").parent == tmp_path / "deep/data/fxs/ccd"


def test_a_missing_placeholder_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match=r"\{run\}"):
        workspace("simulate_ccd", tmp_path).folder("ccd_archive")
    with pytest.raises(SettingsError, match="did you mean 'ccd_archive'"):
        workspace("simulate_ccd", tmp_path).folder("ccd_archve", run=0)


def test_the_next_run_is_the_first_without_results(tmp_path):
    space = workspace("simulate_ccd", tmp_path)
    assert space.next_run("ccd_archive") == 0
    folder = space.folder("ccd_archive", run=0)
    folder.mkdir(parents=True)
    assert space.next_run("ccd_archive") == 0
    (folder / "ccd.h5").touch()
    assert space.next_run("ccd_archive") == 1
    assert space.last_run("ccd_archive") == 0


def test_links_are_relative_and_replaced(tmp_path):
    space = workspace("simulate_ccd", tmp_path)
    link = space.file("ccd_symlink")
    for run in (0, 1):
        target = space.file("ccd", run=run)
        target.parent.mkdir(parents=True)
        target.write_text(str(run))
        space.link(target, link)
        assert link.read_text() == str(run)
    assert str(link.readlink()) == "archive/3d_default/1_7_2023/run_1/ccd.h5"
    assert [path.name for path in link.parent.iterdir() if path.name.startswith(".")] == []
    link.unlink()
    link.write_text("mine")
    with pytest.raises(InputFileError, match="is a file and no link"):
        space.link(target, link)


def test_inputs_are_found_with_and_without_the_prefix(tmp_path):
    folder = tmp_path / "data/fxs/ccd"
    folder.mkdir(parents=True)
    (folder / "tutorial.h5").touch()
    given = {"IO": {"files": {"ccd": {"name": "3d_tutorial.h5"}}}}
    assert workspace("extract", tmp_path, given).find("ccd").name == "tutorial.h5"
    (folder / "3d_tutorial.h5").touch()
    assert workspace("extract", tmp_path, given).find("ccd").name == "3d_tutorial.h5"
    bare = {"IO": {"files": {"ccd": {"name": "tutorial.h5"}}}}
    assert workspace("extract", tmp_path, bare).find("ccd").name == "tutorial.h5"


def test_an_absent_input_says_what_was_tried_and_what_is_there(tmp_path):
    folder = tmp_path / "data/fxs/ccd"
    folder.mkdir(parents=True)
    (folder / "3d_tutorials.h5").touch()
    with pytest.raises(InputFileError) as caught:
        workspace("extract", tmp_path).find("ccd")
    for words in (str(folder / "3d_tutorial.h5"), str(folder / "tutorial.h5"), "did you mean '3d_tutorials.h5'"):
        assert words in str(caught.value)


def test_reconstruction_files(tmp_path):
    space = workspace("average", tmp_path, AVERAGE)
    folder = tmp_path / "data/fxs/reconstructions/3d_x"
    with pytest.raises(InputFileError, match="no such file"):
        space.paths("reconstructions", ["3d_x/{latest}/data.h5"])
    for name in ("30_6_2023/run_0", "1_7_2023/run_0", "1_7_2023/run_1"):
        (folder / name).mkdir(parents=True)
        (folder / name / "data.h5").touch()
    entries = ["3d_x/{today}/run_0/data.h5", "3d_x/{latest}/data.h5", str(folder / "30_6_2023/run_0/data.h5")]
    assert space.paths("reconstructions", entries) == tuple(
        folder / name / "data.h5" for name in ("1_7_2023/run_0", "1_7_2023/run_1", "30_6_2023/run_0")
    )
    with pytest.raises(InputFileError, match="the newest one there is 3d_x/1_7_2023/run_1/data.h5"):
        space.paths("reconstructions", ["3d_x/{today}/run_7/data.h5"])
