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

const accuracyPoint = (x, accuracy, name, open) => ({
  x, y: accuracy.mean, low: accuracy.low, high: accuracy.high, open,
  title: `${plain(name)}, iteration ${x}: ${percent(accuracy.mean)}% (${interval(accuracy)}), ${accuracy.correct} of ${accuracy.total}`,
});

const evaluated = (method) => method.iterations.filter((iteration) => iteration.metrics.accuracy.total > 0);

const [mostTogether, mostPanels, mostLines] = [6, 24, 6];

/** The answers that a point of a method counts. */
const answersOf = (name, iteration) => ({ method: name, iteration: String(iteration), purpose: "evaluation" });

const guessing = () => [...new Set(data.runs.map((run) => run.chance))].filter((chance) => chance > 0).map((chance) => ({
  name: "guessing", end: `guessing ${percent(chance)}%`, points: [{ x: 0, y: chance, title: "guessing" }], reference: true,
}));

/** A line for each method: of one run with Wilson's intervals, or over runs with Student's and a dot for each run. */
const methodLines = () => (data.over_runs.length > 0
  ? data.over_runs.map(({ method, label, approach, iterations, mean, interval: [low, high], runs }) => {
    const points = iterations.map((one) => ({
      x: one.iteration, y: one.mean, low: one.interval[0], high: one.interval[1], runs: one.runs,
      title: `${plain(method)}, iteration ${one.iteration}: mean ${percent(one.mean)}% (${percent(one.interval[0])} to ${percent(one.interval[1])}) over ${one.runs.length} runs`,
    }));
    return { method, name: plain(label), mean, low, high, runs: runs.map(({ accuracy }) => accuracy.mean), points, isBase: approach === "few_shot" };
  })
  : methodRuns.filter(({ method }) => evaluated(method).length > 0).map(({ method, name }) => {
    const points = evaluated(method).map(({ metrics }) => accuracyPoint(metrics.iteration, metrics.accuracy, name, answersOf(name, metrics.iteration)));
    const accuracy = (shownMetrics(method) ?? evaluated(method).at(-1).metrics).accuracy;
    return { method: name, name: plain(name), ...accuracy, runs: [], points, isBase: method.summary.approach === "few_shot" };
  }));

/** The untrained model first, then by accuracy. */
const ranked = (lines) => [...lines].sort((a, b) => (b.isBase - a.isBase) || (b.mean - a.mean));

const intervalNote = () => (data.over_runs.length > 0
  ? "Marks are means over the runs, small dots are single runs. Bars are 95% intervals over runs (Student's): they show the variation between seeds."
  : "Bars are 95% Wilson intervals over the problems of one run. Methods without iterations are level, dashed lines.");

const overallAxes = (lines) => {
  const all = lines.flatMap((one) => one.points);
  return { x: iterationAxis(Math.max(...all.map((point) => point.x))), y: percentAxis(Math.max(...all.map((point) => point.high ?? point.y))) };
};

/** The figure of all methods: lines for a few; rows of dots and small charts to one scale for many. */
const overallFigure = (lines, isolate) => {
  if (lines.length === 0) return null;
  if (lines.length <= mostLines) {
    const series = lines.map((one) => {
      const reference = one.points.length < 2;
      const points = reference ? [one.points.at(-1) ?? { x: 0, y: one.mean, title: one.name }] : one.points;
      return { name: one.name, end: `${one.name} ${percent(points.at(-1).y)}%`, points, reference };
    });
    return lineChart("Accuracy over iterations, all methods", { ...overallAxes(lines), series: [...series, ...guessing()], height: 360, note: intervalNote() });
  }
  const rows = ranked(lines).map((one) => ({ ...one, tone: one.isBase ? 6 : 0, title: `${one.name}: ${percent(one.mean)}% (${interval(one)})` }));
  const curves = lines.filter((one) => one.points.length > 1);
  const axes = curves.length > 0 && overallAxes(curves);
  return element("div", {},
    dotPlot("Final accuracy of every method", rows, data.over_runs.length > 0 ? intervalNote() : "Bars are 95% Wilson intervals over the problems of one run. A click shows a method alone.", (row) => isolate(row.method)),
    curves.length > 0 && element("h3", {}, "Every method over its iterations, to one scale"),
    curves.length > 0 && element("div", { class: "small panels" }, ranked(curves).map((one) =>
      lineChart(`${one.name}: ${percent(one.points.at(-1).y)}%`, {
        x: { ...axes.x, label: "iteration" }, y: { ...axes.y, label: "%" }, series: [{ ...one, end: "" }], behind: curves.filter((other) => other !== one).map((other) => other.points), height: 170,
      }))));
};

