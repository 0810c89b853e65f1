"""Submit make-quaternion through submitit: python jobs/make-quaternion.py [config.ini]

Samples of the rotation group.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:make-quaternion]; what is written here wins:
submission.override("make-quaternion", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("make-quaternion", "make-quaternion"):
    print(job.stage, job.role, "is job", job.number)
