// Line charts and stacked bars as inline SVG, drawn for the available width. Series differ by colour and by the shape of their marks, and
// each has its name at its end. So colour is never the only difference.

const colours = 7;

/** The class of a series: its colour, and from the eighth series on another kind of line, because the colours repeat. */
const look = (place) => `c${place % colours} again${Math.floor(place / colours) % 3}`;

/** A figure that is drawn again when its width changes. `draw` gets the width in pixels. */
const figure = (title, draw, note) => {
  const place = element("div", { class: "drawing" });
  const shown = element("figure", {}, element("figcaption", {}, title), place, note && element("p", { class: "note" }, note));
  let width = 0;
  const drawAt = (now) => place.replaceChildren(draw(now));
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now === width || now === 0 || isPrinting) return;
    width = now;
    drawAt(width);
  }).observe(place);
  redrawn.add({ place, forPaper: () => drawAt(paperWidth(shown)), forScreen: () => width > 0 && drawAt(width) });
  return shown;
};

/** The figures of the page. On paper they are drawn anew, because letters of a scaled drawing would be too small. */
const redrawn = new Set();
let isPrinting = false;

/** Pixels between the margins of a page of paper: whole, or for two or three panels beside each other. */
const paperWidth = (shown) => {
  const panels = shown.closest(".panels");
  if (!panels || panels.children.length === 1) return 680;
  return panels.classList.contains("small") ? 160 : 330;
};

const redraw = (isPaper) => {
  isPrinting = isPaper;
  for (const one of redrawn) {
    if (!one.place.isConnected) redrawn.delete(one);
    else if (isPaper) one.forPaper();
    else one.forScreen();
  }
};
addEventListener("beforeprint", () => redraw(true));
addEventListener("afterprint", () => redraw(false));

/** Ticks at round values, about `wanted` of them. */
const ticks = (low, high, wanted) => {
  if (!(high > low)) return [low];
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const first = Math.ceil(low / step - 1e-9);
  const values = [];
  for (let n = first; n * step <= high + step * 1e-9; n += 1) values.push(Number((n * step).toPrecision(12)));
  return values;
};

const whole = (values) => values.filter((value) => Number.isInteger(value));

/** The mark of series `place` around (x, y). */
const mark = (place, x, y, title) => {
  const shapes = [
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", "M-3.6,-3.6h7.2v7.2h-7.2z", "M0,-4.8L4.6,3.4H-4.6z", "M0,-5L5,0L0,5L-5,0z",
    "M0,4.8L4.6,-3.4H-4.6z", "M-1.4,-4.4h2.8v3h3v2.8h-3v3h-2.8v-3h-3v-2.8h3z", "M-4.4,-2.2L-2.2,-4.4L0,-2.2L2.2,-4.4L4.4,-2.2L2.2,0L4.4,2.2L2.2,4.4L0,2.2L-2.2,4.4L-4.4,2.2L-2.2,0z",
  ];
  return drawn("path", { class: "mark", d: shapes[(place + 3 * Math.floor(place / colours)) % shapes.length], transform: `translate(${x.toFixed(1)},${y.toFixed(1)})` },
    drawn("title", {}, title));
};

/** Moves labels apart that would touch, keeping their order. */
const spread = (labels, low, high, height) => {
  labels.sort((a, b) => a.y - b.y);
  for (let room = high, n = labels.length - 1; n >= 0; room = labels[n].y - height, n -= 1) labels[n].y = Math.min(labels[n].y, room);
  for (let room = low, n = 0; n < labels.length; room = labels[n].y + height, n += 1) labels[n].y = Math.max(labels[n].y, room);
};

/**
 * Lines over a common axis. `x` and `y` are { label, range, ticks, format }; a series is { name, end, points: [{ x, y, low, high, title }],
 * reference } where a reference is a level line; `gaps` are places on x with a rule and a name above; `signs` is the least number of signs
 * that the axis has room for, so that charts below each other align; `behind` are lines of other series in grey.
 */