/** A class with its number of problems. */
const classNamed = (method, of) => plain(new Map(method.class_names).get(of) ?? of);

const classChart = ({ method, name }) => {
  const iterations = evaluated(method);
  const classes = [...new Set(iterations.flatMap(({ metrics }) => metrics.by_class.map((entry) => entry.class)))];
  const series = classes.map((of) => {
    const found = iterations.map(({ metrics }) => [metrics, metrics.by_class.find((entry) => entry.class === of)]);
    const points = found.filter(([, entry]) => entry && entry.accuracy.total > 0)
      .map(([metrics, entry]) => accuracyPoint(metrics.iteration, entry.accuracy, of, { ...answersOf(name, metrics.iteration), class: of }));
    return { name: classNamed(method, of), end: `${classNamed(method, of)} ${percent(points.at(-1)?.y)}%`, points };
  }).filter((one) => one.points.length > 0);
  const all = series.flatMap((one) => one.points);
  const axes = { x: iterationAxis(iterations.at(-1).metrics.iteration), y: percentAxis(Math.max(...all.map((point) => point.high))) };
  const title = `${method.label} (${plain(name)}), class by class`;
  if (series.length <= mostTogether) return lineChart(title, { ...axes, series });
  // More lines than can be told apart: a small chart for each class, all to one scale.
  return element("div", { class: "wide" }, element("h3", {}, title),
    element("div", { class: "small panels" }, series.slice(0, mostPanels).map((one) => {
      const end = one.points.at(-1);
      return lineChart(`${plain(one.name)}: ${percent(end.y)}%`, { x: { ...axes.x, label: "iteration" }, y: { ...axes.y, label: "%" }, series: [{ ...one, end: "" }], height: 170 });
    })),
    series.length > mostPanels && element("p", { class: "note" }, `${series.length - mostPanels} more classes are in the table below.`));
};

/** Class by class: every method if they are few, else one at a time. Returns the place and a function that shows a method alone. */
const classFigures = () => {
  const curves = methodRuns.filter(({ method }) => evaluated(method).length > 1 && method.iterations.some(({ metrics }) => metrics.by_class.length > 1));
  const bootstrapping = curves.filter(({ method }) => method.bootstraps);
  const shown = bootstrapping.length > 0 ? bootstrapping : curves;
  if (shown.length <= 3) return [element("div", { class: "panels" }, shown.map(classChart)), () => {}];
  const place = element("div", {});
  const main = shown.findIndex(({ run, method }) => run.headline?.method === method.name);
  const show = (number) => place.replaceChildren(classChart(curves[number]));
  const names = curves.map(({ name }, number) => [number, plain(name)]);
  const first = curves.indexOf(shown[Math.max(main, 0)]);
  const chooser = choice("Method", names, (value) => show(Number(value)), first);
  show(first);
  const isolate = (name) => {
    const number = curves.findIndex((one) => one.name === name || one.method.name === name);
    if (number < 0) return;
    chooser.querySelector("select").value = number;
    show(number);
    chooser.scrollIntoView({ block: "nearest" });
  };
  return [element("div", { id: "one-method" }, element("h3", {}, "One method, class by class"), chooser, place), isolate];
};

const accuracyTable = ({ method, name }) => {
  const classes = method.class_names.map(([of]) => of);
  const cell = (accuracy) => (accuracy && accuracy.total > 0
    ? [percent(accuracy.mean), element("small", {}, ` ${interval(accuracy)}`)] : none);
  const row = (title, metrics) => [title, cell(metrics.accuracy),
    ...classes.map((of) => cell(metrics.by_class.find((entry) => entry.class === of)?.accuracy))];
  const rows = method.iterations.map(({ metrics }) => row(String(metrics.iteration), metrics));
  if (method.final) rows.push(row(`final, ${method.final.split}`, method.final));
  return table(...withoutEmpty(["iteration", "all, %", ...classes.map((of) => `${classNamed(method, of)}, %`)], rows),
    { caption: `${plain(name)}: accuracy and 95% interval` });
};

const accuracySection = () => {
  const [classes, isolate] = classFigures();
  return section("accuracy", "Accuracy over iterations",
    overallFigure(methodLines(), isolate),
    classes,
    element("details", {}, element("summary", {}, "The same as tables"), methodRuns.map(accuracyTable)));
};
