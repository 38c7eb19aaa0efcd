"""
The program under test: a few lines on the blocking face, as a user would write them.

Its settings come on standard input as JSON, so that no secret is in the list of processes. The last
line that it prints is the report, as JSON.
"""

import faulthandler
import json
import logging
import resource
import signal
import sys

import rowferry as etl
from rowferry.exceptions import RowferryError, TransferError

faulthandler.enable()
faulthandler.register(signal.SIGUSR1)


def interrupt(number, frame):
    raise KeyboardInterrupt


def tell(report, code, error=""):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # there is nothing left to interrupt
    told = report.as_dict() if report else {}
    told |= {"code": code, "error": error}
    told |= {"peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    print(json.dumps(told), flush=True)
    return code


def statuses(answer):
    return answer.json()["items"]


def run(settings):
    batch = settings["batch_size"] > 1
    api = etl.Api(
        settings["url"],
        headers={"X-Api-Key": settings["secret"]},
        body_format="ndjson" if batch else "json",
        batch_size=settings["batch_size"],
        batch_linger=0.01,
        item_results=statuses if batch else None,
        success_status=(200, 201),
        request_timeout=settings["timeout"],
        retry=etl.Retry(
            max_retries=settings["max_retries"],
            initial_backoff=0.005,
            max_backoff=0.05,
            max_retry_age=30,
        ),
        limits=etl.Limits(max_in_flight=settings["in_flight"], **settings["limits"]),
    )
    return etl.copy_to_api(
        settings["query"],
        settings["source"],
        api,
        key="id",
        name="torture",
        journal=etl.Journal(settings["journal"]),
        ordering_key=settings["ordering_key"],
        budget=etl.Budget(grace=settings["grace"]),
    )


def main():
    settings = json.loads(sys.stdin.read())
    signal.signal(signal.SIGTERM, interrupt)
    if not settings["quiet"]:
        logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    try:
        report = run(settings)
    except KeyboardInterrupt as stopped:
        return tell(None, 143, " ".join(getattr(stopped, "__notes__", [])))
    except TransferError as error:
        return tell(error.report, error.exit_code, f"{type(error).__name__}: {error}")
    except RowferryError as error:
        code = 2 if isinstance(error, etl.exceptions.ConfigError) else 4
        return tell(getattr(error, "report", None), code, f"{type(error).__name__}: {error}")
    return tell(report, report.exit_code)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # in the moment after the call
        sys.exit(143)
