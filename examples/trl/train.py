"""Fine-tunes a checkpoint with TRL, as the program of `[trainer] kind = "command"`:

    python examples/trl/train.py {settings}
    accelerate launch --config_file examples/trl/fsdp.yaml examples/trl/train.py {settings}

It does the same as the embedded trainer, on every device that accelerate supports: loss on the completion and the end token only, complete
examples packed without attention between them, gradients normalised by the target tokens of the whole step, AdamW and the schedule of
`[training]`, full fine-tuning or the adapters of `[training.lora]`. Batches continue across epochs, so all steps have the same size. Options
for a device follow the settings file: `--attention flash_attention_2 --micro-batch 4`.

The order of examples and the arithmetic are PyTorch's, so the weights differ in some bits from the embedded trainer's.
"""

import argparse
import json
import math
import os
import pathlib
import shutil

import torch
import transformers
import trl
from datasets import Dataset
from transformers.trainer_utils import get_last_checkpoint

# Files that are copied from the base byte for byte. A tokenizer that transformers writes again may differ in form.
COMPANIONS = ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "special_tokens_map.json", "chat_template.jinja"]


def report(**news):
    """Prints a line that starloop reads as progress."""
    print(json.dumps(news), flush=True)


def encode(tokenizer, example, chat):
    """Returns ids and labels of one example. Prompt and completion are tokenized separately, so that no token crosses the border."""
    if chat:
        said = [{"role": "user", "content": example["prompt"]}]
        text = tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        prompt = tokenizer(text, add_special_tokens=False).input_ids
    else:
        prompt = tokenizer(example["prompt"]).input_ids
        # Some tokenizers add an end token to every text. Here it would be in the middle.
        if prompt and prompt[-1] == tokenizer.eos_token_id:
            prompt = prompt[:-1]
    completion = tokenizer(example["completion"], add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
    return {"input_ids": prompt + completion, "labels": [-100] * len(prompt) + completion}


def packed_steps(settings, tokenizer):
    """Returns the packed rows of all steps in order, and the number of examples that were too long."""
    training = settings["training"]
    limit, rows_of_a_step = training["sequence_length"], training["batch_size"]
    with open(settings["data"], encoding="utf-8") as lines:
        examples = [encode(tokenizer, json.loads(line), settings["chat"]) for line in lines]
    fitting = [example for example in examples if len(example["input_ids"]) <= limit]
    too_long = len(examples) - len(fitting)
    if too_long and not training.get("drop_too_long", False):
        raise SystemExit(f"{too_long} examples are longer than training.sequence_length = {limit}; raise it, or set training.drop_too_long = true")
    if not fitting:
        raise SystemExit(f"no example fits into training.sequence_length = {limit}")
    generator = torch.Generator().manual_seed(settings["seed"] % 2**32)
    rows = trl.pack_dataset(Dataset.from_list(fitting), limit, "bfd")
    wanted = settings["steps"] * rows_of_a_step
    epochs = [torch.randperm(len(rows), generator=generator) for _ in range(math.ceil(wanted / len(rows)))]
    return rows.select(torch.cat(epochs)[:wanted].tolist()), too_long


def factor(training, steps, step):
    """Returns the fraction of the peak learning rate at update `step` (from 1), by starloop's schedule."""
    if step <= training["warmup_steps"]:
        return step / training["warmup_steps"]
    start = training["decay_start"] * steps
    progress = min(max((step - start) / max(steps - start, 1.0), 0.0), 1.0)
    fallen = {"constant": 0.0, "linear": progress, "cosine": 0.5 - 0.5 * math.cos(math.pi * progress)}[training["schedule"]]
    return 1.0 - fallen * (1.0 - training["final_fraction"])


class Trainer(trl.SFTTrainer):
    """TRL's trainer with starloop's schedule."""

    def __init__(self, share, **arguments):
        self.share = share
        super().__init__(**arguments)

    def create_scheduler(self, num_training_steps, optimizer=None):
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, lambda done: self.share(done + 1))
        return self.lr_scheduler


class Progress(transformers.TrainerCallback):
    """Prints every step's loss and the number of tokens so far, counted from the rows of the steps."""

    def __init__(self, rows, rows_of_a_step):
        self.rows, self.rows_of_a_step = rows, rows_of_a_step
        self.tokens, self.targets, self.counted = 0, 0, 0

    def count(self, step):
        while self.counted < step:
            at = self.counted * self.rows_of_a_step
            batch = self.rows[at : at + self.rows_of_a_step]
            self.tokens += sum(map(len, batch["input_ids"]))
            self.targets += sum(label != -100 for row in batch["labels"] for label in row)
            self.counted += 1

    def on_log(self, args, state, control, logs=None, **_):
        if not state.is_world_process_zero or "loss" not in (logs or {}):
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise SystemExit(f"the loss of step {state.global_step} is {loss}")
        self.count(state.global_step)
        report(step=state.global_step, loss=loss, tokens=self.tokens, target_tokens=self.targets)