const lineChart = (title, { x, y, series, gaps = [], height: least = 320, marks = true, signs = 0, behind = [], note }) => figure(title, (width) => {
  const narrow = width < 520;
  // Names at the ends of the lines need a line each.
  const height = narrow ? least : Math.max(least, 60 + 16 * series.length);
  const longest = (texts) => Math.max(...texts.map((one) => one.length), 0);
  const ends = series.map((one) => plain(one.end ?? one.name));
  // Bold signs of 12 pixels are seldom wider than 7.6, figures of the axis 7.
  const room = narrow || longest(ends) === 0 ? 8 : Math.min(longest(ends) * 7.6 + 18, width * 0.4);
  const left = 34 + Math.max(longest(y.ticks.map(y.format)), signs) * 7;
  const frame = { left, right: width - room, top: gaps.length > 0 ? 26 : 12, bottom: height - 44 };
  const scale = ([from, to], a, b) => (value) => a + ((value - from) / ((to - from) || 1)) * (b - a);
  const across = scale(x.range, frame.left + 8, frame.right - 8);
  const up = scale(y.range, frame.bottom, frame.top);
  const text = (content, attributes) => drawn("text", attributes, content);
  const parts = [];
  for (const value of y.ticks) {
    parts.push(drawn("line", { class: "grid", x1: frame.left, x2: frame.right, y1: up(value), y2: up(value) }));
    parts.push(text(y.format(value), { x: frame.left - 8, y: up(value) + 4, "text-anchor": "end" }));
  }
  const spacing = (frame.right - frame.left) / Math.max(x.ticks.length, 1);
  const every = Math.max(1, Math.ceil(34 / spacing));
  x.ticks.forEach((value, n) => {
    if ((x.ticks.length - 1 - n) % every !== 0) return;
    parts.push(drawn("line", { class: "tick", x1: across(value), x2: across(value), y1: frame.bottom, y2: frame.bottom + 5 }));
    parts.push(text(x.format(value), { x: across(value), y: frame.bottom + 19, "text-anchor": "middle" }));
  });
  parts.push(drawn("line", { class: "axis", x1: frame.left, x2: frame.right, y1: frame.bottom, y2: frame.bottom }));
  parts.push(text(x.label, { class: "name", x: (frame.left + frame.right) / 2, y: height - 6, "text-anchor": "middle" }));
  parts.push(text(y.label, { class: "name", "text-anchor": "middle", transform: `translate(13,${(frame.top + frame.bottom) / 2}) rotate(-90)` }));
  for (const gap of gaps) {
    if (gap.at > x.range[0]) parts.push(drawn("line", { class: "gap", x1: across(gap.at), x2: across(gap.at), y1: frame.top, y2: frame.bottom }));
    parts.push(text(gap.name, { class: "gap", x: (across(gap.at) + across(gap.to)) / 2, y: 16, "text-anchor": "middle" }));
  }
  for (const points of behind) {
    parts.push(drawn("polyline", { class: "behind", points: points.map((point) => `${across(point.x).toFixed(1)},${up(point.y).toFixed(1)}`).join(" ") }));
  }
  const labels = [];
  series.forEach((one, place) => {
    const group = drawn("g", { class: `series ${look(place)}${one.reference ? " reference" : ""}` });
    const drawnPoints = one.points.filter((point) => point.y !== null);
    if (one.reference) {
      const level = up(drawnPoints[0].y);
      group.append(drawn("line", { class: "line", x1: frame.left, x2: frame.right, y1: level, y2: level }, drawn("title", {}, drawnPoints[0].title)));
    } else {
      // Whiskers of several series at the same place would hide each other.
      const aside = series.length > 1 ? (place - (series.length - 1) / 2) * Math.min(3, 16 / series.length, spacing / (2 * series.length)) : 0;
      const along = (point) => across(point.x) + aside;
      const band = drawnPoints.filter((point) => point.low !== undefined);
      if (band.length > 1 && series.length <= 3) {
        const edge = [...band.map((point) => [along(point), point.high]), ...band.toReversed().map((point) => [along(point), point.low])];
        group.append(drawn("path", { class: "band", d: `M${edge.map(([a, b]) => `${a.toFixed(1)},${up(b).toFixed(1)}`).join("L")}z` }));
      }
      for (const strand of one.strands ?? [drawnPoints]) {
        group.append(drawn("polyline", { class: "line", points: strand.map((point) => `${along(point).toFixed(1)},${up(point.y).toFixed(1)}`).join(" ") }));
      }
      for (const point of marks ? drawnPoints : []) {
        const at = along(point);
        if (point.low !== undefined) group.append(drawn("line", { class: "whisker", x1: at, x2: at, y1: up(point.low), y2: up(point.high) }));
        for (const run of point.runs ?? []) group.append(drawn("circle", { class: "run", cx: at.toFixed(1), cy: up(run).toFixed(1), r: 2.5 }));
        const shown = mark(place, at, up(point.y), point.title);
        group.append(point.open ? attemptsLink.drawn(point.open, point.title, shown) : shown);
      }
    }
    parts.push(group);
    const last = drawnPoints.at(-1);
    if (last && ends[place] !== "") labels.push({ place, y: up(last.y), from: up(last.y), text: ends[place] });
  });
  if (!narrow) {
    spread(labels, frame.top, frame.bottom, 16);
    for (const label of labels) {
      parts.push(drawn("g", { class: `series ${look(label.place)}` },
        drawn("line", { class: "leader", x1: frame.right + 1, x2: frame.right + 9, y1: label.from, y2: label.y }),
        text(label.text, { class: "end", x: frame.right + 13, y: label.y + 4 })));
    }
  }
  const described = [title, ...ends.filter((end) => end !== "")].join("; ");
  const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": described }, parts);
  const readout = crosshair(chart, { series, frame, across, width });
  return element("div", {}, chart, narrow && labels.length > 0 && legend(ends), readout);
}, note);

