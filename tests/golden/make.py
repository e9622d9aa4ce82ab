"""Seeded random checkpoints and a real one -> the values that tests/golden.rs compares Oriel with.

Independent of Oriel: forward passes are those of `transformers`, GGUF files are written by the package `gguf`. Not run
by tests; what it made is committed. `cargo xtask golden` runs it again, or by hand, with the same files as the result:

    pip install -r tests/golden/requirements.txt
    python tests/golden/make.py small
    python tests/golden/make.py smollm2 models/SmolLM2-135M-Instruct.Q4_1.gguf

`small` makes, for each NAME of CHECKPOINTS,

    NAME/            the checkpoint as `save_pretrained` writes it, with a tokenizer.json
    NAME.gguf        the same weights as llama.cpp's converter names and orders them (some have none)
    NAME.json        prompts (token ids) and, for each, the 64 tokens that follow when the likeliest is always taken
    NAME.logits      f32, little-endian: for each prompt in turn [tokens, vocab]

`smollm2` dequantises the file to f32 and makes

    smollm2.json     four prompts; a chat prompt with the 32 tokens that follow, each with its margin: how far the
                     likeliest token's logit stands above the next one's
    smollm2.N.logits 16-bit integers, little-endian, in steps of 1/512, for prompt N: [tokens, vocab]
"""

import argparse
import json
import pathlib
import re
import shutil

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM, AutoTokenizer, GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config,
)

from twin import write_gguf

HERE = pathlib.Path(__file__).parent
VOCAB = 272
CONTEXT = 96
NEW_TOKENS = 64
LOGIT_STEPS = 512

# Widths are no multiples of 32, heads are grouped unevenly, and context lengths before scaling are so short that the
# tokens made here go beyond them.
LLAMA = dict(
    vocab_size=VOCAB, hidden_size=60, intermediate_size=100, num_hidden_layers=2, num_attention_heads=6,
    num_key_value_heads=2, head_dim=12, max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=0,
    initializer_range=0.3,
)
GPT2 = dict(
    vocab_size=VOCAB, n_embd=60, n_head=5, n_inner=100, n_layer=2, n_positions=CONTEXT, bos_token_id=0, eos_token_id=0,
    initializer_range=0.3,
)
LLAMA3 = dict(
    rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
    original_max_position_embeddings=32,
)
YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=24)

LINEAR = dict(rope_type="linear", rope_theta=10000.0, factor=4.0)


def gpt2(**changes):
    return GPT2Config(**GPT2 | changes)


def llama(kind=LlamaConfig, **changes):
    return kind(**LLAMA | changes)


def qwen2():
    """Its heads are as wide as the width allows: no setting says so."""
    shape = {name: value for name, value in LLAMA.items() if name != "head_dim"}
    return Qwen2Config(**shape | dict(num_attention_heads=5, num_key_value_heads=1, tie_word_embeddings=True))


# Configuration, type that weights are rounded to (and stored in, unless the options say otherwise), options of `save`
# and the type of the GGUF twin's matrices.
CHECKPOINTS = {
    "gpt2": (gpt2(), torch.float16, dict(stored=torch.float32, prefix="transformer.", twin="F16")),
    "gpt2-untied": (
        gpt2(tie_word_embeddings=False, activation_function="gelu", scale_attn_by_inverse_layer_idx=True),
        torch.float16, {},
    ),
    "llama": (llama(rope_parameters=LLAMA3), torch.float16, dict(shards="60KB", twin="F16")),
    "llama-biased": (
        llama(hidden_size=70, num_attention_heads=5, num_key_value_heads=5, head_dim=20, tie_word_embeddings=True,
              attention_bias=True, mlp_bias=True, rope_parameters=LINEAR),
        torch.bfloat16, {},
    ),
    "llama-yarn": (llama(tie_word_embeddings=True, rope_parameters=YARN), torch.float16, dict(twin="F16")),
    "mistral": (
        llama(MistralConfig, hidden_size=44, num_attention_heads=4, num_hidden_layers=1, sliding_window=None),
        torch.bfloat16, {},
    ),
    "qwen2": (qwen2(), torch.float16, dict(twin="F16")),
    "qwen3": (
        llama(Qwen3Config, num_attention_heads=4, num_key_value_heads=2, head_dim=20),
        torch.bfloat16, dict(twin="BF16"),
    ),
}


def tokenizer():
    """A byte-level BPE of VOCAB tokens, the first of which ends a text."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=["<|endoftext|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(["the cat sat on the mat and then the other cat ate the hat"] * 4, trainer)
    assert bpe.get_vocab_size() == VOCAB
    return bpe


def randomise(model, dtype, seed):
    """Every parameter drawn from `seed`, biases and gains too (else they start as 0 and 1), as `dtype` holds it."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() == 1:
            is_gain = ("norm" in name or "ln_" in name) and name.endswith("weight")
            values = 0.2 * noise + (1 if is_gain else 0)
        else:
            values = model.config.initializer_range * noise
        parameter.data.copy_(values.to(dtype).float())


@torch.no_grad()
def forward(model, tokens):
    """Logits [tokens, vocab] of a text, from scratch."""
    return model(torch.tensor([tokens]), use_cache=False).logits[0].float()


