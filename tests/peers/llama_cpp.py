"""llama.cpp, compiled for this processor, on a GGUF file: python llama_cpp.py MODEL OPTIONS

OPTIONS is JSON: `{ threads, prefill, decode, newTokens, runs }`. Prints a report like the browsers': a prompt until the
first new token, an answer from the first new token to the last. Every prompt begins with another token.
"""

import json
import sys
import time

# This file has the package's name.
sys.path.pop(0)
import llama_cpp  # noqa: E402
from llama_cpp import Llama  # noqa: E402

WARM_UP = (8, 2)


def measure(path: str, options: dict) -> dict:
    sizes = options["prefill"] + options["decode"]
    begun = time.perf_counter()
    model = Llama(
        path,
        n_ctx=max(sizes) + options["newTokens"],
        n_threads=options["threads"],
        n_threads_batch=options["threads"],
        verbose=False,
    )
    load_ms = since(begun)
    complete(model, 0, *WARM_UP)
    load_to_token_ms = since(begun)

    calls = 0

    def repeat(tokens: int, answer: int) -> list[tuple[float, float]]:
        nonlocal calls
        calls += options["runs"]
        return [complete(model, calls - run, tokens, answer) for run in range(options["runs"])]

    prefill, decode = [], []
    for tokens in options["prefill"]:
        times = [first for first, _ in repeat(tokens, 1)]
        prefill.append({"tokens": tokens, "tokens_per_s": spread([tokens / ms * 1000 for ms in times])})
    for positions in options["decode"]:
        more = options["newTokens"] - 1
        rates = [more / rest * 1000 for _, rest in repeat(positions, options["newTokens"])]
        decode.append({"positions": positions, "tokens_per_s": spread(rates)})
    adapter = {
        "name": f"llama.cpp by llama-cpp-python {llama_cpp.__version__}",
        "driver": llama_cpp.llama_print_system_info().decode().strip(" |"),
        "variants": f"threads={options['threads']}",
    }
    timed = {"load_ms": load_ms, "load_to_token_ms": load_to_token_ms, "prefill": prefill, "decode": decode}
    return {"adapter": adapter, "runs": options["runs"], "new_tokens": options["newTokens"], **timed}


def complete(model: Llama, call: int, tokens: int, answer: int) -> tuple[float, float]:
    """Milliseconds to the first new token, and from it to the last; greedy."""
    prompt = [1000 + call] + [2000] * (tokens - 1)
    model.reset()
    begun = time.perf_counter()
    model.eval(prompt)
    token = greedy(model)
    first_ms = since(begun)
    begun = time.perf_counter()
    for _ in range(answer - 1):
        model.eval([token])
        token = greedy(model)
    return first_ms, since(begun)


def greedy(model: Llama) -> int:
    return model.sample(temp=0.0, repeat_penalty=1.0)


def since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def spread(values: list[float]) -> dict:
    ordered = sorted(values)
    last = len(ordered) - 1
    return {"median": (ordered[last // 2] + ordered[(last + 1) // 2]) / 2, "min": ordered[0], "max": ordered[last]}


print(json.dumps(measure(sys.argv[1], json.loads(sys.argv[2]))))
