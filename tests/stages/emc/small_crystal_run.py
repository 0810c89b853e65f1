"""A simulated crystal before a small detector, through every stage up to init-phi: seconds, and no files from elsewhere."""

from pathlib import Path

from small_run import context

from fxs_hpc.stages.emc.table import STAGES

CONFIG = """home_dir = .
quat_file = aux/c-quaternion8.bin
[simulate-frames]
sim_frames = 60
sim_seed = 3
sim_cell = 24,24,18,90,90,90
space_group = P422
sim_peak_photons = 60
sim_background = 1
[make-detector]
num_row = 100
num_col = 104
cx = 50.2
cy = 51.7
Rstop = 4
detd = 0.0275
px = 200e-6
wl = 1.033
res_max = 3.2
sz = -1
[frames]
frames = input/simulated/sim_*.cbf
[make-background]
hot_pix_thres = 1e4
qlen = 30
[make-powder]
min_patch_sz = 1
max_patch_sz = 60
min_num_peak = 3
max_num_peak = 80
[orient-peak]
res_cutoff = 4.0
VN = 11
gw = 2.5
[reduce-data]
nproc = 2
mpi_bgfile = Data/mpi-bg_model.bin
mpi_datafile = Data/mpi-datafile.h5
[make-Ematrix]
r2peak_file = Data/mpi-r2peak-low.bin
peak2r_file = Data/mpi-peak2r-low.bin
[low-res-emc]
prob_dir = Data/high-prob
low_res_iterations = 2
convergence_angle = 0
map_edge = 32
[local-update]
local_iterations = 2
"""
FRONT_END = (
    *("simulate-frames", "make-detector", "make-background", "make-quaternion", "orient-peak"),
    *("reduce-data", "make-Ematrix", "init-phi", "make-sym-op"),
)


def make(home: Path) -> None:
    """Fill `home`."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.ini").write_text(CONFIG)
    for name in FRONT_END:
        STAGES[name].module.run(context(home))
