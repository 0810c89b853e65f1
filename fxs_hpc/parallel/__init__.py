"""Work shared out over threads and over MPI ranks; knows nothing of what the work is."""
