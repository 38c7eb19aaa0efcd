"""
Serve until interrupted: python -m standins.mssql [rows]

It prints the connection string of mssql-python, and serves what `demo` says.
"""

import signal
import sys

from .demo import server


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with server(rows) as started:
        started.encode()
        print(started.microsoft(), flush=True)  # noqa: T201 - what the command is for
        signal.sigwait([signal.SIGINT, signal.SIGTERM])


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
    main()
