"""What a user types and sees."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from fxs_hpc.cli.main import main
from fxs_hpc.errors import DataError, InputFileError
from fxs_hpc.stages.fxs import running
from fxs_hpc.stages.fxs.context import Plan


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working directory, and no real stages: each notes that it ran."""
    runner = CliRunner()
    assert runner.invoke(main, ["init", str(tmp_path / "work")]).exit_code == 0
    monkeypatch.chdir(tmp_path / "work")
    ran = []

    def stage(command):
        def run(settings, context):
            ran.append((command, settings, context))
            folder = Path.cwd() / "out" / command
            (folder / "vtk").mkdir(parents=True)
            (folder / "a.png").touch()
            (folder / "vtk" / "b.vts").touch()
            return folder

        def plan(settings, context):
            if command == "extract":
                raise InputFileError("no ccd")
            return Plan(3 * 10**9, 10**6, ("one line",))

        return SimpleNamespace(run=run, plan=plan)

    monkeypatch.setattr(running, "stage", stage)
    return SimpleNamespace(call=lambda *words: runner.invoke(main, ["fxs", *words]), ran=ran)


def test_the_chain_of_the_tutorial(work):
    result = work.call("simulate_ccd", "tutorial", "extract", "tutorial", "reconstruct", "tutorial", "average", "tutorial")
    assert result.exit_code == 0, result.output
    assert [command for command, _, _ in work.ran] == ["simulate_ccd", "extract", "reconstruct", "average"]
    assert len({context.workspace.today for _, _, context in work.ran}) == 1
    assert "[2/4] extract" in result.output and "not default: structure_name = tutorial" in result.output
    assert "results in out/average" in result.output
    assert result.output.index("Look at, in out/simulate_ccd:") > result.output.index("results in out/average")
    assert "  a.png" in result.output and "  vtk/b.vts" in result.output


def test_a_dry_run_runs_nothing(work):
    result = work.call("simulate_ccd", "tutorial", "extract", "tutorial", "--dry-run")
    assert result.exit_code == 0 and work.ran == []
    for words in ("one line", "memory 3 GB (free ", "disk 1 MB (free ", "cannot be planned yet: no ccd"):
        assert words in result.output


def test_a_dry_run_that_lacks_its_own_input_fails(work):
    result = work.call("extract", "tutorial", "--dry-run")
    assert result.exit_code == 1 and "error: no ccd" in result.output


def test_resume_and_options_reach_the_stage(work):
    work.call("reconstruct", "tutorial", "--resume", "--set", "grid.max_order=63")
    _, settings, context = work.ran[0]
    assert context.resume and settings.grid.max_order == 63 and context.source.name == "tutorial.yaml"


def test_a_resumed_chain_leaves_out_what_is_done(work, monkeypatch):
    done = {"simulate_ccd": Path.cwd() / "ccd", "extract": Path.cwd() / "invariants"}
    monkeypatch.setattr("fxs_hpc.cli.fxs.finished", lambda command, settings, context: done.get(command))
    result = work.call("simulate_ccd", "demo", "extract", "demo", "reconstruct", "demo", "average", "demo", "--resume")
    assert [(command, context.resume) for command, _, context in work.ran] == [("reconstruct", True), ("average", True)]
    assert result.output.count("done before") == 2


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["simulate_ccd", "demo", "extract", "demo", "--set", "extract.dimensions=4"], 2, "dimensions: found 4"),
        (["extract", "demo", "--full"], 2, "fxs settings COMMAND"),
        (["extract", "demo", "--set", "max_order=x"], 2, "demo.yaml with --set max_order: max_order: found 'x'"),
        (["extrac", "tutorial"], 2, "error: unknown command 'extrac' (did you mean 'extract'?"),
        (["extract", "tutoral"], 2, "did you mean 'tutorial'"),
        ([], 2, "error: which command?"),
        (["settings", "extrat"], 2, "did you mean 'extract'?"),
        (["settings", "extract", "--set", "dimensions=2"], 2, "prints the defaults"),
        (["extract", "tutorial", "--config", "absent.ini"], 2, "fxs-hpc init DIR"),
        (["extract", "tutorial", "--set", "max_ordr=3"], 2, "did you mean 'max_order'?"),
        (["extract", "--nonsense"], 2, "No such option"),
    ],
)
def test_mistakes_end_with_a_sentence_and_a_code(work, words, code, expected):
    result = work.call(*words)
    assert result.exit_code == code and expected in result.output and "Traceback" not in result.output and work.ran == []


