"""Submit rej-frames through submitit: python jobs/rej-frames.py [config.ini]

Leave out frames without a crystal, or with several.
"""

import sys
from pathlib import Path

from fxs_hpc.cluster.submission import Submission
from fxs_hpc.config import ini

config = ini.load(Path(sys.argv[1] if len(sys.argv) > 1 else "config.ini"))
submission = Submission("emc", config)
# What the job asks for is in config.ini, [slurm] and [slurm:rej-frames]; what is written here wins:
submission.override("rej-frames", {})  # for example {"partition": "gpu", "gres": "gpu:1", "time": "2:00:00"}
for job in submission.submit("rej-frames", "rej-frames"):
    print(job.stage, job.role, "is job", job.number)
