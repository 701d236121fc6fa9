"""Trains with TRL's GRPOTrainer on the verdicts of starloop.

    python grpo.py                       the shipped arithmetic model, a few steps: a test of the connection
    python grpo.py --model DIR           another checkpoint directory

Needs requirements.txt beside this file.
"""

import argparse
import pathlib
import tempfile

import datasets
import starloop
import trl


def reward(completions, answer, **columns):
    verdicts = starloop.verify("arithmetic", completions, answer)
    return [float(verdict.is_correct) for verdict in verdicts]


def problems(count: int) -> datasets.Dataset:
    """Sums of two numbers of one digit, in the format that the shipped model knows."""
    pairs = [(a, b) for a in range(1, 10) for b in range(1, 10)][:count]
    prompts = [f"Input:\n{a} + {b}\nTarget:\n" for a, b in pairs]
    return datasets.Dataset.from_dict({"prompt": prompts, "answer": [" ".join(str(a + b)) for a, b in pairs]})


def shipped_model(place: pathlib.Path) -> pathlib.Path:
    """The shipped model as a checkpoint directory."""
    config = {
        "name": "base",
        "run": ["few_shot"],
        "model": {"base": "builtin:arithmetic"},
        "task": {"kind": "arithmetic", "digits": [1, 1], "evaluation_per_class": 1},
        "sampling": {"max_new_tokens": 8, "few_shot": 0},
        "methods": {"few_shot": {"kind": "few_shot"}},
    }
    return starloop.run(config, run_dir=place / "run").path / "base"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a checkpoint directory; by default the shipped arithmetic model")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--out", default="grpo")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        model = arguments.model or str(shipped_model(pathlib.Path(place)))
        settings = trl.GRPOConfig(
            output_dir=arguments.out,
            max_steps=arguments.steps,
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=64,
            logging_steps=1,
            report_to=[],
            use_cpu=True,
            save_strategy="no",
        )
        trainer = trl.GRPOTrainer(model=model, reward_funcs=reward, args=settings, train_dataset=problems(32))
        trainer.train()
        rewards = [entry["reward"] for entry in trainer.state.log_history if "reward" in entry]
        print("mean reward of each step:", " ".join(f"{value:.2f}" for value in rewards))


if __name__ == "__main__":
    main()
