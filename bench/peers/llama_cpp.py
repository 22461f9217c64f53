"""llama.cpp through the C interface of llama-cpp-python: batches of n sequences like its server.

KV cache in F16, batches of up to 512 tokens, a context for each number of streams. A build without
AMX would be an unfair peer (a fourth of the speed), so it is refused.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import time

import llama_cpp as llama
from peers.peer import Task, random_prompts, serve

BATCH_TOKENS = 512  # n_batch and n_ubatch: llama.cpp's own defaults for a server


def require_amx() -> None:
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        machine_has_it = " amx_int8 " in info.read().replace("\n", " ")
    if machine_has_it and "AMX_INT8 = 1" not in system_info():
        raise SystemExit("this build of llama.cpp has no AMX_INT8: see bench/peers/install.sh")


def system_info() -> str:
    return llama.llama_print_system_info().decode()


class LlamaCpp:
    def __init__(self, arguments: argparse.Namespace) -> None:
        require_amx()
        llama.llama_backend_init()
        self.threads = arguments.threads
        self.context_max = arguments.context_max
        parameters = llama.llama_model_default_params()
        self.model = llama.llama_model_load_from_file(os.fsencode(arguments.model), parameters)
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {arguments.model}")
        self.vocab = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(self.model))
        self.batch = llama.llama_batch_init(BATCH_TOKENS, 0, 1)
        self.contexts: dict[int, ctypes.c_void_p] = {}

    def about(self) -> dict:
        return {"name": "llama.cpp", "version": llama.__version__, "kv": "f16", "weights": "GGUF",
                "system": system_info()}  # fmt: skip

    def context(self, streams: int):
        if streams not in self.contexts:
            parameters = llama.llama_context_default_params()
            parameters.n_ctx = streams * self.context_max
            parameters.n_batch = parameters.n_ubatch = BATCH_TOKENS
            parameters.n_seq_max = streams
            parameters.n_threads = parameters.n_threads_batch = self.threads
            parameters.no_perf = True
            context = llama.llama_init_from_model(self.model, parameters)
            if not context:
                raise RuntimeError(f"no context for {streams} streams")
            self.contexts[streams] = context
        return self.contexts[streams]

    def decode(self, context, rows: list[tuple[int, int, int, bool]]) -> None:
        """One call with rows of (token, position, sequence, wants logits)."""
        self.batch.n_tokens = len(rows)
        for i, (token, position, sequence, logits) in enumerate(rows):
            self.batch.token[i] = token
            self.batch.pos[i] = position
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = sequence
            self.batch.logits[i] = logits
        if llama.llama_decode(context, self.batch) != 0:
            raise RuntimeError("llama_decode failed")
        llama.llama_synchronize(context)

    def run(self, task: Task) -> float:
        context = self.context(task.streams)
        llama.llama_memory_clear(llama.llama_get_memory(context), True)
        prompts = random_prompts(task, self.vocab)
        rows = [
            (token, position, sequence, position == task.prompt - 1)
            for sequence, prompt in enumerate(prompts)
            for position, token in enumerate(prompt)
        ]
        start = time.perf_counter()
        for begin in range(0, len(rows), BATCH_TOKENS):
            self.decode(context, rows[begin : begin + BATCH_TOKENS])
        if task.kind == "prefill":
            return len(rows) / (time.perf_counter() - start)
        start = time.perf_counter()
        for step in range(task.generate):
            position = task.prompt + step
            rows = [(self.next_token(s, step), position, s, True) for s in range(task.streams)]
            self.decode(context, rows)
        return task.streams * task.generate / (time.perf_counter() - start)

    def next_token(self, sequence: int, step: int) -> int:
        """Any token does: the speed does not depend on it, and choosing one in Python would count
        against llama.cpp. Troupe and the other peers choose theirs inside the timed step."""
        return 1000 + (sequence * 977 + step) % (self.vocab - 1000)


if __name__ == "__main__":
    serve(LlamaCpp)
