"""vLLM on a CPU, in BF16, from safetensors converted from the same GGUF file. KV cache in BF16.

Compiling (torch.compile) is left on, as its users run it: loading takes minutes the first time.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

GIB = 2**30


def set_environment(threads: int) -> None:
    """vLLM reads these when it is imported. One process: the harness can pause all of it."""
    os.environ.setdefault("VLLM_TARGET_DEVICE", "cpu")
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    os.environ["VLLM_CPU_OMP_THREADS_BIND"] = f"0-{threads - 1}"
    os.environ["VLLM_CPU_KVCACHE_SPACE"] = "3"  # GiB
    os.environ["VLLM_NO_USAGE_STATS"] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["OMP_NUM_THREADS"] = str(threads)


def converted(model: Path, cache: Path) -> Path:
    """The folder with the model's weights in BF16, made by transformers if it is not there yet."""
    folder = cache / (model.stem + "-bf16")
    if folder.exists():
        return folder
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    loaded = AutoModelForCausalLM.from_pretrained(
        model.parent,
        gguf_file=model.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    draft = folder.with_name(folder.name + ".draft")
    AutoTokenizer.from_pretrained(model.parent, gguf_file=model.name).save_pretrained(draft)
    loaded.save_pretrained(draft)
    draft.rename(folder)
    return folder


class Vllm:
    def __init__(self, arguments: argparse.Namespace) -> None:
        set_environment(arguments.threads)
        folder = converted(Path(arguments.model).resolve(), Path(arguments.cache))
        import vllm

        self.version = vllm.__version__
        self.parameters = vllm.SamplingParams
        self.engine = vllm.LLM(
            model=str(folder),
            dtype="bfloat16",
            max_model_len=arguments.context_max,
            max_num_seqs=arguments.streams_max,
            max_num_batched_tokens=max(8192, arguments.context_max),  # all prompts in one step
            enable_prefix_caching=False,
        ).llm_engine
        self.vocab = self.engine.model_config.get_vocab_size()
        self.next_id = 0

    def about(self) -> dict:
        return {"name": "vLLM", "version": self.version, "kv": "bf16",
                "weights": "BF16 of the GGUF"}  # fmt: skip

    def run(self, task: Task) -> float:
        from peers.peer import random_prompts, rate_of_steps

        sampling = self.parameters(temperature=0.0, max_tokens=task.generate + 1, ignore_eos=True)
        counts: dict[str, int] = {}
        for prompt in random_prompts(task, self.vocab):
            self.next_id += 1
            counts[str(self.next_id)] = 0
            self.engine.add_request(str(self.next_id), {"prompt_token_ids": prompt}, sampling)

        def step() -> list[int]:
            for output in self.engine.step():
                counts[output.request_id] = len(output.outputs[0].token_ids)
            return list(counts.values())

        return rate_of_steps(task, step)


if __name__ == "__main__":
    from peers.peer import serve

    serve(Vllm)
