#!/usr/bin/env python3
"""Writes what the gguf package makes of random blocks of every tensor type that we read, for
expand_golden_test.cpp.

    make_expand_goldens.py [OUT]

needs gguf (0.19.0 made the file in the repository) and numpy. Every bit pattern of the quants may
occur; scales are finite halves.

Format of expand_goldens.bin, little-endian: 8 bytes "TRPEXP01"; then for each type u32 type number,
u32 bytes, u32 values, the bytes, and f32[values] what they mean.
"""

import pathlib
import struct
import sys

import gguf
import numpy

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/kernels/data/expand_goldens.bin"
VALUES = 1024  # of each type: four blocks of the largest

# Type → bytes of the block at which halves lie; the others hold anything.
HALVES = {
    "F32": [],
    "F16": [0],
    "BF16": [],
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
}


def random_blocks(name, random):
    values, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    count = VALUES // values
    floats = random.normal(0, 0.3, (count, 1)).astype(numpy.float32)
    if name == "F32":
        return floats.view(numpy.uint8)
    if name == "BF16":
        return numpy.ascontiguousarray(floats.view(numpy.uint8)[:, 2:])
    blocks = random.integers(0, 256, (count, size), dtype=numpy.uint8)
    for at in HALVES[name]:
        halves = random.normal(0, 0.3, (count, 1)).astype(numpy.float16)
        blocks[:, at : at + 2] = halves.view(numpy.uint8)
    return blocks


def main():
    random = numpy.random.default_rng(6)
    out = [b"TRPEXP01"]
    for name in HALVES:
        number = gguf.GGMLQuantizationType[name]
        blocks = random_blocks(name, random)
        values = gguf.quants.dequantize(blocks, number).astype("<f4").reshape(-1)
        assert len(values) == VALUES and numpy.isfinite(values).all()
        out.append(struct.pack("<III", number, blocks.size, len(values)))
        out += [blocks.tobytes(), values.tobytes()]
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else OUT
    path.write_bytes(b"".join(out))


if __name__ == "__main__":
    main()
