"""One iteration of STaR on arithmetic in PyTorch and transformers, for comparison with `starloop run`.

    python star_iteration.py --run-dir runs/arithmetic --threads 2

It reads checkpoint, settings and problems of iteration 1 from a run directory of starloop. It prints one JSON line: tokens (sampled and trained),
seconds (from loading the model to the last evaluation), stages (the seconds of each), base_accuracy, accuracy.

The script is short and fast. Prompts of one digit count have one length, so batches need no padding. `generate` keeps keys and values, and stops
at the end token or at the beginning of the next problem. Training packs examples into rows with a block-diagonal mask, with fused attention and
fused AdamW. The script draws its own worked examples, with the same number and the same digit counts as starloop's.
"""

import argparse
import json
import random
import resource
import time
import tomllib
from collections import defaultdict
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

BATCH = 256  # rows sampled at once


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    random.seed(0)
    iteration = Iteration(arguments.run_dir)
    began = time.perf_counter()
    figures = iteration.run()
    figures |= {
        "engine": f"PyTorch {torch.__version__}",
        "seconds": round(time.perf_counter() - began, 3),
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
    }
    print(json.dumps(figures))


class Iteration:
    def __init__(self, run_dir):
        config = tomllib.loads((run_dir / "config.toml").read_text())
        method = config["methods"]["star"]
        section = lambda name: config[name] | method.get(name, {})
        self.sampling, self.training = section("sampling"), section("training")
        self.base = run_dir / "base"
        self.tokenizer = Tokenizer.from_file(str(self.base / "tokenizer.json"))
        self.problems = problems_of(run_dir / "star" / "iter-001" / "attempts.jsonl")
        self.held_out = problems_of(run_dir / "star" / "iter-001" / "eval.jsonl")
        self.stages = {}
        self.tokens = 0

    def run(self):
        few_shot = self.sampling["few_shot"]
        model = self.load()
        before = self.timed("evaluating the base", lambda: self.accuracy(model, few_shot))
        kept = self.timed("sampling", lambda: self.solve(model, self.problems, few_shot))
        failed = [problem for problem in self.problems if problem not in kept]
        hinted = self.timed("rationalizing", lambda: self.solve(model, failed, few_shot, hinted=True))
        hinted = {problem: text for problem, text in hinted.items() if not leaks(text)}
        examples = [(question(problem), text) for problem, text in (kept | hinted).items()]
        model = self.load()
        self.timed("fine_tuning", lambda: self.finetune(model, examples))
        after = self.timed("evaluating", lambda: self.accuracy(model, few_shot if self.sampling["few_shot_iterations"] == 0 else 0))
        return {"tokens": self.tokens, "stages": self.stages, "base_accuracy": before, "accuracy": after, "kept": len(kept), "rationalized": len(hinted)}

    def load(self):
        return AutoModelForCausalLM.from_pretrained(self.base, dtype=torch.float32, attn_implementation="sdpa")

    def timed(self, stage, work):
        began = time.perf_counter()
        result = work()
        self.stages[stage] = round(time.perf_counter() - began, 3)
        return result

    def accuracy(self, model, few_shot):
        return len(self.solve(model, self.held_out, few_shot)) / len(self.held_out)

    def solve(self, model, problems, few_shot, hinted=False):
        """Returns the completions that end with the right answer, by problem."""
        right = {}
        of_length = defaultdict(list)
        for problem in problems:
            of_length[len(problem[0])].append(problem)
        for digits, group in of_length.items():
            examples = "".join(worked_example(digits, hinted) for _ in range(few_shot))
            for first in range(0, len(group), BATCH):
                batch = group[first : first + BATCH]
                prompts = [examples + question(problem, hinted) for problem in batch]
                for problem, text in zip(batch, self.generate(model, prompts), strict=True):
                    if answer(text) == sum(map(int, problem)):
                        right[problem] = text
        return right

    @torch.inference_mode()
    def generate(self, model, prompts):
        ids = torch.tensor([encoding.ids for encoding in self.tokenizer.encode_batch(prompts)])
        ends = [self.tokenizer.token_to_id("<|endoftext|>"), self.tokenizer.token_to_id("Input:")]
        out = model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=self.sampling["max_new_tokens"], do_sample=False, eos_token_id=ends, pad_token_id=ends[0]
        )
        texts = []
        for row in out[:, ids.shape[1] :].tolist():
            count = next((i for i, token in enumerate(row) if token in ends), len(row))
            self.tokens += min(count + 1, len(row))
            texts.append(self.tokenizer.decode(row[:count]).strip())
        return texts

    def finetune(self, model, examples):
        settings = self.training
        rows = self.packed(examples)
        optimizer = torch.optim.AdamW(
            model.parameters(), lr=settings["learning_rate"], betas=settings["betas"], weight_decay=settings["weight_decay"], fused=True
        )
        steps = settings["steps"]
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.rate(step + 1, steps))
        model.train()
        for _ in range(steps):
            ids, positions, targets, mask = collate([next(rows) for _ in range(settings["batch_size"])], settings["sequence_length"])
            self.tokens += int((positions >= 0).sum())
            hidden = model.model(ids, position_ids=positions.clamp(min=0), attention_mask=mask).last_hidden_state
            # Compute logits only for targets.
            learned = targets[:, 1:] >= 0
            logits = model.lm_head(hidden[:, :-1][learned])
            torch.nn.functional.cross_entropy(logits, targets[:, 1:][learned]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings["max_grad_norm"])
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        model.eval()

    def rate(self, step, steps):
        """Returns the learning rate: warm-up, constant, then a linear decrease to a fraction."""
        settings = self.training
        if step <= settings["warmup_steps"]:
            return step / settings["warmup_steps"]
        begin = steps * settings["decay_start"]
        if step <= begin:
            return 1.0
        return 1 - (1 - settings["final_fraction"]) * (step - begin) / (steps - begin)

    def packed(self, examples):
        """Yields rows of documents, epoch after epoch."""
        end = self.tokenizer.token_to_id("<|endoftext|>")
        documents = []
        for prompt, completion in examples:
            prompt = self.tokenizer.encode(prompt).ids
            documents.append((prompt, [*self.tokenizer.encode(completion).ids, end]))
        row, used = [], 0
        while True:
            random.shuffle(documents)
            for prompt, completion in documents:
                if used + len(prompt) + len(completion) > self.training["sequence_length"]:
                    yield row
                    row, used = [], 0
                row.append((prompt, completion))
                used += len(prompt) + len(completion)