def follow(model, prompt, count):
    """The `count` tokens that follow when the likeliest is taken, and each one's margin over the next."""
    tokens, margins = list(prompt), []
    for _ in range(count):
        logits = forward(model, tokens)[-1]
        best, second = logits.topk(2).values.tolist()
        margins.append(best - second)
        tokens.append(int(logits.argmax()))
    return tokens[len(prompt):], margins


def settled(config, dtype):
    """The first model, by seed, whose continuations are varied and never decided by a hair; with its expectations.

    A margin of at least 1/500 of the row's largest logit cannot be flipped by another order of summation in f32.
    """
    for seed in range(1000):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
        randomise(model, dtype, seed)
        draw = np.random.default_rng(seed)
        prompts = [draw.integers(1, VOCAB, count).tolist() for count in (5, 12)]
        cases = []
        for prompt in prompts:
            logits = forward(model, prompt)
            tokens, margins = follow(model, prompt, NEW_TOKENS)
            if min(margins) < logits.abs().max() / 500 or len(set(tokens)) < 16:
                break
            cases.append((prompt, logits, tokens))
        if len(cases) == len(prompts):
            return model, cases, seed
    raise SystemExit(f"no seed settles {config.model_type}")


def assert_scaling_matters(model, cases):
    """The rotary scaling changes what is expected, so that a test would miss it."""
    rope = getattr(model.config, "rope_parameters", None)
    if not rope or rope["rope_type"] == "default":
        return
    default = dict(rope_type="default", rope_theta=rope["rope_theta"])
    plain = type(model.config)(**model.config.to_dict() | dict(rope_parameters=default))
    other = AutoModelForCausalLM.from_config(plain, dtype=torch.float32).eval()
    other.load_state_dict(model.state_dict())
    for prompt, logits, tokens in cases:
        assert (forward(other, prompt) - logits).abs().max() > 0.1, "the scaling changes no logit"
        assert follow(other, prompt, NEW_TOKENS)[0] != tokens, "the scaling changes no token"


def small():
    torch.set_num_threads(1)
    bpe = tokenizer()
    for name, (config, dtype, options) in CHECKPOINTS.items():
        model, cases, seed = settled(config, dtype)
        assert_scaling_matters(model, cases)
        folder = HERE / name
        shutil.rmtree(folder, ignore_errors=True)
        save(model, options.get("stored", dtype), folder, options)
        bpe.save(str(folder / "tokenizer.json"), pretty=False)
        if "twin" in options:
            write_gguf(model, bpe, options["twin"], HERE / f"{name}.gguf")
        expected = [dict(prompt=prompt, greedy=tokens) for prompt, _, tokens in cases]
        write_json(HERE / f"{name}.json", dict(seed=seed, vocab=VOCAB, cases=expected))
        np.concatenate([logits.numpy() for _, logits, _ in cases]).astype("<f4").tofile(HERE / f"{name}.logits")
        print(f"{name}: seed {seed}")


def save(model, dtype, folder, options):
    """As `save_pretrained` writes it; a `prefix` is cut off from the names, as in openai-community/gpt2."""
    stored = AutoModelForCausalLM.from_config(model.config, dtype=dtype)
    stored.load_state_dict(model.state_dict())
    prefix = options.get("prefix")
    tensors = stored.state_dict()
    if prefix:
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name != "lm_head.weight"}
    stored.save_pretrained(folder, state_dict=tensors, max_shard_size=options.get("shards", "1GB"))


def write_json(path, value):
    """Indented, but each list of numbers in one line."""
    text = json.dumps(value, indent=1)
    text = re.sub(r"\[\s+([-\d][^\[\]{}]*?)\s+\]", lambda m: "[" + re.sub(r"\s+", " ", m.group(1)) + "]", text)
    path.write_text(text + "\n")


PROMPTS = [
    "The capital of France is the city",
    "def fibonacci(n):\n    ",
    "Water boils at a temperature of 100",
    "Once upon a time, there was a",
]
QUESTION = "What is the capital of France?"


def smollm2(path):
    path = pathlib.Path(path)
    model = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    text = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    prompts = [text(prompt).input_ids for prompt in PROMPTS]
    for number, prompt in enumerate(prompts):
        assert 6 <= len(prompt) <= 10, (prompt, len(prompt))
        steps = (forward(model, prompt) * LOGIT_STEPS).round()
        assert steps.abs().max() < 2**15
        steps.numpy().astype("<i2").tofile(HERE / f"smollm2.{number}.logits")
    chat = text.apply_chat_template([dict(role="user", content=QUESTION)], add_generation_prompt=True, tokenize=False)
    chat = text(chat).input_ids
    tokens, margins = follow(model, chat, 32)
    print(text.decode(tokens), min(margins))
    write_json(HERE / "smollm2.json", dict(
        vocab=model.config.vocab_size, steps=LOGIT_STEPS, prompts=prompts, texts=PROMPTS,
        chat=dict(question=QUESTION, prompt=chat, greedy=tokens, margins=[round(m, 3) for m in margins]),
    ))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True)
    commands.add_parser("small").set_defaults(run=lambda _: small())
    real = commands.add_parser("smollm2")
    real.add_argument("path")
    real.set_defaults(run=lambda options: smollm2(options.path))
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
