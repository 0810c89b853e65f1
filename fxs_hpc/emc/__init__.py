"""The science of expand-maximize-compress for crystals: pure functions of arrays, blind to files, MPI and SLURM."""
