"""Compiled code on disk is used again, and not after what it is made of has changed."""

import subprocess
import sys
from pathlib import Path

import pytest

PIECE = """from fxs_hpc.emc.compiled import piece


@piece
def more(x):
    return x + {step}
"""
KERNEL = """from fxs_hpc.emc.compiled import {decorator}
from pieces import more


@{decorator}
def twice(x):
    return more(more(x))


print(twice(1.5), sum(twice.stats.cache_hits.values()))
"""


@pytest.mark.parametrize("decorator", ["kernel", "reordered"])
def test_a_changed_piece_in_another_file_is_compiled_again(tmp_path, decorator):
    (tmp_path / "use.py").write_text(KERNEL.format(decorator=decorator))

    def run(step: int) -> str:
        (tmp_path / "pieces.py").write_text(PIECE.format(step=step))
        # Python's own cache tells versions of a file apart by second and size only.
        paths = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}", "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [sys.executable, "-c", "import use"], capture_output=True, text=True, env=paths, cwd=tmp_path, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert run(1) == "3.5 0"
    assert run(1) == "3.5 1"
    assert run(2) == "5.5 0"
    assert list((tmp_path / "__pycache__").glob("use.twice*.nbi"))
