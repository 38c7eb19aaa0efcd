"""
Fuzz what a connection makes of an answer, guided by the coverage of our code and of h11's.

    python tests/fuzz/fuzz_answers.py -runs=1000000 -max_len=512 tests/fuzz/corpus

The options are libFuzzer's; `make fuzz` has good ones. What it finds is written to a file, and held
for ever once that is in the corpus, which `tests/test_fuzz.py` runs.
"""

import sys
from pathlib import Path

import atheris

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

with atheris.instrument_imports(include=["rowferry", "h11", "promises", "references"]):
    from promises import check

if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
