"""Copy the table `source` into `made`; say which row a chunk begins with, and wait for a word."""

import sys

import rowferry as etl


def told(chunk):
    print(chunk[0]["id"], flush=True)
    sys.stdin.readline()
    return chunk


source, dest, size = sys.argv[1:]
done = etl.copy_table_rows(
    *("source", source, dest, "made"),
    key="id",
    checkpoint="rowferry_checkpoints",
    transform=told,
    chunk_size=int(size),
)
