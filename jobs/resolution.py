"""Submit resolution through submitit: python jobs/resolution.py [config.ini]

Two halves of the frames, each reconstructed on its own, and how well they agree.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:resolution]; what is written here wins:
submission.override("resolution", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("resolution", "resolution"):
    print(job.stage, job.role, "is job", job.number)
