"""The scripts under the reference program's names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fxs_hpc.cli.launcher import arguments
from fxs_hpc.stages.working_directory import create


@pytest.fixture
def home(tmp_path):
    create(tmp_path)
    return tmp_path


def test_the_documents_commands_reach_their_stages(home):
    for folder, command in (("aux", [sys.executable, "init-phi.py"]), ("make-detector", ["./det.o", "../config.ini"])):
        (home / "config.ini").write_text("home_dir = .\nwl = 1\n")
        result = subprocess.run(command, cwd=home / folder, capture_output=True, text=True, check=False)
        assert result.returncode == 2 and f"{home / 'config.ini'}: the key Rstop is missing" in result.stderr.replace(
            "../config.ini", str(home / "config.ini")
        )


def test_make_has_nothing_to_do(home):
    assert subprocess.run(["make"], cwd=home / "orient-peak", capture_output=True, check=False).returncode == 0


def test_a_python_without_the_package_hands_over(home, tmp_path):
    code = (home / "aux" / "init-phi.py").read_text()
    assert os.access(home / "aux" / "init-phi.py", os.X_OK)
    blocked = tmp_path / "blocked" / "fxs_hpc"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError\n")
    (home / "aux" / "init-phi.py").write_text(code.replace("os.execv(", "print('handed over to',"))
    result = subprocess.run(
        [sys.executable, "init-phi.py"],
        cwd=home / "aux",
        env={**os.environ, "PYTHONPATH": str(blocked.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"handed over to {sys.executable}" in result.stdout


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["../config.ini", "20"], ["../config.ini", "20"]),
        (["-intens", "../config.ini", "20"], ["../config.ini", "--intens", "20"]),
        (["-low", "../config-A.ini"], ["../config-A.ini"]),
        (["70"], ["/w/config.ini", "70"]),
        ([], ["/w/config.ini"]),
    ],
)
def test_the_references_command_line(given, expected):
    assert arguments(given, Path("/w/config.ini")) == expected
