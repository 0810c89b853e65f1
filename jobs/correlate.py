"""Submit correlate through submitit: python jobs/correlate.py [config.ini]

correlate scattering patterns: C(q1, q2, Delta) of all of them, and their mean intensity
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("fxs", config)
# What the job asks for is in config.ini, [slurm] and [slurm:correlate]; what is written here wins:
submission.override("correlate", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("correlate", "correlate"):
    print(job.stage, job.role, "is job", job.number)
