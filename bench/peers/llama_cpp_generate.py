"""Answers requests with llama.cpp, for comparison with `starloop bench --mode sample`.

    python llama_cpp_generate.py --model model.gguf --requests requests.jsonl --threads 2
    python llama_cpp_generate.py --model model.gguf --requests requests.jsonl --threads 2 --server llama-server

The first command runs llama-cpp-python in this process, one request after another. It keeps the keys and values that a prompt shares with the
previous one. The second command starts llama.cpp's own server. Its slots are batched continuously, and each slot keeps its previous prompt. The
script sends as many requests at once as there are slots. Keys and values are f16, llama.cpp's default, for all types of weights.
"""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import requests_file


def main():
    parser = requests_file.parser(__doc__)
    parser.add_argument("--server", help="the llama-server program")
    parser.add_argument("--slots", type=int, default=16, help="requests that the server answers at once")
    arguments = parser.parse_args()
    (by_server if arguments.server else in_process)(arguments)


def in_process(arguments):
    import llama_cpp

    requests = requests_file.read(arguments.requests)
    threads = {"n_threads": arguments.threads, "n_threads_batch": arguments.threads}
    model = llama_cpp.Llama(arguments.model, n_ctx=longest(requests), verbose=False, **threads)

    def answer(requests):
        answers = []
        for request in requests:
            model.set_seed(request["seed"])
            tokens = model.generate(request["prompt_token_ids"], top_k=0, top_p=1.0, min_p=0.0, temp=arguments.temperature)
            answers.append([next(tokens) for _ in range(request["max_new_tokens"])])
        return answers

    requests_file.answer_and_print(f"llama-cpp-python {llama_cpp.__version__}", arguments, answer)


def by_server(arguments):
    requests = requests_file.read(arguments.requests)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    slots = ["--parallel", arguments.slots, "--ctx-size", arguments.slots * longest(requests), "--no-kv-unified"]
    command = [arguments.server, "--model", arguments.model, *slots, "--threads", arguments.threads, "--port", port, "--host", "127.0.0.1"]
    server = subprocess.Popen([*map(str, command), "--no-webui", "--log-disable"], stdout=sys.stderr)
    address = f"http://127.0.0.1:{port}"

    def one(request):
        settings = {"ignore_eos": True, "cache_prompt": True, "return_tokens": True, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
        body = {
            "prompt": request["prompt_token_ids"],
            "n_predict": request["max_new_tokens"],
            "temperature": arguments.temperature,
            "seed": request["seed"],
            **settings,
        }
        asked = urllib.request.Request(f"{address}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked) as response:
            return json.load(response)["tokens"]

    def answer(requests):
        with ThreadPoolExecutor(arguments.slots) as pool:
            return list(pool.map(one, requests))

    def stop():
        """Stops the server and returns its peak memory."""
        server.terminate()
        _, _, usage = os.wait4(server.pid, 0)
        server.returncode = 0
        return usage.ru_maxrss * 1024 / 1e6

    try:
        wait_until_it_answers(server, f"{address}/health")
        requests_file.answer_and_print("llama-server", arguments, answer, stop)
    finally:
        if server.returncode is None:
            server.kill()


def wait_until_it_answers(server, address):
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit(f"llama-server ended with exit code {server.returncode}")
        try:
            urllib.request.urlopen(address)
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("llama-server did not answer within a minute")


def longest(requests):
    return max(len(request["prompt_token_ids"]) + request["max_new_tokens"] for request in requests) + 8


if __name__ == "__main__":
    main()
