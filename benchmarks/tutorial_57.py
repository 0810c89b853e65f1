"""The tutorial's headline: 57 reconstructions of 600 steps. Wall time on this machine's cores.

    python benchmarks/tutorial_57.py DIR [--preset default|reference] [--count 57] [--structure tutorial]

DIR is a working directory (fxs-hpc init DIR) in which `fxs-hpc fxs simulate_ccd tutorial extract tutorial` has been run. The published
figure is 12 minutes on a 64-thread EPYC 7543 with two RTX A6000.
"""

import argparse
import os
import resource
import subprocess
import sys
import time


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--preset", default="default", choices=["default", "reference"])
    parser.add_argument("--count", type=int, default=57)
    parser.add_argument("--settings", default="tutorial")
    chosen = parser.parse_args()
    command = [sys.executable, "-m", "fxs_hpc", "fxs", "reconstruct", chosen.settings, "--set", f"preset={chosen.preset}"]
    command += ["--set", f"multi_process.n_parallel_reconstructions={chosen.count}"]
    start = time.monotonic()
    subprocess.run(command, cwd=chosen.directory, check=True)
    wall = time.monotonic() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{chosen.count} reconstructions, preset {chosen.preset}, {os.cpu_count()} cores: {wall / 60:.1f} min wall, "
          f"{(used.ru_utime + used.ru_stime) / 60:.1f} min CPU of the command and its waited-for children")


if __name__ == "__main__":
    main()
