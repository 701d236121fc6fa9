// A few instructive rationales under the result: one of each kind, short enough to read at once.

/** Title, explanation, the state that lists all of its kind, whether an attempt is of the kind, and the order of preference. */
const exampleKinds = [
  ["Gained", "The untrained model was wrong; the answer is right now.", { kind: "gained" }, (attempts, index) => hasFlag(attempts, index, "gained")],
  ["Lost", "The untrained model was right; the answer is not right now.", { kind: "lost" }, (attempts, index) => hasFlag(attempts, index, "lost")],
  ["Right only with hint", "The model failed without the hint.", { kind: "only_with_hint" }, (attempts, index) => hasFlag(attempts, index, "only_with_hint")],
  ["Right answer, wrong steps", "The answer is right, and a step is false.", { kind: "false_step" }, (attempts, index) => hasFlag(attempts, index, "false_step")],
  ["Wrong, but nearly right", "The nearest wrong number.", { verdict: "wrong", order: "close" }, (attempts, index) => !Number.isNaN(attempts.distance[index]),
    (attempts) => (a, b) => attempts.distance[a] - attempts.distance[b] || b - a],
  ["Right by another path", "An earlier sample is right by another path.", { kind: "other_path" }, (attempts, index) => hasFlag(attempts, index, "other_path")],
];

const [longestProblem, longestRationale] = [180, 420];

const cut = (text, most) => (text.length > most ? `${text.slice(0, most).trimEnd()} …` : text);

/** The example of a kind: of the main method if it has one, of the latest iteration that has one, and rather short. */
const exampleOf = ({ attempts, total }, holds, order) => {
  const mains = new Set(methodRuns.flatMap(({ run, method }, number) => (run.headline?.method === method.name ? [number] : [])));
  const all = Array.from({ length: total }, (_, index) => index).filter((index) => holds(attempts, index));
  const ofMain = all.filter((index) => mains.has(attempts.method[index]));
  const known = ofMain.length > 0 ? ofMain : all;
  if (known.length === 0) return null;
  if (order) return known.sort(order(attempts))[0];
  const latest = known.reduce((most, index) => Math.max(most, attempts.iteration[index]), 0);
  const found = known.filter((index) => attempts.iteration[index] === latest).sort((a, b) => attempts.tokens[a] - attempts.tokens[b] || a - b);
  return found[Math.floor(found.length / 4)];
};

const exampleCard = async (store, [title, meaning, state, holds, order]) => {
  const index = exampleOf(store, holds, order);
  if (index === null) return null;
  const { attempts, ids, texts, problems } = store;
  const problem = attempts.problem[index];
  const [text, known] = [await texts.at(index), await problems.at(problem)];
  const [completion, , , step] = text;
  const from = step && step[1] > longestRationale ? Math.max(step[0] - 80, 0) : 0;
  const shown = completion.slice(from, from + longestRationale);
  // The figures of other methods would not belong to the result above.
  const ofMethod = { ...state, method: methodRuns[attempts.method[index]].name };
  const all = filtered(store, ofMethod).length;
  return element("article", { class: "card example" },
    element("h4", {}, title, " ", attemptsLink(ofMethod, { "aria-label": `all ${count(all)}: ${title}` }, `all ${count(all)}`)),
    element("p", { class: "note" }, meaning),
    element("p", { class: "question" }, plain(cut(known[0].trim() || ids[problem], longestProblem))),
    element("pre", { dir: "ltr" }, from > 0 && "… ", stepMarked(completion, step)(from, from + shown.length), from + shown.length < completion.length && " …"),
    element("p", {}, verdictBadge(verdictOf(attempts, index)), " ",
      verdictOf(attempts, index).name === "wrong" ? saidAndKnown(text, known) : known[1] !== null && `known ${plain(known[1].slice(0, 40))}`),
    element("p", { class: "note" }, `${place(attempts, index)} · `,
      attemptsLink({ ...ofMethod, attempt: store.nameOf(index) }, { class: "read", "aria-label": `read it and its history: ${title}` }, "read it and its history")));
};

const examplesPlace = () => element("div", { id: "examples" });

const showExamples = async (store) => {
  const cards = (await Promise.all(exampleKinds.map((kind) => exampleCard(store, kind)))).filter((card) => card !== null);
  if (cards.length === 0) return;
  document.getElementById("examples").replaceChildren(element("h3", {}, "Examples"), element("div", { class: "cards examples" }, cards));
};
