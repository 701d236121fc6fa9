// Accuracy over iterations: all methods together, and class by class (the paper's figure 4).

const percentAxis = (highest) => {
  const top = Math.min(1, Math.max(0.05, highest * 1.08));
  const upper = top > 0.6 ? 1 : top;
  return { label: "accuracy (%)", range: [0, upper], ticks: ticks(0, upper, 5), format: (value) => String(Math.round(value * 1000) / 10) };
};

const iterationAxis = (last) => {
  const values = Array.from({ length: last + 1 }, (_, n) => n);
  return { label: "iteration (0 is the untrained model)", range: [0, Math.max(last, 1)], ticks: values, format: String };
};

const accuracyPoint = (x, accuracy, name) => ({
  x, y: accuracy.mean, low: accuracy.low, high: accuracy.high,
  title: `${plain(name)}, iteration ${x}: ${percent(accuracy.mean)}% (${interval(accuracy)}), ${accuracy.correct} of ${accuracy.total}`,
});

const evaluated = (method) => method.iterations.filter((iteration) => iteration.metrics.accuracy.total > 0);

const [mostTogether, mostPanels] = [6, 24];

const overallChart = () => {
  const series = methodRuns.filter(({ method }) => evaluated(method).length > 0).map(({ method, name }) => {
    const points = evaluated(method).map(({ metrics }) => accuracyPoint(metrics.iteration, metrics.accuracy, name));
    const reference = !method.bootstraps;
    const last = points.at(-1);
    return { name, end: `${name} ${percent(last.y)}%`, points: reference ? [last] : points, reference };
  });
  const chances = [...new Set(data.runs.map((run) => run.chance))].filter((chance) => chance > 0);
  for (const chance of chances) {
    series.push({ name: "guessing", end: `guessing ${percent(chance)}%`, points: [{ x: 0, y: chance, title: "guessing" }], reference: true });
  }
  const all = series.flatMap((one) => one.points);
  if (all.length === 0) return null;
  return lineChart("Accuracy over iterations, all methods", {
    x: iterationAxis(Math.max(...all.map((point) => point.x))),
    y: percentAxis(Math.max(...all.map((point) => point.high ?? point.y))),
    series,
    height: 360,
    note: "Bars are 95% Wilson intervals over the problems of one run. Methods without iterations are level, dashed lines.",
  });
};

/** A class with its number of problems. */
const classNamed = (method, of) => plain(new Map(method.class_names).get(of) ?? of);

const classChart = ({ method, name }) => {
  const iterations = evaluated(method);
  const classes = [...new Set(iterations.flatMap(({ metrics }) => metrics.by_class.map((entry) => entry.class)))];
  const series = classes.map((of) => {
    const found = iterations.map(({ metrics }) => [metrics, metrics.by_class.find((entry) => entry.class === of)]);
    const points = found.filter(([, entry]) => entry && entry.accuracy.total > 0)
      .map(([metrics, entry]) => accuracyPoint(metrics.iteration, entry.accuracy, of));
    return { name: classNamed(method, of), end: `${classNamed(method, of)} ${percent(points.at(-1)?.y)}%`, points };
  }).filter((one) => one.points.length > 0);
  const all = series.flatMap((one) => one.points);
  const axes = { x: iterationAxis(iterations.at(-1).metrics.iteration), y: percentAxis(Math.max(...all.map((point) => point.high))) };
  const title = `${method.label} (${plain(name)}), class by class`;
  if (series.length <= mostTogether) return lineChart(title, { ...axes, series });
  // More lines than can be told apart: a small chart for each class, all to one scale.
  return element("div", { class: "wide" }, element("h3", {}, title),
    element("div", { class: "small panels" }, series.slice(0, mostPanels).map((one) => {
      const last = one.points.at(-1);
      return lineChart(`${plain(one.name)}: ${percent(last.y)}%`, { x: { ...axes.x, label: "iteration" }, y: { ...axes.y, label: "%" }, series: [{ ...one, end: "" }], height: 170 });
    })),
    series.length > mostPanels && element("p", { class: "note" }, `${series.length - mostPanels} more classes are in the table below.`));
};

const accuracyTable = ({ method, name }) => {
  const classes = method.class_names.map(([of]) => of);
  const cell = (accuracy) => (accuracy && accuracy.total > 0
    ? [percent(accuracy.mean), element("small", {}, ` ${interval(accuracy)}`)] : none);
  const row = (title, metrics) => [title, cell(metrics.accuracy),
    ...classes.map((of) => cell(metrics.by_class.find((entry) => entry.class === of)?.accuracy))];
  const rows = method.iterations.map(({ metrics }) => row(String(metrics.iteration), metrics));
  if (method.final) rows.push(row(`final, ${method.final.split}`, method.final));
  return table(["iteration", "all, %", ...classes.map((of) => `${classNamed(method, of)}, %`)], rows,
    { caption: `${plain(name)}: accuracy and 95% interval` });
};

const accuracySection = () => {
  const curves = methodRuns.filter(({ method }) => evaluated(method).length > 1);
  const bootstrapping = curves.filter(({ method }) => method.bootstraps);
  const panels = (bootstrapping.length > 0 ? bootstrapping : curves)
    .filter(({ method }) => method.iterations.some(({ metrics }) => metrics.by_class.length > 1));
  return section("accuracy", "Accuracy over iterations",
    overallChart(),
    element("div", { class: "panels" }, panels.map(classChart)),
    element("details", {}, element("summary", {}, "The same as tables"), methodRuns.map(accuracyTable)));
};
