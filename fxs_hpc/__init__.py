"""fxs_hpc: X-ray scattering data into structures, on a laptop or a SLURM cluster."""

__version__ = "0.1.0"
