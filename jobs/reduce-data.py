"""Submit reduce-data through submitit: python jobs/reduce-data.py [config.ini]

Select and order frames, store their photons.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:reduce-data]; what is written here wins:
submission.override("reduce-data", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("reduce-data", "reduce-data"):
    print(job.stage, job.role, "is job", job.number)
