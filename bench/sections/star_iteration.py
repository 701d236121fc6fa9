"""One whole iteration of STaR on arithmetic from the shipped base, compared with a PyTorch script written for it."""

import json

import page
from alternate import Engine, alternate, peer, starloop

STAGES = ("evaluating the base", "sampling", "rationalizing", "fine_tuning", "evaluating")
QUICK = ("task.problems_per_iteration=100", "task.evaluation_per_class=10", "training.steps=10", "training.max_steps=10")


def measure(settings):
    run_dir = settings.scratch / "star-iteration"
    overrides = ['run=["star"]', "methods.star.iterations=1", *(QUICK if settings.quick else ())]
    command = starloop(settings, "run", "arithmetic", "--run-dir", run_dir, *(f"--set={override}" for override in overrides))
    engines = [
        Engine("starloop run", command, read=lambda elapsed: read(run_dir) | {"seconds": elapsed}, leftover=run_dir),
        Engine("PyTorch", peer("star_iteration.py", "--run-dir", run_dir, "--threads", settings.threads)),
    ]
    engines = alternate(engines, settings)
    stages = [(f">{stage.replace('_', '-')}, s", lambda engine, stage=stage: f"{middle(engine, stage):.1f}") for stage in STAGES]
    accuracy = (">accuracy", lambda engine: f"{engine.runs[0].figures['base_accuracy']:.3f} → {engine.runs[0].figures['accuracy']:.3f}")
    return f"""The first iteration of `starloop run arithmetic`, method `star`: evaluation of the base with worked examples in its prompt, sampling and
rationalizing, selection, fine-tuning, evaluation; f32. The PyTorch script reads the checkpoint, the settings and the problems from starloop's run directory. The
seconds are those of starloop's whole process, and those of the script without imports. The seconds of a stage are medians.

{page.comparison(engines, [*stages, accuracy], by_seconds=True)}"""


def middle(engine, stage):
    return page.median([run.figures["stages"][stage] for run in engine.runs])


def read(run_dir):
    """Returns tokens, seconds of each stage and accuracies of a run."""
    events = [json.loads(line) for line in (run_dir / "events.jsonl").read_text().splitlines()]
    finished = [event for event in events if event.get("event") == "stage_finished"]
    stages = {}
    for event in finished:
        base = event["stage"] == "evaluating" and event["iteration"] == 0
        stages["evaluating the base" if base else event["stage"]] = event["seconds"]
    accuracies = [json.loads((run_dir / "star" / f"iter-00{n}" / "metrics.json").read_text())["accuracy"]["mean"] for n in (0, 1)]
    return {
        "tokens": sum(event["tokens"] for event in finished),
        "stages": stages,
        "base_accuracy": accuracies[0],
        "accuracy": accuracies[1],
    }
