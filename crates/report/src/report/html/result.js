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

/** The rows of the result: the untrained model first, then by accuracy. */
const rankedMethods = (runs) => {
  const all = runs.flatMap((run) => run.methods.map((method) => ({ run, method })));
  const rank = ({ method }) => (method.summary.approach === "few_shot" ? 2 : shownMetrics(method)?.accuracy.mean ?? -1);
  return all.sort((a, b) => rank(b) - rank(a));
};

/** A column is { head, cell, value }: its title, and of a row { run, method, figure } what it shows and what it is sorted by. */
const resultColumns = (runs) => {
  const summaries = (row) => row.method?.summary;
  const splits = new Set(runs.flatMap((run) => run.methods.map((method) => method.summary.split)));
  const [{ paper_model: paperModel }] = runs;
  const mains = [...new Set(runs.map((run) => run.headline?.method).filter(Boolean))];
  const accuracyCell = ({ method }) => {
    const shown = method && shownMetrics(method);
    if (!shown) return none;
    const { accuracy, split } = shown;
    return element("span", { class: "measured", title: `${accuracy.correct} of ${accuracy.total} ${split} problems` },
      element("strong", {}, percent(accuracy.mean)), element("small", {}, ` ${interval(accuracy)}`), bar(accuracy));
  };
  const paperUsed = ({ figure }) => {
    const used = figure?.train_used;
    return used ? problemsLearned({ share: (used[0] + used[1]) / 100, generated: used[0] / 100, rationalized: used[1] / 100 }) : none;
  };
  return [
    { head: "method", cell: (row) => (row.method ? [plain(row.method.label), element("small", {}, ` ${plain(row.method.name)}`)] : plain(row.title)), value: (row) => row.method?.label ?? row.title },
    runs.length > 1 && { head: "run", cell: (row) => (row.run ? plain(row.run.name) : none), value: (row) => row.run?.name ?? null },
    { head: "measured, % and 95% interval", cell: accuracyCell, value: (row) => (row.method && shownMetrics(row.method)?.accuracy.mean) ?? null },
    splits.size > 1 && { head: "split", cell: (row) => summaries(row)?.split ?? none, value: (row) => summaries(row)?.split ?? null },
    { head: "points from the untrained model", cell: (row) => differenceCell(summaries(row)?.from_base), value: (row) => summaries(row)?.from_base?.difference ?? null },
    { head: mains.length === 1 ? `points from ${plain(mains[0])}` : "points from the main method", cell: (row) => differenceCell(summaries(row)?.from_main), value: (row) => summaries(row)?.from_main?.difference ?? null },
    { head: "training problems solved and learned from, %", cell: (row) => problemsLearned(summaries(row)?.train_used), value: (row) => summaries(row)?.train_used?.share ?? null },
    { head: `paper (${paperModel}), %`, cell: ({ figure }) => (figure ? figure.percent.toFixed(1) : none), value: ({ figure }) => figure?.percent ?? null },
    { head: "paper, training problems learned from, %", cell: paperUsed, value: ({ figure }) => figure?.train_used?.[0] ?? null },
  ].filter(Boolean);
};

/** One table for each task: the measured methods, each beside the paper's figure for its approach, then the paper's other figures. */
const resultTable = (name) => {
  const runs = data.runs.filter((run) => run.data === name);
  const [{ paper, paper_model: paperModel }] = runs;
  const figureOf = ({ summary }) => paper.find((figure) => figure.approach === summary.approach && figure.model === paperModel);
  const measured = rankedMethods(runs).map(({ run, method }) => ({ run, method, figure: figureOf(method) }));
  const approaches = new Set(measured.map(({ method }) => method.summary.approach));
  const others = paper.filter((figure) => figure.model !== paperModel || !approaches.has(figure.approach))
    .map((figure) => ({ figure, title: figure.model === paperModel ? figure.title : `${figure.title}, ${figure.model}` }));
  const rows = [...measured, ...others];
  const cells = rows.map((row) => resultColumns(runs).map(({ cell }) => cell(row)));
  // A column without a value says nothing.
  const columns = resultColumns(runs).map((column, place) => [column, place]).filter(([, place]) => cells.some((row) => row[place] !== none));
  const splits = [...new Set(runs.flatMap((run) => run.methods.map((method) => method.summary.split)))].join(" and ");
  const notes = [...new Set(runs.map((run) => run.paper_note).filter((note) => note !== null))];
  return element("div", {},
    table(columns.map(([{ head }]) => head), cells.map((row) => columns.map(([, place]) => row[place])), {
      caption: `Accuracy on ${plain(name)}, ${splits} problems${paperModel ? ", beside the paper (Zelikman et al. 2022)" : ""}`,
      left: runs.length > 1 ? 2 : 1, kind: "results", values: rows.map((row) => columns.map(([{ value }]) => value(row))),
    }),
    notes.map((note) => element("p", { class: "note paper-note" }, note)));
};

