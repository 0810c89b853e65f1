"""Submit move-recon-files through submitit: python jobs/move-recon-files.py [config.ini]

Put a finished low-resolution reconstruction away.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:move-recon-files]; what is written here wins:
submission.override("move-recon-files", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("move-recon-files", "move-recon-files"):
    print(job.stage, job.role, "is job", job.number)
