// Signs of trouble, and their figures.

const findingTitles = {
  near_chance: "The base is near chance", all_right: "Everything is right", all_wrong: "Nothing is right without hint",
  diversity_falls: "Diversity falls", rationalization_grows: "Rationalization grows", leaked_hints: "Rationales mention the hint", truncated: "Many are cut off",
  easy_problems_dominate: "Easy problems dominate", false_steps: "Right answers, wrong steps",
};

const warningsSection = () => {
  const several = data.runs.length > 1;
  const findings = data.findings.map((finding) => element("li", {},
    element("strong", {}, findingTitles[finding.kind] ?? finding.kind),
    ` – ${plain(several ? `${finding.run} · ${finding.method}` : finding.method)}: ${plain(finding.message)}.`));
  const warnings = data.warnings.map((warning) => element("li", {}, `${plain(warning)}.`));
  if (findings.length + warnings.length === 0) {
    return section("warnings", "Warnings", element("p", {}, "✓ No sign of trouble was found. The report looks for: base near chance, all right or all wrong, falling diversity, growing rationalization, rationales that mention the hint, completions that are cut off, easy problems that dominate, right answers with wrong steps."));
  }
  return section("warnings", "Warnings", element("ul", { class: "warnings" }, findings, warnings));
};

const healthTable = (method) => {
  const attempted = method.iterations.filter(({ metrics }) => metrics.unhinted.attempts > 0);
  if (attempted.length === 0) return null;
  const rows = attempted.map(({ metrics, attempts }) => {
    const { unhinted, hinted, selection } = metrics;
    const kept = selection.kept_unhinted + selection.kept_hinted;
    return [String(metrics.iteration), percent(share(unhinted.correct, unhinted.attempts)), percent(share(hinted.correct, hinted.attempts)),
      percent(share(unhinted.truncated, unhinted.attempts)), percent(share(unhinted.unparsed, unhinted.attempts)),
      percent(share(selection.kept_hinted, kept)), percent(share(selection.dropped_leaked_hint, hinted.correct)),
      attempts?.distinct_paths?.toFixed(2) ?? none, attempts?.checked > 0 ? percent(share(attempts.false_steps, attempts.checked)) : "not checked"];
  });
  return table(["iteration", "right, %", "right with hint, %", "cut off, %", "no readable answer, %", "learned with hint, % of learned",
    "rationales that mention the hint, %", "different paths per solved problem", "right answer, wrong steps, % of learned"], rows, { caption: "Signs of health, iteration by iteration" });
};

const practiceFigure = (method) => {
  const { practice } = method;
  if (!practice) return null;
  const counts = Object.entries(practice.problems_by_examples).map(([times, problems]) => [Number(times), problems]);
  const learned = counts.reduce((sum, [, problems]) => sum + problems, 0);
  const never = Math.max(practice.attempted - learned, 0);
  const rows = [[0, never], ...counts].filter(([, problems]) => problems > 0);
  // A long tail is one row.
  const shown = rows.slice(0, 16);
  const rest = rows.slice(16).reduce((sum, [, problems]) => sum + problems, 0);
  const named = shown.map(([times, problems]) => [`${times}×`, problems]);
  if (rest > 0) named.push([`>${shown.at(-1)[0]}×`, rest]);
  return stackedBars("How often problems are learned from, over all iterations", {
    rows: named.map(([name, problems]) => ({ name, parts: [{ place: 0, value: problems, title: `${name}: ${plural(problems, "problem")}` }] })),
    names: ["problems"], format: count, note: "A row is a number of examples of one problem; its bar is the number of problems that have so many.",
  });
};
