"""Submit reconstruct through submitit: python jobs/reconstruct.py [config.ini]

phase the invariants: several densities from random starts, ranked by error
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("fxs", config)
# What the job asks for is in config.ini, [slurm] and [slurm:reconstruct]; what is written here wins:
submission.override("reconstruct", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("reconstruct", "reconstruct"):
    print(job.stage, job.role, "is job", job.number)