def micro_batch(settings, world, asked):
    """Returns the rows that a device computes at once: the largest divisor of its part of a step within `micro_batch_tokens`."""
    training = settings["training"]
    if training["batch_size"] % world:
        raise SystemExit(f"training.batch_size = {training['batch_size']} cannot be divided evenly among {world} processes")
    share = training["batch_size"] // world
    most = asked or max(1, training["micro_batch_tokens"] // training["sequence_length"])
    return max(rows for rows in range(1, share + 1) if share % rows == 0 and rows <= max(most, 1))


def arguments_of(settings, options):
    """Returns TRL's arguments for a fine-tuning."""
    training = settings["training"]
    world = transformers.TrainingArguments(output_dir=settings["state"], use_cpu=options.cpu, report_to=[]).world_size
    rows = micro_batch(settings, world, options.micro_batch)
    every = training["checkpoint_every"]
    on_gpu = torch.cuda.is_available() and not options.cpu
    return trl.SFTConfig(
        output_dir=settings["state"],
        max_steps=settings["steps"],
        per_device_train_batch_size=rows,
        gradient_accumulation_steps=training["batch_size"] // (rows * world),
        learning_rate=training["learning_rate"],
        adam_beta1=training["betas"][0],
        adam_beta2=training["betas"][1],
        adam_epsilon=training["epsilon"],
        weight_decay=training["weight_decay"],
        max_grad_norm=training["max_grad_norm"],
        seed=settings["seed"] % 2**32,
        # The rows are already packed and in order.
        train_sampling_strategy="sequential",
        packing=False,
        padding_free=True,
        max_length=None,
        shuffle_dataset=False,
        gradient_checkpointing=training.get("recompute_activations", False),
        bf16=on_gpu,
        use_cpu=options.cpu,
        # Report a loss that is not a number.
        logging_nan_inf_filter=False,
        logging_steps=1,
        save_strategy="steps" if every else "no",
        save_steps=every or 500,
        save_total_limit=1,
        report_to=options.report_to,
        disable_tqdm=True,
    )


def adapters(settings):
    """Returns PEFT's config for `[training.lora]`, if the section exists."""
    lora = settings["training"].get("lora")
    if lora is None:
        return None
    import peft

    targets = lora["target_modules"]
    return peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=lora["rank"],
        lora_alpha=lora["alpha"],
        lora_dropout=lora["dropout"],
        target_modules="all-linear" if targets == ["all-linear"] else targets,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", type=pathlib.Path, help="the settings file from starloop ({settings})")
    parser.add_argument("--attention", default="sdpa", help="attn_implementation of transformers; flash_attention_2 is much faster on GPUs")
    parser.add_argument("--micro-batch", type=int, help="packed sequences that a device computes at once, instead of micro_batch_tokens")
    parser.add_argument("--report-to", default="none", help="an additional log of TRL, such as tensorboard or wandb")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU even if there is a GPU")
    options = parser.parse_args()
    settings = json.loads(options.settings.read_text(encoding="utf-8"))

    arguments = arguments_of(settings, options)
    tokenizer = transformers.AutoTokenizer.from_pretrained(settings["base"])
    rows, too_long = packed_steps(settings, tokenizer)
    # Trained weights have 32 bits: in 16 bits, steps at the paper's learning rate of 1e-6 are rounded away. A frozen model keeps its type.
    lora = adapters(settings)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        settings["base"], dtype="auto" if lora else torch.float32, attn_implementation=options.attention
    )
    trainer = Trainer(
        share=lambda step: factor(settings["training"], settings["steps"], step),
        model=model,
        args=arguments,
        train_dataset=rows,
        processing_class=tokenizer,
        peft_config=lora,
        callbacks=[Progress(rows, settings["training"]["batch_size"])],
    )
    check_launch(trainer)
    state = pathlib.Path(settings["state"])
    trainer.train(resume_from_checkpoint=get_last_checkpoint(state) if state.is_dir() else None)
    if trainer.is_fsdp_enabled:
        trainer.accelerator.state.fsdp_plugin.set_state_dict_type("FULL_STATE_DICT")
    trainer.save_model(settings["out"])
    if trainer.is_world_process_zero():
        finish(settings, lora)
        if too_long:
            report(dropped_too_long=too_long)


def check_launch(trainer):
    """Logs how the work is divided. Stops if FSDP was requested and is not used, because accelerate is silent about it."""
    accelerator = trainer.accelerator
    if os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true" and not trainer.is_fsdp_enabled:
        raise SystemExit("FSDP was requested, but accelerate does not use it: it shards on accelerators only; on a CPU use torchrun")
    accelerator.print(f"{accelerator.num_processes} processes, {accelerator.distributed_type}")


def finish(settings, lora):
    """Copies the base's files to the new weights, and removes files that do not belong to a checkpoint."""
    base, out = pathlib.Path(settings["base"]), pathlib.Path(settings["out"])
    (out / "training_args.bin").unlink(missing_ok=True)
    for name in COMPANIONS:
        (out / name).unlink(missing_ok=True)
        if lora is None and (base / name).exists():
            shutil.copyfile(base / name, out / name)
    if lora is None:
        # Training disables parts of the config that sampling needs, such as the cache.
        config, saved = [json.loads((place / "config.json").read_text(encoding="utf-8")) for place in (base, out)]
        config["torch_dtype" if "torch_dtype" in config else "dtype"] = saved.get("dtype", "float32")
        (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