/** Names with their marks, if the drawing has no room for them. */
const legend = (names) => element("ul", { class: "legend" }, names.map((name, place) =>
  element("li", {}, drawn("svg", { class: `series ${look(place)}`, width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(place, 0, 0, "")), name)));

/**
 * Horizontal bars of parts, a row for each of `rows`: { name, parts: [{ place, value, title }] }; `names` are the parts' names. If there are
 * several, each has a letter in the bars, so that colour is not the only difference.
 */
const stackedBars = (title, { rows, names, format, note }) => figure(title, (width) => {
  const [line, left, right] = [24, 34, 84];
  const total = (row) => row.parts.reduce((sum, part) => sum + part.value, 0);
  const most = Math.max(...rows.map(total), 1e-9);
  const height = rows.length * line;
  const scale = (value) => (value / most) * (width - left - right);
  const used = names.map((name, place) => [name, place]).filter(([, place]) => rows.some((row) => row.parts.some((part) => part.place === place)));
  const letter = (place) => used.length > 1 && (names[place].startsWith("final") ? "F" : names[place][0]);
  const parts = rows.map((row, n) => {
    let x = left;
    const bars = row.parts.map((part) => {
      const [y, wide] = [n * line, scale(part.value)];
      const bar = drawn("g", { class: `series c${part.place % colours}${part.open ? " opens" : ""}`, onclick: () => part.open && showAttempts(part.open) },
        drawn("rect", { class: "part", x: x.toFixed(1), y: y + 3, width: Math.max(wide - 1, 0).toFixed(1), height: line - 7, rx: 1.5 }, drawn("title", {}, part.title)),
        wide > 14 && letter(part.place) && drawn("text", { class: "initial", x: (x + wide / 2).toFixed(1), y: y + 16, "text-anchor": "middle" }, letter(part.place)));
      x += wide;
      return bar;
    });
    return drawn("g", {}, drawn("text", { x: left - 8, y: n * line + 16, "text-anchor": "end" }, row.name), bars,
      drawn("text", { x: x + 6, y: n * line + 16 }, format(total(row))));
  });
  const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title }, parts);
  if (used.length < 2) return chart;
  const key = element("ul", { class: "legend" }, used.map(([name, place]) =>
    element("li", {}, element("span", { class: `key c${place % colours}`, "aria-hidden": "true" }, letter(place)), name)));
  return element("div", {}, chart, key);
}, note);
