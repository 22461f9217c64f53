"""OpenVINO GenAI's continuous batching; it reads GGUF itself. KV cache in F16, no prefix cache."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy
import openvino
import openvino_genai as genai
from peers.peer import Task, random_prompts, rate_of_steps, serve

BLOCK_TOKENS = 32  # of its KV cache on a CPU
STEP_TOKENS_MAX = 8192  # so that all prompts of a task are one step
VOCAB = 32_000  # random ids stay below every model's vocabulary


class OpenVino:
    def __init__(self, arguments: argparse.Namespace) -> None:
        blocks = -(-arguments.context_max // BLOCK_TOKENS) + 1
        scheduler = genai.SchedulerConfig()
        scheduler.enable_prefix_caching = False
        scheduler.dynamic_split_fuse = False
        scheduler.max_num_batched_tokens = STEP_TOKENS_MAX
        scheduler.max_num_seqs = arguments.streams_max
        scheduler.num_kv_blocks = blocks * arguments.streams_max
        properties = {"INFERENCE_NUM_THREADS": arguments.threads, "KV_CACHE_PRECISION": "f16"}
        self.pipeline = genai.ContinuousBatchingPipeline(
            Path(arguments.model), scheduler, "CPU", properties
        )
        self.next_id = 0

    def about(self) -> dict:
        return {"name": "OpenVINO GenAI", "version": genai.get_version(), "kv": "f16",
                "weights": "GGUF"}  # fmt: skip

    def run(self, task: Task) -> float:
        config = genai.GenerationConfig()
        config.max_new_tokens = task.generate + 1
        config.ignore_eos = True
        handles = []
        for prompt in random_prompts(task, VOCAB):
            tokens = openvino.Tensor(numpy.array([prompt], dtype=numpy.int64))
            handles.append(self.pipeline.add_request(self.next_id, tokens, config))
            self.next_id += 1
        steps = 0

        def step() -> list[int]:
            nonlocal steps
            self.pipeline.step()
            steps += 1
            return [steps] * task.streams

        rate = rate_of_steps(task, step)
        if self.pipeline.has_non_finished_requests():
            raise RuntimeError("the streams were not in one batch")
        return rate


if __name__ == "__main__":
    serve(OpenVino)
