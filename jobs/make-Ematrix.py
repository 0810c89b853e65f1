"""Submit make-Ematrix through submitit: python jobs/make-Ematrix.py [config.ini]

Which pixels see which reflections.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:make-Ematrix]; what is written here wins:
submission.override("make-Ematrix", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("make-Ematrix", "make-Ematrix"):
    print(job.stage, job.role, "is job", job.number)
