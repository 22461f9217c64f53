"""A peer that computes nothing: 10 tokens/s for each stream, 1,000 for a prompt.

A task of 13 streams ends the process, as a crash would; one of 14 is an error that it survives.
"""

import os

from peers.peer import serve


class Fake:
    def __init__(self, arguments):
        print("this line is a library's and must not reach the harness")
        if arguments.threads == 99:
            raise SystemExit("99 threads are too many")

    def about(self):
        return {"name": "fake", "kv": "f16", "weights": "none"}

    def run(self, task):
        if task.streams == 13:
            os._exit(3)
        if task.streams == 14:
            raise ValueError("14 is unlucky too")
        return 1000.0 if task.kind == "prefill" else 10.0 * task.streams


if __name__ == "__main__":
    serve(Fake)
