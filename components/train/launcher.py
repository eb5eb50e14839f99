"""DeepSpeed's launcher of one node's ranks, without MLflow.

Its package imports MLflow where that is installed, for a tuner that nobody runs: one to two seconds before each
stage. The ranks are processes of their own and import it as usual.
"""

import runpy
import sys

if __name__ == "__main__":
    sys.modules["mlflow"] = None
    runpy.run_module("deepspeed.launcher.launch", run_name="__main__", alter_sys=True)