@pytest.mark.parametrize(
    ("raised", "code", "expected"),
    [
        (DataError("NaN in C"), 1, "error: NaN in C"),
        (ValueError("odd"), 1, "error: unexpected ValueError: odd"),
        (MemoryError(), 1, "out of memory"),
        (OSError(28, "No space left", "/x/y.h5"), 1, "error: no space is left in /x;"),
        (OSError(28, "Can't write data (filename = '/x/y.h5', errno = 28)"), 1, "error: no space is left in /x;"),
        (PermissionError(13, "Permission denied", "/x/y.h5"), 1, "error: nothing may be written in /x (Permission denied)"),
        (OSError(5, "Input/output error"), 1, "error: unexpected OSError"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_failing_stage_stops_the_chain(work, monkeypatch, raised, code, expected):
    def fail(settings, context):
        raise raised

    stage = running.stage
    monkeypatch.setattr(running, "stage", lambda command: SimpleNamespace(run=fail) if command == "extract" else stage(command))
    result = work.call("simulate_ccd", "demo", "extract", "demo", "reconstruct", "demo")
    assert result.exit_code == code and expected in result.output and "Traceback" not in result.output
    assert [command for command, _, _ in work.ran] == ["simulate_ccd"]


def test_debug_shows_the_traceback(work, monkeypatch):
    monkeypatch.setattr(running, "stage", lambda command: SimpleNamespace(run=lambda settings, context: 1 / 0))
    assert "Traceback" in work.call("extract", "demo", "-v").output


def test_help_lists_the_commands(work):
    text = work.call("--help").output
    for words in ("simulate_ccd", "extract", "reconstruct", "average", "--dry-run", "--resume"):
        assert words in text


def test_settings_are_explained(work):
    short, full = work.call("settings", "reconstruct").output, work.call("settings", "reconstruct", "--full").output
    assert "particle_radius: 150.0" in short and "\nIO:" not in short and "\nIO:" in full


def test_without_a_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["fxs", "extract", "tutorial"])
    assert result.exit_code == 2 and "fxs-hpc init DIR" in result.output


def test_home_dir_must_exist(work):
    config = Path("config.ini")
    config.write_text(config.read_text().replace("home_dir = .", "home_dir = nowhere"))
    result = work.call("extract", "tutorial")
    assert result.exit_code == 2 and "home_dir: there is no folder" in result.output and work.ran == []


def test_more_threads_than_cores_are_not_used(work):
    config = Path("config.ini")
    config.write_text(config.read_text().replace("threads = auto", "threads = 9999"))
    result = work.call("extract", "tutorial")
    assert "note: threads = 9999" in result.output and work.ran[0][2].threads < 9999


def test_python_minus_m(tmp_path):
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "fxs_hpc", "fxs", "extrac"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=60, check=False)
    assert result.returncode == 2 and result.stderr.startswith("error: ")


@pytest.mark.parametrize(
    ("line", "offered"), [("fxs ext", ["extract"]), ("fxs extract tut", ["tutorial"]), ("fxs extract tutorial av", ["average"])]
)
def test_the_shell_completes_commands_and_settings(line, offered):
    words = ["fxs-hpc", *line.split()]
    asked = {"_FXS_HPC_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    answer = CliRunner().invoke(main, prog_name="fxs-hpc", env=asked, catch_exceptions=False)
    assert answer.output.split() == [f"plain,{word}" for word in offered]
