"""Matrix products in the shapes of training steps and of decoding, compared with MKL (in PyTorch) and OpenBLAS (in NumPy)."""

import page
from alternate import Engine, alternate, median, peer, starloop

# Products of S, M and L: forward (NT), the gradient of the input (NN), the gradient of the weight (TN), and decoding.
PRODUCTS = [
    ("S, gate and up", ["NT:8192x1536x256", "NN:8192x256x1536", "TN:1536x256x8192"]),
    ("S, down", ["NT:8192x256x768", "NN:8192x768x256", "TN:256x768x8192"]),
    ("M, gate and up", ["NT:1024x4096x768", "NN:1024x768x4096", "TN:4096x768x1024"]),
    ("M, head", ["NT:1024x50257x768"]),
    ("L, gate and up", ["NT:1024x5632x1024", "NN:1024x1024x5632", "TN:5632x1024x1024"]),
    ("S, decoding 256", ["NT:256x768x256"]),
    ("M, decoding 16", ["NT:16x4096x768"]),
    ("L, decoding 8", ["NT:8x5632x1024"]),
    ("square", ["NN:2048x2048x2048"]),
]


def measure(settings):
    rows, shares, runs = [], [], []
    for name, products in PRODUCTS[:1] if settings.quick else PRODUCTS:
        for product in products:
            engines = alternate(contenders(settings, product), settings)
            rates = [median(engine.rates()) if not engine.failure else float("nan") for engine in engines]
            ours, *others = engines
            share = min(page.advantage(ours, other) for other in others if not other.failure)
            shares.append((share, name))
            runs += [run for engine in engines for run in engine.runs]
            rows.append([name, product, *(f"{rate:,.0f}" for rate in rates), f"{share:.2f}"])
    head = ["where", "product", ">starloop", ">PyTorch (MKL)", ">NumPy (OpenBLAS)", ">share of the better"]
    training = [share for share, name in shares if "decoding" not in name and name != "square"]
    mean = 1.0
    for share in training:
        mean *= share ** (1 / len(training))
    return f"""GFLOP/s in f32, medians. `NT` is a forward product, `NN` a gradient of the input, `TN` a gradient of the weight; sizes are m x n x k. On the products of
training, starloop has {mean:.0%} of the better library's rate (geometric mean), and at least {min(training):.0%}.

{page.table(head, rows)}{page.warning(runs)}"""


def contenders(settings, product):
    script = ["pytorch_matmul.py", "--product", product, "--threads", settings.threads]
    return [
        Engine("starloop", starloop(settings, "bench", "--mode", "product", "--product", product, "--json"), unit="GFLOP/s"),
        Engine("PyTorch", peer(*script), unit="GFLOP/s"),
        Engine("NumPy", peer(*script, "--numpy"), unit="GFLOP/s"),
    ]
