// The main results, and the paper's table beside the measured results.

/** Share of the training problems that are learned from: `86.7 (78.2 + 8.5)`. */
const problemsLearned = (used) => {
  if (!used) return none;
  return percent(used.share) + (used.rationalized > 0 ? ` (${percent(used.generated)} + ${percent(used.rationalized)})` : "");
};

/** The figures that represent a method; null if only its base was measured so far. */
const shownMetrics = (method) => {
  const { accuracy, iteration } = method.summary;
  return accuracy === null ? null : method.final ?? method.iterations.find(({ metrics }) => metrics.iteration === iteration).metrics;
};

/** The main result of a run as a card. Its sentences are those of the headline in the report's data. */
const glance = (run) => {
  const facts = [`seed ${run.seed}`, run.finished ? "finished" : "not finished", plural(run.methods.length, "method")];
  if (!run.headline) return element("article", { class: "card" }, element("h3", {}, plain(run.name)), element("p", {}, `${facts.join(" · ")} · no method is measured yet`));
  const { base, accuracy, subject, result, choice, choice_note: why, interval_note: interval } = run.headline;
  const seconds = run.methods.map((method) => method.summary.seconds).filter((known) => known !== null);
  const cost = seconds.length > 0 ? duration(seconds.reduce((a, b) => a + b)) : "time unknown";
  const tokens = run.methods.reduce((sum, method) => sum + method.summary.sampled_tokens + method.summary.trained_tokens, 0);
  return element("article", { class: "card" },
    element("h3", {}, plain(run.name)),
    element("p", { class: "subject" }, plain(subject)),
    element("p", { class: "headline" },
      base && element("span", { class: "before" }, `${percent(base.mean)}%`),
      base && element("span", { class: "arrow", "aria-label": "to" }, " → "),
      element("strong", {}, `${percent(accuracy.mean)}%`)),
    element("p", { class: "result" }, `${plain(result)}.`),
    element("p", { class: typeof choice === "object" ? "choice-note biased" : "choice-note" }, plain(why)),
    element("p", { class: "note" }, interval),
    element("p", { class: "note" }, [...facts, cost, `${short(tokens)} tokens sampled and trained`].join(" · ")));
};

/** A share as a bar behind its number, with the interval as a line. */
const bar = (accuracy) => drawn("svg", { class: "bar", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
  drawn("rect", { class: "track", width: 100, height: 8 }),
  drawn("rect", { class: "level", width: 100 * accuracy.mean, height: 8 }),
  drawn("rect", { class: "whisker", x: 100 * accuracy.low, y: 3, width: 100 * (accuracy.high - accuracy.low), height: 2 }));

/** A paired difference: points, problems gained and lost, p. */
const differenceCell = (difference) => (difference
  ? [`${difference.difference < 0 ? "−" : "+"}${Math.abs(100 * difference.difference).toFixed(1)}`,
    element("small", {}, ` ${difference.gained} gained, ${difference.lost} lost, p ${difference.p_value < 1e-4 ? "< 0.0001" : difference.p_value.toFixed(4)}`)] : none);

const measuredCells = (method) => {
  if (!method) return [none, none, none, none];
  const shown = shownMetrics(method);
  const { from_base: fromBase, from_main: fromMain, train_used: used } = method.summary;
  const others = [differenceCell(fromBase), differenceCell(fromMain), problemsLearned(used)];
  if (!shown) return [none, ...others];
  const { accuracy, split } = shown;
  const title = `${accuracy.correct} of ${accuracy.total} ${split} problems`;
  const figure = element("span", { class: "measured", title },
    element("strong", {}, percent(accuracy.mean)), element("small", {}, ` ${interval(accuracy)}`), bar(accuracy));
  return [figure, ...others];
};

/** One table for each task: the paper's rows, each with the methods of the same approach, then the other methods. */
const paperTable = (name) => {
  const runs = data.runs.filter((run) => run.data === name);
  const paperModel = runs[0].paper_model;
  const known = (approach) => {
    const names = runs.flatMap((run) => run.methods.filter((method) => method.summary.approach === approach).map((method) => method.name));
    return [...new Set(names)];
  };
  const row = (title, name, approach, figure) => {
    const methods = runs.map((run) => run.methods.find((method) => method.name === name && method.summary.approach === approach));
    const used = figure?.train_used;
    const paperUsed = used ? problemsLearned({ share: (used[0] + used[1]) / 100, generated: used[0] / 100, rationalized: used[1] / 100 }) : none;
    const label = [title, name && element("small", {}, ` ${plain(name)}`)];
    const paper = paperModel ? [figure ? figure.percent.toFixed(1) : none, paperUsed] : [];
    return [label, ...methods.flatMap(measuredCells), ...paper];
  };
  const rows = runs[0].paper.flatMap((figure) => {
    if (figure.model !== paperModel) return [row(`${figure.title}, ${figure.model}`, null, figure.approach, figure)];
    const names = known(figure.approach);
    return names.length > 0 ? names.map((name) => row(figure.title, name, figure.approach, figure)) : [row(figure.title, null, figure.approach, figure)];
  });
  const inPaper = new Set(runs[0].paper.map((figure) => figure.approach));
  const others = runs.flatMap((run) => run.methods).filter((method) => !inPaper.has(method.summary.approach));
  for (const key of new Set(others.map((method) => `${method.name}\n${method.summary.approach}`))) {
    const [name, approach] = key.split("\n");
    rows.push(row(others.find((method) => method.name === name).label, name, approach, null));
  }
  const header = ["", ...runs.flatMap((run) => [runs.length > 1 ? `${plain(run.name)}, % and 95% interval` : "measured, % and 95% interval",
    "points from the untrained model", run.headline ? `points from ${plain(run.headline.method)}` : "points from the main method", "training problems learned from, %"]),
    ...(paperModel ? [`paper (${paperModel}), %`, "paper, training problems learned from, %"] : [])];
  const splits = [...new Set(runs.flatMap((run) => run.methods.map((method) => method.summary.split)))].join(" and ");
  const notes = [...new Set(runs.map((run) => run.paper_note).filter((note) => note !== null))];
  return element("div", {},
    table(header, rows, { caption: `Accuracy on ${plain(name)}, ${splits} problems${paperModel ? ", beside the paper (Zelikman et al. 2022)" : ""}` }),
    notes.map((note) => element("p", { class: "note paper-note" }, note)));
};

/** The methods that several runs have: the mean, and an interval of the variation between seeds. */
const overRunsTable = () => data.over_runs.length > 0 && table(["", "runs", "mean, %", "95% interval over runs (Student's)", "each run, %"],
  data.over_runs.map(({ method, label, runs, mean, interval: [low, high] }) =>
    [[label, element("small", {}, ` ${plain(method)}`)], String(runs.length), element("strong", {}, percent(mean)), `${percent(low)} to ${percent(high)}`,
      runs.map(([, accuracy]) => percent(accuracy)).join(" ")]),
  { caption: "Accuracy over runs: the interval shows the variation between seeds", kind: "over-runs" });

const resultSection = () => section("result", "Result",
  element("div", { class: "cards" }, data.runs.map(glance)),
  overRunsTable(),
  [...new Set(data.runs.map((run) => run.data))].map(paperTable),
  element("p", { class: "note" }, "Intervals are Wilson's. They show the variation between problems and not between seeds. Differences are paired: both models answered the "
    + "same problems, and p is that of McNemar's exact test. Training problems learned from: a share of those attempted (by a rationale without hint + "
    + "by rationalization only)."),
  glossarySection());
