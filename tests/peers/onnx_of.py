"""A model of ours -> the folder that transformers.js loads: config, tokenizer, and onnx/model*.onnx.

    python onnx_of.py MODEL.gguf|FOLDER OUT

A GGUF's weights are dequantised by transformers; a folder's are taken as they are. That is `model.onnx`, in f32. For
`model_q4.onnx` every matrix is rounded to 4 bits in blocks of 32 with a minimum, as Q4_1 has them, the output head too;
for `model_quantized.onnx`, their q8, to 8 bits, with activations that are quantised as they come. The embedding of q4
stays in f32, as in the checkpoints that are published for transformers.js.
"""

import logging
import shutil
import sys
import tempfile
from pathlib import Path

import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from optimum.exporters.onnx import main_export
from transformers import AutoModelForCausalLM, AutoTokenizer

BLOCK = 32


def convert(model: Path, out: Path) -> None:
    logging.disable(logging.INFO)  # the quantiser has a line for every node
    if model.is_dir():
        source = {"pretrained_model_name_or_path": model}
    else:
        source = {"pretrained_model_name_or_path": model.parent, "gguf_file": model.name}
    with tempfile.TemporaryDirectory() as scratch:
        plain, exported = Path(scratch, "plain"), Path(scratch, "exported")
        AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32).save_pretrained(plain)
        AutoTokenizer.from_pretrained(**source).save_pretrained(plain)
        main_export(str(plain), exported, task="text-generation-with-past", no_post_process=True, do_validation=False)
        quantizer = MatMulNBitsQuantizer(onnx.load(exported / "model.onnx"), bits=4, block_size=BLOCK, is_symmetric=False)
        quantizer.process()
        (out / "onnx").mkdir(parents=True, exist_ok=True)
        for beside in exported.glob("*.json"):
            shutil.copy(beside, out)
        onnx.save(quantizer.model.model, out / "onnx" / "model_q4.onnx")
        shutil.copy(exported / "model.onnx", out / "onnx")
        options = {"EnableSubgraph": True, "MatMulConstBOnly": True}
        eight_bits = out / "onnx" / "model_quantized.onnx"
        quantize_dynamic(exported / "model.onnx", eight_bits, weight_type=QuantType.QInt8, extra_options=options)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
