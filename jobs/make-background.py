"""Submit make-background through submitit: python jobs/make-background.py [config.ini]

Radial background and peaks of each frame.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:make-background]; what is written here wins:
submission.override("make-background", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("make-background", "make-background"):
    print(job.stage, job.role, "is job", job.number)
