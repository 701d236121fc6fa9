"""Runs a program with accelerate's FSDP on the processor: accelerate shards on accelerators only, though PyTorch does so here as well.

    accelerate launch --config_file examples/trl/fsdp.yaml --num_processes 2 crates/cli/tests/it/fsdp_on_cpu.py examples/trl/train.py {settings} --cpu

What is lifted is that one condition, by the name of the kind of machines; the rest is what runs on GPUs, with gloo instead of NCCL.
"""

import runpy
import sys

from accelerate.state import DistributedType, PartialState

begin = PartialState.__init__


def begin_as_on_gpus(state, *arguments, **named):
    begin(state, *arguments, **named)
    if state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type = DistributedType.MULTI_GPU


PartialState.__init__ = begin_as_on_gpus
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
