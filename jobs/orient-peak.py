"""Submit orient-peak through submitit: python jobs/orient-peak.py [config.ini]

Orientations that explain the peaks of each frame.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:orient-peak]; what is written here wins:
submission.override("orient-peak", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("orient-peak", "orient-peak"):
    print(job.stage, job.role, "is job", job.number)
