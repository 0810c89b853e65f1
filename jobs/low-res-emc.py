"""Submit low-res-emc through submitit: python jobs/low-res-emc.py [config.ini]

The low-resolution intensity, iteration by iteration.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:low-res-emc]; what is written here wins:
submission.override("low-res-emc", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("low-res-emc", "low-res-emc"):
    print(job.stage, job.role, "is job", job.number)
