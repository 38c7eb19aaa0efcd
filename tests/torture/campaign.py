"""
A campaign: seed after seed, until so many kills were survived.

    python -m torture.campaign --kills 1000            goes on where the file says it was
    python -m torture.campaign --seed 17               one seed again, and nothing written

Each seed is a line of JSON in the campaign's file. A campaign is of one state of the sources: lines
of another are kept, and do not count.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from hashlib import blake2b
from pathlib import Path

import servers
from torture.driver import run_seed
from torture.faults import BATCH_MENU, STOPPERS
from torture.world import TESTS

ROOT = TESTS.parent
LEAST_OF_EACH = 50
REGRESSIONS = Path(__file__).with_name("regressions.json")


def state_of(code):
    """Give a name of the sources: the same as long as no file changes."""
    digest = blake2b(digest_size=6)
    for path in sorted(Path(code).rglob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def commit():
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, check=False
    )
    return done.stdout.decode().strip()


def read(path, state):
    """Give the lines of a campaign that are of this state of the sources."""
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["state"] == state]


def command_for(seed, rows, kills):
    return (
        f"PYTHONPATH=src:tests python -m torture.campaign --seed {seed} --rows {rows} "
        f"--kills-a-seed {kills}"
    )


def go(options):
    code = Path(options.code)
    state = state_of(code)
    path = Path(options.file)
    lines = read(path, state)
    began = time.monotonic()
    with _server(options) as server:
        while sum(line["kills"] for line in lines) < options.kills:
            if options.minutes and time.monotonic() - began > options.minutes * 60:
                break
            seed = max((line["seed"] for line in lines), default=options.first - 1) + 1
            summary = _one(seed, options, server)
            lines.append({"state": state, "commit": commit()} | summary)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(lines[-1]) + "\n")
    return tell(lines, options)


def again(options):
    """Run one seed once more, or all that ever failed."""
    if options.seed is not None:
        known = [{"seed": options.seed, "rows": options.rows, "kills": options.kills_a_seed}]
    else:
        known = json.loads(REGRESSIONS.read_text(encoding="utf-8"))
    with _server(options) as server:
        results = [
            run_seed(
                one["seed"],
                rows=one["rows"],
                kills=one["kills"],
                server=server,
                code=options.code,
                keep=options.keep,
            )
            for one in known
        ]
    print(json.dumps(results, indent=1))
    return int(any(result["problems"] for result in results))


def _one(seed, options, server):
    summary = run_seed(
        seed,
        rows=options.rows,
        kills=options.kills_a_seed,
        server=server,
        code=options.code,
        keep=options.keep,
    )
    words = f"{summary.get('source', '')} {summary.get('profile', '')}"
    print(
        f"seed {seed}: {summary['kills']} kills, {summary.get('runs', 0)} runs, {words}, "
        f"{summary.get('seconds', 0)} s, {len(summary['problems'])} problems",
        flush=True,
    )
    for problem in summary["problems"]:
        print(f"    {problem}")
        print(f"    again: {command_for(seed, options.rows, options.kills_a_seed)}", flush=True)
    return summary


def tell(lines, options):
    """Print what a campaign came to; give the exit code."""
    total = {
        name: sum(line.get(name, 0) for line in lines)
        for name in (
            *("kills", "runs", "rows", "receipts", "sent_again", "doubled"),
            *("maybe_duplicated", "seconds"),
        )
    }
    faults = sum((Counter(line.get("faults", {})) for line in lines), Counter())
    bad = [line for line in lines if line["problems"]]
    print(json.dumps(total | {"seeds": len(lines), "failed": len(bad), "faults": faults}))
    if lines:
        print(f"seeds {lines[0]['seed']} to {lines[-1]['seed']}, sources {lines[0]['state']}")
    void = _void(lines, faults)
    for why in void:
        print(f"I14: {why}: the campaign is too small to say anything")
    for line in bad:
        print(f"seed {line['seed']} failed: {line['problems'][0]}")
        print(f"    {command_for(line['seed'], options.rows, options.kills_a_seed)}")
    return 1 if bad else 0


def _void(lines, faults):
    """Give what a campaign never met (I14)."""
    names = {fault.name for fault in (*BATCH_MENU, *STOPPERS)} | {"outage", "400", "poison"}
    why = [
        f"{name!r} came {faults[name]} times, not {LEAST_OF_EACH}"
        for name in sorted(names)
        if faults[name] < LEAST_OF_EACH
    ]
    if not any(line.get("sent_again", 0) for line in lines):
        why.append("nothing was sent again")
    if not any(line.get("maybe_duplicated", 0) for line in lines):
        why.append("nothing was maybe duplicated")
    if not any(line.get("above", 0) > 100 for line in lines):
        why.append("no watermark stood behind more than 100 records")
    return why


@contextlib.contextmanager
def _server(options):
    if options.sqlite_only:
        yield None
        return
    with servers.postgresql() as server:
        yield server


def parsed():
    parser = argparse.ArgumentParser(prog="torture.campaign")
    parser.add_argument("--kills", type=int, default=100, help="to survive in all")
    parser.add_argument("--minutes", type=float, help="after which this go ends")
    parser.add_argument("--file", default="torture.jsonl", help="of the campaign")
    parser.add_argument("--first", type=int, default=1, help="seed of a new campaign")
    parser.add_argument("--seed", type=int, help="run this one only")
    parser.add_argument("--regressions", action="store_true", help="run seeds that failed once")
    parser.add_argument("--rows", type=int, default=900)
    parser.add_argument("--kills-a-seed", type=int, default=10)
    parser.add_argument("--keep", default="torture-failed", help="for the files of what failed")
    parser.add_argument("--code", default=str(ROOT / "src"), help="the sources to test")
    parser.add_argument("--sqlite-only", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped
    given = parsed()
    sys.exit(again(given) if given.seed is not None or given.regressions else go(given))
