"""Random blocks of every supported GGUF type, and the values that the PyPI package `gguf` makes of them.

    pip install gguf numpy && python tests/golden/gguf_types.py

writes gguf_types.bin (bytes and expected f32 values, one type after another) and gguf_types.json (where each stands).
"""

import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type, quants
from gguf.constants import GGML_QUANT_SIZES

HERE = Path(__file__).parent
# Where the f16 scales of a block stand, in bytes.
SCALES = {Type.Q8_0: [0], Type.Q4_0: [0], Type.Q4_1: [0, 2], Type.Q4_K: [0, 2], Type.Q5_K: [0, 2], Type.Q6_K: [208]}
FLOATS = [Type.F32, Type.F16, Type.BF16]
# Zeros, the smallest and the greatest subnormal, the smallest normal, one, the greatest, and their negatives.
EXTREMES = np.array([0x0000, 0x0001, 0x03FF, 0x0400, 0x3C00, 0x7BFF], dtype=np.uint16)
EXTREMES = np.concatenate([EXTREMES, EXTREMES | 0x8000])


def random_blocks(random, kind):
    """Whole blocks of random bytes, as many as give each extreme scale its turn, with finite scales."""
    _, size = GGML_QUANT_SIZES[kind]
    if kind in FLOATS:
        # Infinity and one quiet NaN stand first; the payload of other NaNs is no matter of the format.
        specials = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0, 1.0], dtype=np.float32)
        values = np.concatenate([specials, (random.standard_normal(250) * 10.0 ** random.integers(-12, 5, 250))])
        values = values.astype(np.float32)
        if kind == Type.F32:
            return values.view(np.uint8)
        if kind == Type.F16:
            with np.errstate(over="ignore"):
                halves = np.concatenate([values.astype(np.float16), EXTREMES.view(np.float16)])
            return halves.view(np.uint8)
        return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    blocks = random.integers(0, 256, (2 * len(EXTREMES), size), dtype=np.uint8)
    for i, block in enumerate(blocks):
        for n, at in enumerate(SCALES[kind]):
            half = EXTREMES[(i + 5 * n) % len(EXTREMES)]
            if i >= len(EXTREMES):
                half = np.float16(random.standard_normal() * 0.02).view(np.uint16)
            block[at : at + 2] = np.frombuffer(half.tobytes(), dtype=np.uint8)
    return blocks.reshape(-1)


def main():
    random = np.random.default_rng(20240229)
    data, rows = b"", []
    for kind in FLOATS + list(SCALES):
        stored = random_blocks(random, kind)
        values = quants.dequantize(stored.reshape(1, -1), kind).reshape(-1).astype(np.float32)
        rows.append({"name": kind.name, "at": len(data), "bytes": stored.size, "values": values.size})
        data += stored.tobytes() + values.tobytes()
    (HERE / "gguf_types.bin").write_bytes(data)
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    (HERE / "gguf_types.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
