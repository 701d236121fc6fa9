"""Answers requests with transformers, for comparison with `starloop bench --mode sample`.

    python transformers_generate.py --model DIR --requests requests.jsonl --threads 2
    python transformers_generate.py --model DIR --requests requests.jsonl --threads 2 --continuous

The first command calls `generate` on batches of prompts, sorted by length and padded on the left. A finished row is frozen, and a batch ends
when all its rows are finished. The second command gives all requests to the library's continuous batching, which shares pages between prompts
with the same beginning. Both use f32 and PyTorch's fused attention.
"""

import requests_file
import torch
import transformers
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig, StoppingCriteria, StoppingCriteriaList


def main():
    parser = requests_file.parser(__doc__)
    parser.add_argument("--continuous", action="store_true")
    parser.add_argument("--batch-size", type=int, default=64, help="rows of a batch; for --continuous, requests at once")
    arguments = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32, attn_implementation="sdpa")
    answer = continuously if arguments.continuous else in_batches
    engine = f"transformers {transformers.__version__}"
    requests_file.answer_and_print(engine, arguments, lambda requests: answer(model, requests, arguments))


class Wanted(StoppingCriteria):
    """Answers batches. Each row ends at its own length."""

    def __init__(self, lengths):
        self.lengths = torch.tensor(lengths)

    def __call__(self, input_ids, scores, **_):
        return input_ids.shape[1] >= self.lengths


@torch.inference_mode()
def in_batches(model, requests, arguments):
    answers = [None] * len(requests)
    order = sorted(range(len(requests)), key=lambda i: len(requests[i]["prompt_token_ids"]))
    for first in range(0, len(order), arguments.batch_size):
        batch = order[first : first + arguments.batch_size]
        prompts = [requests[i]["prompt_token_ids"] for i in batch]
        new = [requests[i]["max_new_tokens"] for i in batch]
        width = max(map(len, prompts))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        criteria = StoppingCriteriaList([Wanted([width + n for n in new])])
        config = sampling(arguments, max_new_tokens=max(new))
        out = model.generate(ids, attention_mask=mask, generation_config=config, stopping_criteria=criteria)
        for i, row, n in zip(batch, out[:, width:].tolist(), new, strict=True):
            answers[i] = row[:n]
    return answers


# Not in inference mode, because the manager's thread writes to tensors that are created here.
@torch.no_grad()
def continuously(model, requests, arguments):
    # As many pages as the simultaneous requests can fill. The default is a fraction of the machine's memory.
    longest = max(len(request["prompt_token_ids"]) + request["max_new_tokens"] for request in requests)
    page = 32
    paging = ContinuousBatchingConfig(
        page_size=page, num_blocks=arguments.batch_size * -(-longest // page), max_batch_tokens=1024, max_requests_per_batch=arguments.batch_size
    )
    answers = {}
    config = sampling(arguments, max_new_tokens=128)
    with model.continuous_batching_context_manager(generation_config=config, continuous_batching_config=paging) as manager:
        for number, request in enumerate(requests):
            manager.add_request(
                request["prompt_token_ids"], request_id=str(number), max_new_tokens=request["max_new_tokens"], eos_token_id=-1
            )
        while len(answers) < len(requests):
            result = manager.get_result(timeout=1)
            if result is None and not manager.is_running():
                raise SystemExit("the manager stopped before all requests were answered")
            if result is not None and result.is_finished():
                if result.error:
                    raise SystemExit(result.error)
                answers[int(result.request_id)] = result.generated_tokens
    return [answers[number] for number in range(len(requests))]


def sampling(arguments, max_new_tokens):
    """Ends a row only at its length."""
    config = GenerationConfig(max_new_tokens=max_new_tokens, pad_token_id=0, eos_token_id=None)
    if arguments.temperature > 0:
        config.update(do_sample=True, temperature=arguments.temperature, top_k=0, top_p=1.0)
    return config


if __name__ == "__main__":
    main()
