"""
Runs the cells of a notebook in order, as Jupyter does: in a loop that runs, with await in them.

    python tests/notebooks.py NOTEBOOK
"""

import ast
import asyncio
import inspect
import json
import sys
from pathlib import Path


def run_cells(path):
    """Run the cells; the modules that lie beside the notebook can be imported."""
    sys.path.insert(0, str(path.parent))
    names = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                runner.run(_run("".join(cell["source"]), names))


async def _run(source, names):
    code = compile(source, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, names)
    if inspect.isawaitable(result):
        await result


if __name__ == "__main__":
    run_cells(Path(sys.argv[1]))