def problems_of(path):
    """Returns the addends of each problem as digits, each problem once, in order."""
    ids = dict.fromkeys(json.loads(line)["problem"] for line in path.read_text().splitlines())
    return [tuple(problem.rsplit("/", 1)[1].split("+")) for problem in ids]


def question(problem, hinted=False):
    left, right = problem
    hint = f" {spaced(str(int(left) + int(right)).zfill(len(left) + 1))}" if hinted else ""
    return f"Input:\n{spaced(left)} + {spaced(right)}\nTarget:{hint}\n"


def worked_example(digits, hinted):
    problem = tuple("".join(random.choices("0123456789", k=digits)) for _ in range(2))
    return question(problem, hinted) + scratchpad(*problem) + "\n"


def scratchpad(left, right):
    lines, done, carry = [f"{spaced(left)} + {spaced(right)} , C: 0"], "", 0
    for column in reversed(range(len(left))):
        total = int(left[column]) + int(right[column]) + carry
        done, carry = f"{total % 10}{done}", total // 10
        rest = f"{left[column - 1]} + {right[column - 1]} " if column else ""
        lines.append(f"{rest}, {spaced(done)} C: {carry}")
    total = int(left) + int(right)
    return "\n".join(["<scratch>", *lines, spaced(f"{carry}{done}"), "</scratch>", spaced(str(total))])


def spaced(digits):
    return " ".join(digits)


def answer(text):
    """Returns the number after the scratchpad, or of a text without a scratchpad. An open scratchpad has no answer."""
    _, closed, after = text.partition("</scratch>")
    if not closed and "<scratch>" in text:
        return None
    line = (after if closed else text).strip().split("\n", 1)[0].replace(" ", "")
    return int(line) if line.isdigit() else None


def leaks(text):
    """Returns whether a hinted completion shows the hint, or only copies it."""
    scratch, closed, _ = text.partition("</scratch>")
    return "Target:" in text or not closed or "C:" not in scratch


def collate(rows, length):
    """Returns tokens, positions that restart with each document, targets, and a mask that separates documents."""
    ids, targets, documents = (torch.full((len(rows), length), fill) for fill in (0, -1, -1))
    positions = torch.full((len(rows), length), -1)
    for at, row in enumerate(rows):
        begin = 0
        for number, (prompt, completion) in enumerate(row):
            end = begin + len(prompt) + len(completion)
            ids[at, begin:end] = torch.tensor(prompt + completion)
            positions[at, begin:end] = torch.arange(end - begin)
            targets[at, begin + len(prompt) : end] = torch.tensor(completion)
            documents[at, begin:end] = number
            begin = end
    same = documents[:, :, None] == documents[:, None, :]
    mask = (same & torch.ones(length, length, dtype=torch.bool).tril())[:, None]
    return ids, positions, targets, mask


if __name__ == "__main__":
    main()
