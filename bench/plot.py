"""Plots of growth: rate and memory side by side, both axes logarithmic."""

import matplotlib

matplotlib.use("svg")
# The same figures give the same file. Text stays text instead of paths.
matplotlib.rcParams |= {"svg.hashsalt": "starloop", "svg.fonttype": "none"}

import matplotlib.pyplot as plt


def draw(path, axis, points):
    figure, (rates, memory) = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    values = [value for value, _ in points]
    for kind in points[0][1]:
        rates.plot(values, [runs[kind].rate for _, runs in points], marker="o", label=kind)
        memory.plot(values, [runs[kind].peak_mb for _, runs in points], marker="o", label=kind)
    for panel, title in ((rates, "tokens per second"), (memory, "peak memory, MB")):
        panel.set(xscale="log", yscale="log", xlabel=axis, title=title)
        panel.grid(visible=True, alpha=0.3)
        panel.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
