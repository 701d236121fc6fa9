// What to worry about: the findings, and the figures that they come from.

const findingTitles = {
  near_chance: "The base is near chance", all_right: "Everything is right", all_wrong: "Nothing is right without the hint",
  diversity_falls: "Diversity falls", rationalization_grows: "Rationalization grows", leaked_hints: "Hints leak", truncated: "Many are cut off",
  easy_problems_dominate: "Easy problems dominate", doubtful_reasoning: "Right answers by wrong steps",
};

const warningsSection = () => {
  const several = data.runs.length > 1;
  const findings = data.findings.map((finding) => element("li", {},
    element("strong", {}, findingTitles[finding.kind] ?? finding.kind),
    ` – ${plain(several ? `${finding.run} · ${finding.method}` : finding.method)}: ${plain(finding.message)}.`));
  const warnings = data.warnings.map((warning) => element("li", {}, `${plain(warning)}.`));
  if (findings.length + warnings.length === 0) {
    return section("warnings", "Warnings", element("p", {}, "✓ Nothing that is looked for was found: base near chance, all right or all wrong, falling diversity, growing rationalization, leaked hints, cut off completions, easy problems that dominate, right answers by wrong steps."));
  }
  return section("warnings", "Warnings", element("ul", { class: "warnings" }, findings, warnings));
};

const healthTable = (method) => {
  const attempted = method.iterations.filter(({ metrics }) => metrics.unhinted.attempts > 0);
  if (attempted.length === 0) return null;
  const rows = attempted.map(({ metrics, digest }) => {
    const { unhinted, hinted, selection } = metrics;
    const kept = selection.kept_unhinted + selection.kept_hinted;
    return [String(metrics.iteration), percent(share(unhinted.correct, unhinted.attempts)), percent(share(hinted.correct, hinted.attempts)),
      percent(share(unhinted.truncated, unhinted.attempts)), percent(share(unhinted.unparsed, unhinted.attempts)),
      percent(share(selection.kept_hinted, kept)), percent(share(selection.dropped_leaked_hint, hinted.correct)),
      digest?.distinct_per_problem?.toFixed(2) ?? none, digest?.checked > 0 ? percent(share(digest.doubtful, digest.checked)) : none];
  });
  return table(["iteration", "right, %", "right with the hint, %", "cut off, %", "unparsed, %", "rationalized of what is learned, %",
    "hints told, %", "rationales per solved problem", "doubtful of those kept, %"], rows, { caption: "Signs of health, iteration by iteration" });
};

const practiceFigure = (method) => {
  const { practice } = method;
  if (!practice) return null;
  const counts = Object.entries(practice.problems_by_examples).map(([times, problems]) => [Number(times), problems]);
  const learned = counts.reduce((sum, [, problems]) => sum + problems, 0);
  const never = Math.max(practice.attempted - learned, 0);
  const rows = [[0, never], ...counts].filter(([, problems]) => problems > 0);
  // Long tails in one row, so that the figure stays a figure.
  const shown = rows.slice(0, 16);
  const rest = rows.slice(16).reduce((sum, [, problems]) => sum + problems, 0);
  const named = shown.map(([times, problems]) => [`${times}×`, problems]);
  if (rest > 0) named.push([`>${shown.at(-1)[0]}×`, rest]);
  return stackedBars("How often problems are learned from, over all iterations", {
    rows: named.map(([name, problems]) => ({ name, parts: [{ place: 0, value: problems, title: `${name}: ${plural(problems, "problem")}` }] })),
    names: ["problems"], format: count, note: "Rows are numbers of examples of one problem, bars how many problems have so many.",
  });
};
