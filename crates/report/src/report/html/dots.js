// A figure for many methods or several seeds: a row for each, with its mean, its interval, and a dot for each run.

/** Rows are { name, mean, low, high, runs, open, title }. `runs` are the accuracies of single runs. */
const dotPlot = (title, rows, note, chosen) => figure(title, (width) => {
  const narrow = width < 620;
  const line = narrow ? 40 : 24;
  const longest = Math.max(...rows.map((row) => row.name.length));
  const left = narrow ? 10 : Math.min(longest * 7 + 16, width * 0.42);
  const [right, top] = [width - 54, 6];
  const bottom = top + rows.length * line;
  const highest = Math.max(...rows.map((row) => Math.max(row.high, ...row.runs)));
  const axis = percentAxis(highest);
  const across = (value) => left + (value / axis.range[1]) * (right - left);
  const parts = axis.ticks.map((value) => [
    drawn("line", { class: "grid", x1: across(value), x2: across(value), y1: top, y2: bottom }),
    drawn("text", { x: across(value), y: bottom + 16, "text-anchor": "middle" }, axis.format(value))]);
  const fits = Math.floor((left - 16) / 6.6);
  const shown = rows.map((row, n) => {
    const y = top + n * line + (narrow ? 28 : line / 2);
    const name = narrow || row.name.length <= fits ? row.name : `${row.name.slice(0, fits - 1)}…`;
    return drawn("g", { class: `series c${row.tone ?? 0}${row.chosen ? " chosen" : ""}`, onclick: () => chosen?.(row) }, drawn("title", {}, row.title),
      drawn("rect", { class: "target", x: 0, y: top + n * line, width, height: line }),
      drawn("text", { class: "row-name", x: narrow ? left : left - 10, y: narrow ? y - 12 : y + 4, "text-anchor": narrow ? "start" : "end" }, name),
      drawn("line", { class: "whisker", x1: across(row.low), x2: across(row.high), y1: y, y2: y }),
      row.runs.map((run) => drawn("circle", { class: "run", cx: across(run), cy: y, r: 3.5 })),
      drawn("circle", { class: "mark", cx: across(row.mean), cy: y, r: 5 }),
      drawn("text", { class: "end", x: right + 10, y: y + 4 }, percent(row.mean)));
  });
  parts.push(shown, drawn("text", { class: "name", x: (left + right) / 2, y: bottom + 34, "text-anchor": "middle" }, axis.label));
  const described = `${title}: ${rows.map((row) => `${row.name} ${percent(row.mean)}%`).join(", ")}`;
  return drawn("svg", { class: "dots", viewBox: `0 0 ${width} ${bottom + 40}`, width, height: bottom + 40, role: "img", "aria-label": described }, parts.flat(2));
}, note);
