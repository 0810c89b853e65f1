"""`fxs-hpc run`: stages one after another, by what is on disk."""

import os
import subprocess
import sys

import pytest
import tiny
from click.testing import CliRunner

from fxs_hpc.cli.main import main
from fxs_hpc.cluster import child, local
from fxs_hpc.config import ini
from fxs_hpc.errors import InputFileError, UsageError
from fxs_hpc.stages.row import Resources, Standing
from fxs_hpc.stages.table import PIPELINES, chain, chain_of, parents, row_named


class Row:
    """A stage that runs a line of Python, and is done when its output is there."""

    pipeline, launch, summary, resources = "fxs", "serial", "a test", Resources()

    def __init__(self, name, code, reads=(), makes=(), resumable=False):
        self.name, self.code, self.reads, self.makes, self.resumable = name, code, reads, makes, resumable

    def inputs(self, config):
        return tuple(config.home / name for name in self.reads)

    def missing(self, config):
        return tuple(path for path in self.inputs(config) if not path.exists())

    def outputs(self, config):
        return tuple(config.home / name for name in self.makes)

    def standing(self, config):
        made = len(list(config.home.glob("step-*"))) if self.resumable else None
        return Standing(all(path.exists() for path in self.outputs(config)), "", made, 3 if self.resumable else None)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "_command", lambda row, config, say, place: [sys.executable, "-c", row.code])
    monkeypatch.chdir(tmp_path)
    return ini.RunConfig(tmp_path, path=tmp_path / "config.ini")


def touch(name):
    return f"open({name!r}, 'w').close()"


def test_what_is_done_is_left_out(config, tmp_path):
    rows = [Row("a", touch("x"), makes=["x"]), Row("b", touch("y"), ["x"], ["y"])]
    (tmp_path / "x").touch()
    said = []
    local.run(rows, config, said.append)
    assert (tmp_path / "y").exists()
    assert [line for line in said if "done before" in line] == ["  done before: "]


def test_a_failure_stops_the_chain(config, tmp_path):
    rows = [Row("a", "raise SystemExit(3)", makes=["x"]), Row("b", touch("y"), makes=["y"])]
    with pytest.raises(local.StageError, match=r"a failed \(exit status 3\)"):
        local.run(rows, config, print)
    assert not (tmp_path / "y").exists()


def test_success_without_a_result_is_a_failure(config):
    with pytest.raises(local.StageError, match="ended without an error, but .*x is not there"):
        local.run([Row("a", "", makes=["x"])], config, print)


def test_a_missing_input_is_named_before_any_work(config, monkeypatch):
    rows = (Row("a", "", makes=["x"]), Row("b", touch("y"), ["x"], ["y"]))
    monkeypatch.setitem(PIPELINES, "fxs", rows)
    with pytest.raises(InputFileError, match=r"b: .*x is missing; it is made by a: start there \(--from a\)"):
        local.run(rows[1:], config, print)


def test_a_stage_that_stops_before_it_is_done_is_to_be_continued(config):
    row = Row("a", touch("step-1"), makes=["x"], resumable=True)
    with pytest.raises(local.UnfinishedError, match="a: 1 of 3 are done"):
        local.run([row], config, print)
    local.run([row], config, print, local.Place(continued=True))


def test_a_job_that_never_gets_anywhere_is_not_put_back_for_ever(config, monkeypatch):
    monkeypatch.setattr(local, "_early", lambda *arguments: False)
    with pytest.raises(local.StageError, match="none fits into the wall time"):
        local.run([Row("a", "", makes=["x"], resumable=True)], config, print, local.Place(requeue=True))


def test_a_job_that_got_on_goes_back_into_the_queue(config, monkeypatch):
    calls = []
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setattr(local.slurm, "requeue", calls.append)
    monkeypatch.setattr(local, "DEATH_ROW", 0)
    with pytest.raises(local.UnfinishedError):
        local.run([Row("a", touch("step-1"), makes=["x"], resumable=True)], config, print, local.Place(requeue=True))
    assert calls == ["12"]


def test_signals_are_passed_on():
    code = (
        "import os, signal, time; signal.signal(signal.SIGUSR1, lambda *a: exit(7)); "
        "os.kill(os.getppid(), signal.SIGUSR2); time.sleep(20)"
    )
    outcome = child.run([sys.executable, "-c", code], dict(os.environ), gentle=child.TIME_IS_UP[0])
    assert outcome.code == 7 and outcome.time_was_up and not outcome.ended_from_outside


def test_ranges_of_the_table():
    assert [row.name for row in chain("fxs", "extract", "reconstruct")] == ["extract", "reconstruct"]
    for arguments, message in (
        (("fxs", "extrct"), "did you mean 'extract'"),
        (("fxs", "average", "extract"), "average comes after extract"),
    ):
        with pytest.raises(UsageError, match=message):
            chain(*arguments)
    with pytest.raises(UsageError, match="there is no stage"):
        row_named("x")


def test_names_and_files_of_the_table_are_unique(tmp_path):
    names = [row.name for rows in PIPELINES.values() for row in rows]
    assert len(set(names)) == len(names)
    config = tiny.make_home(tmp_path)
    rows = chain_of("fxs", config)
    made_by = {row.name: [parent.name for parent in parents(row, rows, config)] for row in rows}
    assert made_by == {"simulate_ccd": [], "extract": ["simulate_ccd"], "reconstruct": ["extract"], "average": ["reconstruct"]}


def test_commands_without_settings_are_not_in_the_chain(tmp_path):
    config = tiny.make_home(tmp_path)
    del config.settings_names["simulate_ccd"]
    assert [row.name for row in chain_of("fxs", config)] == ["extract", "reconstruct", "average"]
    assert [row.name for row in chain_of("fxs", config, "simulate_ccd", "simulate_ccd")] == ["simulate_ccd"]


def test_the_tiny_chain(tmp_path):
    """Two stages for real, and what is shown of them."""
    tiny.make_home(tmp_path)
    words = [sys.executable, "-m", "fxs_hpc", "run", "fxs", "--to", "extract"]
    first, second = (subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    assert second.stdout.count("done before: results in data/fxs/") == 2
    result = CliRunner().invoke(main, ["status", "fxs", "--config", str(tmp_path / "config.ini")])
    assert result.output.count("done") == 3 and "0 of 3" in result.output, result.output


def test_without_slurm_submit_says_so(tmp_path, monkeypatch):
    tiny.make_home(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = CliRunner().invoke(main, ["submit", "fxs", "--config", str(tmp_path / "config.ini")])
    assert result.exit_code == 1 and "this machine has no SLURM" in result.output
    assert not (tmp_path / "jobs" / "fxs.json").exists()


def test_doctor_says_what_is_missing_and_how_to_mend_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("fxs_hpc.cluster.doctor.LITTLE_SPACE", 1e18)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    for words in ("SLURM: not here", "HDF5 filters: HDF5 ", "missing disk: ", "mend it: fxs-hpc check", "1 of these need mending"):
        assert words in result.output, result.output
