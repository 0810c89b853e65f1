"""Submit refine-orientations through submitit: python jobs/refine-orientations.py [config.ini]

Orientations off the grid, and intensities with error estimates: the way to high resolution.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:refine-orientations]; what is written here wins:
submission.override("refine-orientations", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("refine-orientations", "refine-orientations"):
    print(job.stage, job.role, "is job", job.number)
