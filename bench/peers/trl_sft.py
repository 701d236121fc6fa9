"""Fine-tunes a checkpoint with TRL's SFTTrainer, for comparison with `starloop train`.

    python trl_sft.py --model DIR --data pairs.jsonl --steps 20 --batch-size 8 --length 1024 --packing

It prints one JSON line: engine, tokens (of examples, without padding), seconds (from reading the data to the saved checkpoint, without
imports), final_loss, peak_memory_mb. Fused AdamW, gradients clipped to a norm of 1, a constant learning rate, loss on completions only, f32.
"""

import argparse
import json
import resource
import tempfile
import time

import torch
import trl
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True, help="JSON lines of prompt and completion")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=8, help="packed rows of a step")
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--packing", action="store_true", help="best fit decreasing into rows of --length, the trainer's default strategy")
    parser.add_argument("--padding-free", action="store_true", help="examples end to end in one row, as many as fill a step")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        tokens, loss = finetune(arguments, out)
    figures = {
        "engine": f"TRL {trl.__version__}",
        "tokens": tokens,
        "seconds": round(time.perf_counter() - began, 3),
        "final_loss": loss,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
    }
    print(json.dumps(figures))


def finetune(arguments, out):
    """Returns the tokens that went through the model, and the mean loss over the last tenth of the steps."""
    with open(arguments.data) as file:
        dataset = Dataset.from_list([json.loads(line) for line in file])
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float32, attn_implementation="sdpa")
    rows = arguments.batch_size
    if arguments.padding_free:
        # Unpacked examples: a step has as many as its rows would hold.
        lengths = [len(tokenizer(row["prompt"] + row["completion"]).input_ids) + 1 for row in dataset]
        rows = max(1, rows * arguments.length * len(lengths) // sum(lengths))
    config = SFTConfig(
        output_dir=out,
        max_steps=arguments.steps,
        per_device_train_batch_size=rows,
        # Without packing, TRL refuses a length limit that it cannot apply. All examples here are much shorter.
        max_length=arguments.length if arguments.packing else None,
        packing=arguments.packing,
        padding_free=arguments.padding_free,
        learning_rate=arguments.learning_rate,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        max_grad_norm=1.0,
        weight_decay=0.0,
        bf16=False,
        use_cpu=True,
        gradient_checkpointing=False,
        torch_compile=arguments.compile,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = SFTTrainer(model, args=config, train_dataset=dataset, processing_class=tokenizer)
    trainer.train()
    trainer.save_model(out)
    logs = [log for log in trainer.state.log_history if "loss" in log]
    late = logs[-max(1, len(logs) // 10) :]
    return logs[-1]["num_tokens"], sum(log["loss"] for log in late) / len(late)


if __name__ == "__main__":
    main()
