"""A job whose step ends its own process. In no test module: its process has to find it."""

import os
import time

import dagster as dg


@dg.op(config_schema={"signal": int})
def ending(context: dg.OpExecutionContext) -> None:
    """Its process gets a signal and goes on."""
    os.kill(os.getpid(), context.op_config["signal"])
    time.sleep(60)


@dg.job(executor_def=dg.multiprocess_executor)
def ending_job() -> None:
    ending()
