// Signs of trouble, and their figures.

const findingTitles = {
  near_chance: "The base is near chance", all_right: "Everything is right", all_wrong: "Nothing is right without hint",
  diversity_falls: "Diversity falls", rationalization_grows: "Rationalization grows", leaked_hints: "Rationales mention the hint", truncated: "Many are cut off",
  easy_problems_dominate: "Easy problems dominate", false_steps: "Right answers, wrong steps",
  hint_reliance: "Rationalizations rely on the hint", any_hint: "Rationalizations reach any hint",
  unused_rationale: "The rationale does not cause the answer", sharpened: "Sharpened, not learned",
};

/** The attempts that a finding is about. */
const findingAttempts = {
  near_chance: { iteration: "0", purpose: "evaluation" }, all_right: { purpose: "unhinted" }, all_wrong: { purpose: "unhinted" }, diversity_falls: { purpose: "unhinted", verdict: "correct" },
  rationalization_grows: { purpose: "hinted", verdict: "correct" }, leaked_hints: { outcome: "leaks_hint" }, truncated: { verdict: "truncated" },
  easy_problems_dominate: { outcome: "learned" }, false_steps: { kind: "false_step", outcome: "learned" },
};

const mostFindings = 3;

const findingItem = (finding) => {
  const name = data.runs.length > 1 ? `${finding.run} · ${finding.method}` : finding.method;
  return element("p", {}, `${plain(name)}: ${plain(finding.message)}. `,
    attemptsLink({ method: name, ...findingAttempts[finding.kind] }, { "aria-label": `attempts of ${plain(name)}: ${findingTitles[finding.kind]}` }, "attempts"));
};

/** The findings of one kind: the first ones, and the others behind a line. */
const findingsOf = (kind) => {
  const items = data.findings.filter((finding) => finding.kind === kind).map(findingItem);
  return element("li", {}, element("strong", {}, findingTitles[kind] ?? kind), items.slice(0, mostFindings),
    items.length > mostFindings && element("details", {}, element("summary", {}, `${items.length - mostFindings} more methods`), items.slice(mostFindings)));
};

const warningsSection = () => {
  const findings = [...new Set(data.findings.map(({ kind }) => kind))].map(findingsOf);
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
  const header = ["iteration", "right, %", "right with hint, %", "cut off, %", "no readable answer, %", "learned with hint, % of learned",
    "rationales that mention the hint, %", "different paths per solved problem", "right answer, wrong steps, % of learned"];
  return table(...withoutEmpty(header, rows), { caption: "Signs of health, iteration by iteration" });
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
