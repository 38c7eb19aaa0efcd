"""Job files: TOML and environment to jobs that run, with the path of every mistake."""

from rowferry.config.job import Destination, Job, Source
from rowferry.config.jobs import JobFile, read_job_file
from rowferry.config.mistakes import Mistake, MistakesError
from rowferry.config.work import run_job

__all__ = [
    "Destination",
    "Job",
    "JobFile",
    "Mistake",
    "MistakesError",
    "Source",
    "read_job_file",
    "run_job",
]
