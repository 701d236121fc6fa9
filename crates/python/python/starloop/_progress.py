"""Progress of a run in a bar of tqdm, or of anything with the same protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


class ProgressBar:
    """Shows the events of a run: a bar for each stage, and a line for each finished iteration.

    ``starloop.run(config, on_event=starloop.ProgressBar(tqdm.auto.tqdm))``. ``make_bar`` is called with ``total``, ``desc``, ``unit`` and
    ``leave``. Its results need ``update``, ``set_postfix_str`` and ``close``. Lines go to ``write``, which by default is the function of
    this name of ``make_bar``, or else ``print``.
    """

    def __init__(self, make_bar: Callable[..., Any], write: Callable[[str], object] | None = None) -> None:
        self._make_bar = make_bar
        self._write: Callable[[str], object] = getattr(make_bar, "write", print) if write is None else write
        self._bar: Any = None
        self._done = 0

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Shows an event."""
        kind = event["event"]
        if kind == "stage_started":
            self.close()
            name = f"{event['method']} {event['iteration']} {event['stage'].replace('_', ' ')}"
            unit = "step" if event["stage"] in ("fine_tuning", "pretraining") else "completion"
            self._bar = self._make_bar(total=event["total"], desc=name, unit=unit, leave=False)
            self._done = 0
        elif kind == "stage_progress" and self._bar is not None:
            if event["loss"] is not None:
                self._bar.set_postfix_str(f"loss {event['loss']:.4f}", refresh=False)
            self._bar.update(event["done"] - self._done)
            self._done = event["done"]
        elif kind in ("stage_finished", "run_finished"):
            self.close()
        elif kind == "iteration_finished":
            metrics = event["metrics"]
            accuracy = metrics["accuracy"]
            measured = f"{100 * accuracy['mean']:.1f}% right" if accuracy["total"] else "not measured"
            self._write(f"{event['method']}, iteration {metrics['iteration']}: {measured}")
        elif kind == "warning":
            self._write(f"warning: {event['message']}")

    def close(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
