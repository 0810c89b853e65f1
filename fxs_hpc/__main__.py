"""`python -m fxs_hpc`."""

from fxs_hpc.cli.main import main

if __name__ == "__main__":
    main(prog_name="fxs-hpc")
