"""A reconstruction on a device in a process of its own, for a test that runs two at a time."""

import sys
from pathlib import Path

import particle


def main() -> None:
    """Run in the folder of the first argument on the device of the second."""
    particle.run(particle.make_home(Path(sys.argv[1])), seed=5, GPU__use=True, GPU__required=True, GPU__device=sys.argv[2])


if __name__ == "__main__":
    main()
