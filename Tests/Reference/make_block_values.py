#!/usr/bin/env python3
"""Writes Tests/Fixtures/blocks/values.json: random blocks of each of GGUF's formats, and their fp32 values by gguf.

Needs the package gguf (0.19). Blocks are random bytes with scales near one. Bytes are in hexadecimal; of the values,
which are many, the FNV-1a sum (64 bits) of their little-endian bytes is kept beside the first sixteen.

    python3 Tests/Reference/make_block_values.py
"""

import json
import pathlib

import numpy as np
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

# Where a block's f16 are, and bytes that are exponents.
HALVES = {
    T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
    T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ1_S: [0], T.IQ1_M: [], T.IQ2_XXS: [0], T.IQ2_XS: [0],
    T.IQ2_S: [0], T.IQ3_XXS: [0], T.IQ3_S: [0], T.IQ4_NL: [0], T.IQ4_XS: [0], T.TQ1_0: [52], T.TQ2_0: [64],
    T.MXFP4: [], T.NVFP4: [],
}
COUNT = 4


def block(kind, generator):
    data = generator.integers(0, 256, GGML_QUANT_SIZES[kind][1], dtype=np.uint8)
    for at in HALVES[kind]:
        data[at:at + 2] = np.frombuffer(np.float16(generator.uniform(-2, 2)).tobytes(), np.uint8)
    if kind == T.IQ1_M:
        half = np.frombuffer(np.float16(generator.uniform(-2, 2)).tobytes(), np.uint16)[0]
        for i in range(4):
            data[49 + 2 * i] = data[49 + 2 * i] & 15 | (int(half) >> 4 * i & 15) << 4
    if kind == T.MXFP4:
        data[0] = generator.choice([0, 1, 2, 120, 127, 135])
    if kind == T.NVFP4:
        data[:4] &= 0x77
    return data


def fnv1a(data):
    sum = 0xCBF29CE484222325
    for byte in data:
        sum = (sum ^ byte) * 0x100000001B3 % 2**64
    return sum


def main():
    generator = np.random.default_rng(21)
    result = {}
    for kind in sorted(HALVES, key=lambda kind: kind.name):
        data = np.stack([block(kind, generator) for _ in range(COUNT)])
        values = quants.dequantize(data, kind).astype("<f4").reshape(-1)
        assert np.isfinite(values).all()
        result[kind.name] = {
            "bytes": data.tobytes().hex(),
            "first": [float(value) for value in values[:16]],
            "fnv1a": f"{fnv1a(values.tobytes()):016x}",
        }
    folder = pathlib.Path(__file__).parent.parent / "Fixtures" / "blocks"
    folder.mkdir(exist_ok=True)
    (folder / "values.json").write_text(json.dumps(result, indent=1) + "\n")


main()
