"""Submit average through submitit: python jobs/average.py [config.ini]

align the densities, average them, and say to which resolution they agree
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("fxs", config)
# What the job asks for is in config.ini, [slurm] and [slurm:average]; what is written here wins:
submission.override("average", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("average", "average"):
    print(job.stage, job.role, "is job", job.number)
