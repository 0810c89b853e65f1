"""Submit init-phi through submitit: python jobs/init-phi.py [config.ini]

Scale factors to start from.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:init-phi]; what is written here wins:
submission.override("init-phi", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("init-phi", "init-phi"):
    print(job.stage, job.role, "is job", job.number)
