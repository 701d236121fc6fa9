"""Times one matrix product in PyTorch or NumPy, for comparison with `starloop bench --mode product`.

    python pytorch_matmul.py --product NT:8192x768x256 --threads 2
    python pytorch_matmul.py --product TN:1536x256x8192 --threads 2 --numpy

It prints {"engine": ..., "gflop": ..., "seconds": ...}: the median of all runs that fit into 0.6 seconds, after one warm-up run. PyTorch contains
MKL, NumPy contains OpenBLAS. The result is written into an existing buffer.
"""

import argparse
import json
import os
import statistics
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--product", required=True, help="LAYOUT:MxNxK with layout NT, NN or TN")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--numpy", action="store_true")
    arguments = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = str(arguments.threads)
    # These variables may be set for older builds. This build selects the right values itself.
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    layout, sizes = arguments.product.split(":")
    m, n, k = map(int, sizes.split("x"))
    shape = lambda stored, rows, columns: (columns, rows) if stored == "T" else (rows, columns)
    shapes = shape(layout[0], m, k), shape(layout[1], k, n)
    engine, product = (in_numpy if arguments.numpy else in_pytorch)(layout, shapes, (m, n), arguments.threads)
    print(json.dumps({"engine": engine, "gflop": 2 * m * n * k / 1e9, "seconds": median_seconds(product)}))


def in_pytorch(layout, shapes, result, threads):
    import torch

    torch.set_num_threads(threads)
    a, b = (torch.rand(shape) - 0.5 for shape in shapes)
    a, b = (x.T if stored == "T" else x for x, stored in zip((a, b), layout))
    out = torch.empty(result)
    return f"PyTorch {torch.__version__}", lambda: torch.mm(a, b, out=out)


def in_numpy(layout, shapes, result, _threads):
    import numpy

    generator = numpy.random.default_rng(0)
    a, b = (generator.random(shape, dtype="float32") - numpy.float32(0.5) for shape in shapes)
    a, b = (x.T if stored == "T" else x for x, stored in zip((a, b), layout))
    out = numpy.empty(result, dtype="float32")
    return f"NumPy {numpy.__version__}", lambda: numpy.matmul(a, b, out=out)


def median_seconds(product):
    seconds = []
    began = time.perf_counter()
    while len(seconds) < 4 or time.perf_counter() - began < 0.6:
        start = time.perf_counter()
        product()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
