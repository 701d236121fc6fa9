// What the rationales are worth: the audits of the methods, in the words that the terminal has too.

const movesCell = ({ content, form }) => [count(content + form), form > 0 && element("small", {}, ` ${count(form)} by form`)].filter(Boolean);

/** Which answers changed between two measurements on the same problems. */
const ledgerTable = ({ iterations: [from, to], accuracy: [before, after], gained, lost, p_value: p, by_class: classes }) => table(
  ["class", "problems", "wrong → right", "right → wrong"],
  [...classes.map((one) => [plain(one.class), count(one.problems), movesCell(one.gained), movesCell(one.lost)]),
    ["all", count(after.total), movesCell(gained), movesCell(lost)]],
  {
    caption: `Gains and losses from iteration ${from} (${percent(before.mean)}%) to iteration ${to} (${percent(after.mean)}%); `
      + `McNemar's exact test: p ${p < 0.0001 ? "< 0.0001" : `= ${p.toFixed(4)}`}. By form: the answer that is not right could not be read, or was cut off.`,
    kind: "ledger",
  });

/** The rationalizations that the hint makes most and least likely. */
const extremesOf = (extremes) => element("details", { class: "screen-only" },
  element("summary", {}, "Rationalizations at both ends of hint reliance"),
  extremes.map((one) => [
    element("p", { class: "note" }, `${one.nats_per_token.toFixed(3)} nats per token; iteration ${one.iteration}, ${plain(one.problem)}`),
    passage(one.completion, {}),
  ]));

const auditOf = ({ run, method }, isOnly) => [
  isOnly ? null : element("h3", {}, data.runs.length > 1 ? `${plain(run.name)}: ${plain(method.name)}` : plain(method.name)),
  table(["figure", "value"], method.audit.lines, { left: 2, caption: `Measured with the model of iteration ${method.audit.iteration}. Intervals are 95%.`, kind: "audit" }),
  method.audit.extremes.length > 0 && extremesOf(method.audit.extremes),
  method.audit.ledger && ledgerTable(method.audit.ledger),
];

const auditSection = () => {
  const audited = methodRuns.filter(({ method }) => method.audit !== null);
  return audited.length > 0 && section("audit", "Audit",
    element("p", { class: "note" }, "Accuracy does not say what the rationales are worth. These figures do. docs/audit.md says how each one is measured, and how it misleads."),
    audited.map((one) => auditOf(one, audited.length === 1)).flat(Infinity).filter(Boolean));
};
