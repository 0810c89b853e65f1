"""The same program alone and on two ranks."""

import subprocess
import sys
from pathlib import Path

import pytest
import ranks

from fxs_hpc.parallel.communicator import Alone, communicator, first, is_everywhere


def test_alone(capsys):
    assert isinstance(communicator(), Alone)
    ranks.main()
    assert "fine 1" in capsys.readouterr().out


@pytest.mark.mpi
def test_two_ranks(mpirun):
    result = subprocess.run(
        [*mpirun(2), sys.executable, str(Path(__file__).parent / "ranks.py")], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("fine 2") == 2


def test_an_error_of_the_first_rank_is_known_as_everybodys():
    with pytest.raises(ValueError) as caught:
        first(Alone(), lambda: int("x"))
    assert is_everywhere(caught.value) and not is_everywhere(ValueError("other"))
