"""Answers requests with vLLM on the CPU, for comparison with `starloop bench --mode sample`.

    python vllm_generate.py --model DIR --requests requests.jsonl --threads 2

The script gives all requests at once. vLLM batches them continuously and keeps the keys and values of shared prefixes. vLLM runs in this process,
so its memory is this process's memory.
"""

import os

import requests_file


def main():
    parser = requests_file.parser(__doc__)
    parser.add_argument("--cache-gb", type=int, default=4, help="memory for keys and values")
    arguments = parser.parse_args()
    settings = {
        "VLLM_CPU_KVCACHE_SPACE": arguments.cache_gb,
        "VLLM_CPU_OMP_THREADS_BIND": f"0-{arguments.threads - 1}",
        "VLLM_ENABLE_V1_MULTIPROCESSING": 0,
        "VLLM_LOGGING_LEVEL": "WARNING",
        "HF_HUB_OFFLINE": 1,
    }
    os.environ.update({name: str(value) for name, value in settings.items()})
    import vllm

    requests = requests_file.read(arguments.requests)
    longest = max(len(request["prompt_token_ids"]) + request["max_new_tokens"] for request in requests) + 8
    model = vllm.LLM(
        arguments.model,
        dtype="float32",
        max_model_len=longest,
        enable_prefix_caching=True,
        # The CPU build fails if it computes the prompt of a seeded sample in parts.
        enable_chunked_prefill=False,
        distributed_executor_backend="uni",
        generation_config="vllm",
    )

    def answer(requests):
        prompts = [{"prompt_token_ids": request["prompt_token_ids"]} for request in requests]
        parameters = [
            vllm.SamplingParams(
                temperature=arguments.temperature,
                seed=request["seed"] if arguments.temperature > 0 else None,
                max_tokens=request["max_new_tokens"],
                ignore_eos=True,
                detokenize=False,
            )
            for request in requests
        ]
        answers = model.generate(prompts, parameters, use_tqdm=False)
        return [list(answer.outputs[0].token_ids) for answer in answers]

    requests_file.answer_and_print(f"vLLM {vllm.__version__}", arguments, answer)


if __name__ == "__main__":
    main()
