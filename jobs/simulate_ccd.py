"""Submit simulate_ccd through submitit: python jobs/simulate_ccd.py [config.ini]

make a density of simple shapes and its cross-correlations C(q1, q2, Delta)
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("fxs", config)
# What the job asks for is in config.ini, [slurm] and [slurm:simulate_ccd]; what is written here wins:
submission.override("simulate_ccd", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("simulate_ccd", "simulate_ccd"):
    print(job.stage, job.role, "is job", job.number)
