// The rules that found the answers, and the verdicts that a person should read.

const doubtKinds = [
  ["weakest", "Right answers that are only mentioned, not stated", "The match may be an accident."],
  ["missed", "Wrong or unreadable answers whose text holds the known answer", "The verdict may be too strict."],
  ["disagreements", "Stated numbers with another verdict by the last number of the text", "Other graders take the last number."],
  ["contradictions", "Answers whose letter and text name different choices", "The model may know the answer but not its letter."],
];

const readingsTable = ({ readings }) => {
  const names = data.attempts.names.verdicts;
  const shown = names.map((verdict, place) => [verdict, place]).filter(([, place]) => readings.some(({ verdicts }) => verdicts[place] > 0));
  const rows = readings.map(({ description, verdicts }) => [description, ...shown.map(([, place]) => count(verdicts[place]))]);
  return table(["rule", ...shown.map(([{ label }]) => label)], rows, { caption: "Attempts and answers by the rule that found the answer" });
};

const doubtItem = ({ method, iteration, problem, verdict, known, read, reading, excerpt }) => element("li", {},
  `${plain(problem)} (${plain(method)}, iteration ${iteration}): ${verdict}; known ${plain(known)}; `,
  read === null ? "nothing was read" : `read ${plain(read)} by ${reading}`, passage(excerpt, {}));

const doubtsOf = (audit) => doubtKinds.filter(([kind]) => audit[kind].count > 0).map(([kind, title, meaning]) => {
  const { count: all, shown } = audit[kind];
  const rest = all > shown.length ? ` The first ${shown.length} are shown; "starloop verify RUN --limit N" shows more.` : "";
  return element("details", {}, element("summary", {}, `${count(all)} · ${title}`), element("p", { class: "note" }, meaning + rest),
    element("ul", {}, shown.map(doubtItem)));
});

const verdictsSection = () => section("verdicts", "Verdicts", data.runs.map((run) => {
  const several = data.runs.length > 1 && element("h3", {}, plain(run.name));
  const { readings } = run.verdicts;
  const rules = readings.some(({ reading }) => reading !== null)
    ? readingsTable(run.verdicts)
    : element("p", { class: "note" }, "The task has one rule that finds answers, so no rule is recorded.");
  return [several, rules, doubtsOf(run.verdicts)];
}));
