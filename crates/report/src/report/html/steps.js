// The number of steps of the model beside that of the reference (the paper's figure 6).

const stepsFigure = (method) => {
  if (method.steps.length === 0) return null;
  const values = (place) => Math.max(...method.steps.map((entry) => entry[place]));
  const [columns, rows] = [values(0) + 1, values(1) + 1];
  const most = Math.max(...method.steps.map(([, , attempts]) => attempts));
  return figure("Steps of right rationales without hint, and of the reference", (width) => {
    const [left, top] = [44, 8];
    const side = Math.max(20, Math.min(44, (width - left - 16) / columns));
    const high = Math.min(side, 30);
    const bottom = top + rows * high;
    const parts = [];
    for (let column = 0; column < columns; column += 1) {
      parts.push(drawn("text", { x: left + (column + 0.5) * side, y: bottom + 18, "text-anchor": "middle" }, column));
    }
    for (let row = 0; row < rows; row += 1) {
      parts.push(drawn("text", { x: left - 8, y: bottom - (row + 0.5) * high + 4, "text-anchor": "end" }, row === data.most_steps ? `${row}+` : row));
    }
    for (const [known, written, attempts] of method.steps) {
      const [x, y] = [left + known * side, bottom - (written + 1) * high];
      // Shades are hard to compare, so each cell has its number too.
      parts.push(drawn("g", { class: "cell" },
        drawn("rect", { x: x + 0.5, y: y + 0.5, width: side - 1, height: high - 1, rx: 2, style: { opacity: 0.12 + 0.88 * Math.sqrt(attempts / most) } },
          drawn("title", {}, `${plural(written, "step")} where the reference has ${known}: ${plural(attempts, "rationale")}`)),
        drawn("text", { class: attempts / most > 0.3 ? "value" : "value low", x: x + side / 2, y: y + high / 2 + 4, "text-anchor": "middle" }, short(attempts)),
        known === written && drawn("rect", { class: "same", x: x + 1.5, y: y + 1.5, width: side - 3, height: high - 3, rx: 2 })));
    }
    parts.push(drawn("line", { class: "axis", x1: left, x2: left + columns * side, y1: bottom, y2: bottom }));
    parts.push(drawn("text", { class: "name", x: left, y: bottom + 36 }, "annotated steps of the reference"));
    parts.push(drawn("text", { class: "name", "text-anchor": "middle", transform: `translate(13,${(top + bottom) / 2}) rotate(-90)` }, "of the model"));
    return drawn("svg", { viewBox: `0 0 ${width} ${bottom + 44}`, width, height: bottom + 44, role: "img", "aria-label": "steps of the model and of the reference" }, parts);
  }, "Steps are calculator annotations, <<…>>; a frame marks equal numbers. Over all iterations (the paper's figure 6).");
};
