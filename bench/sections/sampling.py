"""Sampling as in the loop: many questions after one prefix of worked examples, with different lengths. Compared with transformers, vLLM and llama.cpp."""

from dataclasses import replace

import material
import page
from alternate import Engine, alternate, peer, run, starloop


def measure(settings, temperature, samples):
    """The small base, all questions."""
    return of_questions(settings, 8 if settings.quick else material.QUESTIONS, temperature, samples)


def measure_checkpoint(settings):
    """A pretrained checkpoint, some questions."""
    settings = replace(settings, base=settings.checkpoint, scratch=settings.scratch / settings.checkpoint.name)
    settings.scratch.mkdir(parents=True, exist_ok=True)
    return of_questions(settings, 4 if settings.quick else 64, temperature=0.0, samples=1)


def of_questions(settings, questions, temperature, samples):
    requests, prefix = material.requests(settings, questions, samples)
    asked = f"{samples} samples each at temperature {temperature}" if samples > 1 else "greedy"
    return f"""{questions} questions of GSM8K behind one prefix of {material.WORKED_EXAMPLES} worked examples ({prefix:,} tokens), {asked}, by `{settings.base.name}`
({material.parameters(settings.base) / 1e6:,.1f}M parameters). A request ends after as many tokens as its reference solution has, at most {material.MAX_NEW_TOKENS}. This is the
same for every engine; end tokens are ignored. Tokens per second count generated tokens. The time includes the prompts, but not the loading of the
model. Weights are f32 unless a row says otherwise.

{of_model(settings, settings.base, requests, temperature)}"""


def of_model(settings, model, requests, temperature):
    given = ["--requests", requests, "--temperature", temperature]
    scripts = [*given, "--threads", settings.threads]
    engines = [
        Engine("starloop", starloop(settings, "bench", "--mode", "sample", "--model", model, *given, "--json")),
        Engine("transformers generate", peer("transformers_generate.py", "--model", model, *scripts)),
        Engine("transformers continuous batching", peer("transformers_generate.py", "--model", model, *scripts, "--continuous")),
    ]
    if settings.vllm_python:
        engines.append(Engine("vLLM", peer("vllm_generate.py", "--model", model, *scripts, python=settings.vllm_python)))
    for kind in ("f32", "f16"):
        gguf = settings.scratch / f"{model.name}-{kind}.gguf"
        conversion = Engine("conversion", peer("to_gguf.py", "--model", model, "--kind", kind, "--out", gguf), read=nothing)
        run(conversion)
        command = peer("llama_cpp_generate.py", "--model", gguf, *scripts)
        engines.append(Engine(f"llama-cpp-python {kind}", command, failure=conversion.failure))
        if settings.llama_server:
            server = [*command, "--server", settings.llama_server]
            engines.append(Engine(f"llama-server {kind}", server, failure=conversion.failure))
    return page.comparison(alternate(engines, settings))


def nothing(_elapsed):
    """For a process that only needs to succeed."""
    return {"tokens": 0, "seconds": 1}
