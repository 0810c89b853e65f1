"""Submit extract through submitit: python jobs/extract.py [config.ini]

solve the cross-correlations for the rotational invariants B_l and their roots V_l
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("fxs", config)
# What the job asks for is in config.ini, [slurm] and [slurm:extract]; what is written here wins:
submission.override("extract", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("extract", "extract"):
    print(job.stage, job.role, "is job", job.number)
