// Reading a chart by pointer, touch and keys: a rule at the nearest place on the axis, and the values there in a line below.

/** The values of the series at a place on the axis: [name of the series, point]. */
const valuesAt = (series, x) => series.flatMap((one) => one.points.filter((point) => point.x === x && point.y !== null).map((point) => [one, point]));

/** Adds the reading to a chart with a frame. `across` gives the pixel of a place on the axis. Returns the line with the values. */
const crosshair = (chart, { series, frame, across, width }) => {
  const curves = series.filter((one) => !one.reference);
  const places = [...new Set(curves.flatMap((one) => one.points.map((point) => point.x)))].sort((a, b) => a - b);
  const rule = drawn("line", { class: "crosshair", y1: frame.top, y2: frame.bottom, visibility: "hidden" });
  const readout = element("p", { class: "readout", role: "status" }, "\u00a0");
  if (places.length === 0) return readout;
  let [at, turn] = [-1, 0];
  chart.prepend(rule);
  chart.setAttribute("tabindex", "0");
  chart.setAttribute("aria-label", `${chart.getAttribute("aria-label")}. Arrow keys show the values, Enter opens their attempts.`);
  const show = (place) => {
    at = Math.min(Math.max(place, 0), places.length - 1);
    const x = across(places[at]).toFixed(1);
    rule.setAttribute("x1", x);
    rule.setAttribute("x2", x);
    rule.setAttribute("visibility", "visible");
    const values = valuesAt(curves, places[at]);
    turn = Math.min(Math.max(turn, 0), values.length - 1);
    readout.replaceChildren(...values.flatMap(([, point], n) => [n > 0 ? " · " : "", element(n === turn && values.length > 1 ? "strong" : "span", {}, point.title)]));
  };
  const pointed = (event) => {
    const box = chart.getBoundingClientRect();
    const x = (event.clientX - box.left) * (width / box.width);
    show(places.reduce((best, place, n) => (Math.abs(across(place) - x) < Math.abs(across(places[best]) - x) ? n : best), 0));
  };
  chart.addEventListener("pointermove", pointed);
  chart.addEventListener("pointerdown", pointed);
  chart.addEventListener("keydown", (event) => {
    const open = valuesAt(curves, places[at])[turn]?.[1].open;
    if (event.key === "Enter" && open) showAttempts(open);
    else if (event.key === "ArrowRight") show(at + 1);
    else if (event.key === "ArrowLeft") show(at - 1);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      turn += event.key === "ArrowDown" ? 1 : -1;
      show(at);
    } else return;
    event.preventDefault();
  });
  return readout;
};
