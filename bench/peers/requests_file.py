"""Shared by the sampling peers: the requests that they read and the line that they print."""

import argparse
import json
import resource
import time


def parser(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--requests", required=True, help="JSON lines of prompt_token_ids, max_new_tokens and seed")
    parser.add_argument("--temperature", type=float, default=0.0, help="0 chooses the most likely token")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--answers", help="a file for the generated tokens, as JSON lines in the order of the requests")
    return parser


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def answer_and_print(engine, arguments, answer, peak_memory_mb=None):
    """Measures `answer`, which takes the requests and returns the generated tokens of each. Prints the figures."""
    requests = read(arguments.requests)
    began = time.perf_counter()
    answers = answer(requests)
    seconds = time.perf_counter() - began
    for request, tokens in zip(requests, answers, strict=True):
        if len(tokens) != request["max_new_tokens"]:
            raise SystemExit(f"{engine}: {len(tokens)} tokens, expected {request['max_new_tokens']}")
    if arguments.answers:
        with open(arguments.answers, "w") as file:
            file.writelines(json.dumps(tokens) + "\n" for tokens in answers)
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    figures = {
        "engine": engine,
        "tokens": sum(map(len, answers)),
        "seconds": round(seconds, 3),
        "peak_memory_mb": round(peak_memory_mb() if peak_memory_mb else own_mb, 1),
    }
    print(json.dumps(figures))
