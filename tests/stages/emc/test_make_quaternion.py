"""Samples of rotations need no more memory than is printed first."""

import re
import subprocess
import sys

import pytest
import small_run

from fxs_hpc.emc import quaternions
from fxs_hpc.files.emc import quaternions as quaternion_file


@pytest.mark.parametrize("num_div", [2, 40])
def test_memory_is_what_is_printed_first(tmp_path, num_div):
    small_run.make(tmp_path)
    program = (
        "import sys; from fxs_hpc.cli.main import main\n"
        f"sys.argv = ['fxs-hpc', 'emc', 'make-quaternion', {str(tmp_path / 'config.ini')!r}, '{num_div}']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print(open('/proc/self/status').read())"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr
    promised = 1e6 * float(re.search(r"memory (\d+) MB", result.stdout).group(1))
    assert 1024 * float(re.search(r"VmHWM:\s+(\d+) kB", result.stdout).group(1)) < promised
    assert quaternion_file.read_count(tmp_path / f"aux/c-quaternion{num_div}.bin") == quaternions.sample_count(num_div)
