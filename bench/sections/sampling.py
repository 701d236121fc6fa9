"""Sampling as the loop does it: many questions behind one prefix of worked examples, ragged endings; beside transformers and llama.cpp."""

import material
import page
from alternate import Engine, alternate, peer, run, starloop


def measure(settings, temperature, samples):
    questions = 8 if settings.quick else material.QUESTIONS
    requests, prefix = material.requests(settings, questions, samples)
    models = {
        "the words base (2.6M parameters)": settings.base,
        "a random llama of 6 layers and width 256 (6M)": material.random_llama(settings, "S", layers=6, hidden=256, heads=8, intermediate=768),
    }
    asked = f"{samples} samples each at temperature {temperature}" if samples > 1 else "greedy"
    head = f"""{questions} questions of GSM8K behind one prefix of {material.WORKED_EXAMPLES} worked examples ({prefix:,} tokens), {asked}. A request ends after as many tokens as
its reference solution has, at most {material.MAX_NEW_TOKENS}, the same for every engine; end tokens are ignored. Tokens per second count generated
tokens; prompts are computed inside the time, loading the model is not. f32 unless said otherwise."""
    tables = [f"{name[0].upper()}{name[1:]}:\n\n{of_model(settings, model, requests, temperature)}" for name, model in models.items()]
    return "\n\n".join([head, *tables])


def of_model(settings, model, requests, temperature):
    model = material.endless(settings, model)
    given = ["--requests", requests, "--temperature", temperature]
    scripts = [*given, "--threads", settings.threads]
    engines = [
        Engine("starloop", starloop(settings, "bench", "--mode", "sample", "--model", model, *given, "--json")),
        Engine("transformers generate", peer("transformers_generate.py", "--model", model, *scripts)),
        Engine("transformers continuous batching", peer("transformers_generate.py", "--model", model, *scripts, "--continuous")),
    ]
    for kind in ("f32", "f16"):
        gguf = model / f"{kind}.gguf"
        conversion = Engine("conversion", peer("to_gguf.py", "--model", model, "--kind", kind, "--out", gguf), read=nothing)
        run(conversion)
        command = peer("llama_cpp_generate.py", "--model", gguf, *scripts)
        engines.append(Engine(f"llama-cpp-python {kind}", command, failure=conversion.failure))
        if settings.llama_server:
            server = [*command, "--server", settings.llama_server]
            engines.append(Engine(f"llama-server {kind}", server, failure=conversion.failure))
    return page.comparison(alternate(engines, settings))


def nothing(_elapsed):
    """A process that is only to end well."""
    return {"tokens": 0, "seconds": 1}