/** The untrained model first, then by mean accuracy. */
const rankedOverRuns = () => [...data.over_runs].sort((a, b) => ((b.approach === "few_shot") - (a.approach === "few_shot")) || (b.mean - a.mean));

const pointsOverRuns = (difference) => (difference
  ? [`${difference.mean < 0 ? "−" : "+"}${Math.abs(100 * difference.mean).toFixed(1)}`, element("small", {}, ` ${difference.interval.map((end) => (100 * end).toFixed(1).replace("-", "−")).join(" to ")}`)] : none);

/** The methods that several runs have: the mean, and an interval of the variation between seeds. */
const overRunsTable = () => {
  const rows = rankedOverRuns();
  return table(["method", "runs", "mean, %", "95% interval over runs", "points from the untrained model", "each run, %"],
    rows.map(({ method, label, runs, mean, interval: [low, high], from_base: fromBase }) =>
      [[plain(label), element("small", {}, ` ${plain(method)}`)], String(runs.length), element("strong", {}, percent(mean)), `${percent(low)} to ${percent(high)}`,
        pointsOverRuns(fromBase), runs.map(({ accuracy }) => percent(accuracy.mean)).join(" ")]),
    { caption: "Accuracy over runs. Intervals over runs (Student's) show the variation between seeds.", kind: "over-runs",
      values: rows.map(({ label, runs, mean, interval: [low], from_base: fromBase }) => [label, runs.length, mean, low, fromBase?.mean ?? null, runs[0].accuracy.mean]) });
};

/** The result of several seeds: of the main method, the mean and each run. */
const overRunsCard = () => {
  const main = data.runs[0].headline?.method;
  const rows = rankedOverRuns();
  const shown = rows.find((row) => row.method === main) ?? rows.find((row) => row.approach !== "few_shot") ?? rows[0];
  const { label, method, runs, mean, interval: [low, high], from_base: fromBase, iterations } = shown;
  const base = fromBase && mean - fromBase.mean;
  const last = iterations.at(-1)?.iteration ?? 0;
  const subjects = [...new Set(data.runs.map((run) => run.headline?.subject).filter(Boolean))];
  const headlines = data.runs.map((run) => run.headline).filter(Boolean);
  const isBiased = headlines.some((headline) => headline.method !== method || typeof headline.choice === "object");
  return element("article", { class: "card over-runs" },
    element("h3", {}, `${plural(runs.length, "run")} of ${plain(label)}`),
    subjects.map((subject) => element("p", { class: "subject" }, plain(subject))),
    element("p", { class: "headline" },
      fromBase && element("span", { class: "before" }, `${percent(base)}%`), fromBase && element("span", { class: "arrow", "aria-label": "to" }, " → "),
      element("strong", {}, `${percent(mean)}%`)),
    element("p", { class: "result" }, `${fromBase ? `${percent(base)}% (untrained model) → ` : ""}${percent(mean)}% on average over ${plural(runs.length, "run")}`
      + `${last > 0 ? ` after ${plural(last, "iteration")}` : ""} of ${plain(label)} (${plain(method)}); 95% interval over runs: ${percent(low)} to ${percent(high)}%.`),
    element("p", { class: "note" }, `Each run: ${runs.map(({ run, accuracy }) => `${plain(run)} ${percent(accuracy.mean)}%`).join(", ")}.`),
    element("p", { class: isBiased ? "choice-note biased" : "choice-note" }, isBiased
      ? `${plain(method)} is the best method of some runs on the split that is reported: biased upwards. "main" in the config names a method before a run.`
      : plain(headlines[0]?.choice_note ?? "")));
};

const resultSection = () => {
  const isSeveral = data.over_runs.length > 0;
  const single = [element("div", { class: "cards" }, data.runs.map(glance)), [...new Set(data.runs.map((run) => run.data))].map(resultTable)];
  return section("result", "Result",
    isSeveral ? [overRunsCard(), overRunsTable()] : single[0],
    examplesPlace(),
    isSeveral ? element("details", {}, element("summary", {}, `Each of the ${data.runs.length} runs`), single) : single[1],
    element("p", { class: "note" }, "Intervals of one run are Wilson's. They show the variation between problems and not between seeds. Differences are paired: both models answered the "
      + "same problems, and p is that of McNemar's exact test. Training problems solved and learned from: a share of those attempted (by a rationale without hint + "
      + "by rationalization only)."),
    glossarySection());
};
