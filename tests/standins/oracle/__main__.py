"""`python -m standins.oracle --rows 200000`: a stand-in with so many readings; prints its dsn."""

import argparse
import importlib
import threading

from .server import Oracle


def main():
    parser = argparse.ArgumentParser(prog="standins.oracle", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="on loopback; any free one by default")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument(
        "--script",
        default="standins.oracle.readings:statements",
        help="module and function that give the statements, called with the number of rows",
    )
    options = parser.parse_args()
    module, _, function = options.script.partition(":")
    scripts = getattr(importlib.import_module(module), function)(options.rows)
    for script in scripts.values():
        _ = getattr(script, "fixed", None)  # encoded before the first client comes
    with Oracle(scripts, port=options.port, keep_binds=False) as oracle:
        print(oracle.dsn, flush=True)  # noqa: T201 - who has started it reads this
        threading.Event().wait()


main()
