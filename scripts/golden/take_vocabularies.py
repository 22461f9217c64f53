#!/usr/bin/env python3
"""Takes llama.cpp's vocabulary files, with the texts and ids of its own tests, out of the source
package of llama-cpp-python into tests/model/data/vocabularies:

    pip download --no-deps --no-binary :all: llama-cpp-python==0.3.36
    scripts/golden/take_vocabularies.py llama_cpp_python-0.3.36.tar.gz
"""

import pathlib
import sys
import tarfile

NAMES = ["deepseek-llm", "gpt-2", "llama-bpe", "llama-spm"]
TEXTS_ONLY = ["qwen2"]
OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/model/data/vocabularies"


def main() -> None:
    ends = ("", ".inp", ".out")
    wanted = {f"models/ggml-vocab-{name}.gguf{end}" for name in NAMES for end in ends}
    wanted |= {f"models/ggml-vocab-{name}.gguf{end}" for name in TEXTS_ONLY for end in ends[1:]}
    wanted.add("LICENSE")
    with tarfile.open(sys.argv[1]) as package:
        root = "llama_cpp_python-0.3.36/vendor/llama.cpp/"
        for path in sorted(wanted):
            (OUT / pathlib.Path(path).name).write_bytes(package.extractfile(root + path).read())


if __name__ == "__main__":
    main()
