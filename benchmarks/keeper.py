"""Run a command until standard input ends: it is stopped even when its parent is killed."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys


def main() -> None:
    """Start the command, wait for the end of standard input, stop the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--user", help="who runs the command, when not who runs this")
    parser.add_argument("--signal", default="SIGINT", help="what stops it: %(default)s")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    rights = {"user": args.user, "group": args.user, "extra_groups": []} if args.user else {}
    child = subprocess.Popen(args.command, stdin=subprocess.DEVNULL, **rights)
    sys.stdin.buffer.read()
    child.send_signal(signal.Signals[args.signal])  # SIGINT has PostgreSQL and nginx leave at once
    try:
        child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    main()
