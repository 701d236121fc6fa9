// One attempt, and all attempts at its problem over the iterations.

/** The geometric mean of the probabilities of the tokens. */
const sureness = (logprob) => Math.exp(Math.min(logprob, 0));
const shade = (logprob) => shadeOf(sureness(logprob));

const verdictBadge = ({ name, label, sign }) => element("span", { class: `badge tone-${name === "correct" ? "good" : "bad"}` },
  element("span", { "aria-hidden": "true" }, sign), ` ${label}`);

/** The outcome of an attempt, unless it only repeats the verdict. */
const outcomeBadge = ({ label, tone }) => tone !== "bad" && element("span", { class: `badge tone-${tone}` }, label);

const place = (attempts, index) => `${plain(methodRuns[attempts.method[index]].name)}, iteration ${attempts.iteration[index]}, ${purposeOf(attempts, index).label}`
  + (attempts.sample[index] > 0 ? `, sample ${attempts.sample[index]}` : "");

/** When each method first solved the problem while learning, without and with the hint, in a sentence. */
const storyOf = (attempts, indices) => {
  const sentences = [];
  for (const method of new Set(indices.map((index) => attempts.method[index]))) {
    const tried = indices.filter((index) => attempts.method[index] === method && isToLearn(attempts, index));
    if (tried.length === 0) continue;
    const first = (purpose) => tried.find((index) => purposeOf(attempts, index).name === purpose && verdictOf(attempts, index).name === "correct");
    const [unhinted, hinted] = [first("unhinted"), first("hinted")];
    const learned = tried.filter((index) => outcomeOf(attempts, index).tone === "good").length;
    const when = (index) => `iteration ${attempts.iteration[index]}`;
    const solved = [
      unhinted !== undefined && `first solved without hint in ${when(unhinted)}`,
      hinted !== undefined && `${unhinted !== undefined ? "" : "never solved without hint, "}with hint in ${when(hinted)}`,
    ].filter(Boolean).join(", ");
    sentences.push(`${plain(methodRuns[method].name)}: ${solved || "never solved"}; ${plural(tried.length, "attempt")}, ${learned} learned.`);
  }
  return sentences;
};

/** Draws parts of a text with its false step marked. `step` is its start and end. */
const stepMarked = (text, step) => (from, to) => {
  if (!step || step[1] <= from || step[0] >= to) return visible(text.slice(from, to));
  const [start, end] = [Math.max(step[0], from), Math.min(step[1], to)];
  return [...visible(text.slice(from, start)), element("mark", { class: "false-step", title: "a false step" }, visible(text.slice(start, end))), ...visible(text.slice(end, to))];
};

const meter = (logprob) => {
  if (Number.isNaN(logprob)) return null;
  const sure = sureness(logprob);
  return element("span", { class: "meter", role: "img", "aria-label": `mean token probability ${percent(sure)}%` },
    element("span", { style: { width: `${100 * sure}%` } }));
};

/** Token by token if their log-probabilities were recorded, else shaded as a whole by their mean. */
const rationaleText = (text, logprob, tokens, step) => (tokens && text.length <= moreSigns ? tokenText(text, tokens, step)
  : passage(text, { class: `rationale whole shade-${shade(logprob)}` }, stepMarked(text, step)));

const figures = (attempts, index) => {
  const mean = attempts.logprob[index];
  return element("p", { class: "note figures" },
    `${plural(attempts.tokens[index], "token")} · `
      + (Number.isNaN(mean) ? "log-probabilities not recorded" : `mean log-probability ${mean.toFixed(3)} nats per token (probability ${percent(sureness(mean))}%) `),
    meter(mean),
    hasFlag(attempts, index, "steps_checked") ? " · steps checked" : " · steps not checked",
    hasFlag(attempts, index, "equals_reference") && " · equals the reference",
    hasFlag(attempts, index, "answer_not_stated") && " · the answer is a mention, not a statement");
};

/** The pane of one attempt. `look(index)` shows another one. */
const attemptPane = async (store, index, look) => {
  const { attempts, ids, texts, problems } = store;
  const problem = attempts.problem[index];
  const [[completion, said, tokens, step], [question, answer, reference]] = await Promise.all([texts.at(index), problems.at(problem)]);
  const story = store.storyOf(problem);
  const turn = story.indexOf(index);
  const difference = element("div", {});
  const compare = async (chosen) => {
    if (chosen === "") return difference.replaceChildren();
    const [before, name] = chosen === "reference" ? [reference, "the reference"] : [(await texts.at(Number(chosen)))[0], place(attempts, Number(chosen))];
    return difference.replaceChildren(
      element("p", { class: "note" }, `Struck out: only in ${name}. Underlined: only in this attempt.`), showDifference(before, completion));
  };
  const item = (one) => element("li", {},
    element("button", { type: "button", "aria-current": one === index ? "true" : undefined, onclick: () => look(one) },
      verdictBadge(verdictOf(attempts, one)), element("span", {}, place(attempts, one)),
      isToLearn(attempts, one) && outcomeBadge(outcomeOf(attempts, one)), meter(attempts.logprob[one])));
  const options = [["", "…"], ...(reference === null ? [] : [["reference", "the reference rationale"]]), ...story.filter((one) => one !== index).slice(0, 400)
    .map((one) => [one, `${verdictOf(attempts, one).sign} ${place(attempts, one)}`])];
  return [
    element("h3", {}, plain(ids[problem])),
    element("p", { class: "badges" }, verdictBadge(verdictOf(attempts, index)), outcomeBadge(outcomeOf(attempts, index)),
      hasFlag(attempts, index, "false_step") && element("span", { class: "badge tone-bad" }, "⚠ right answer, wrong steps"),
      element("span", { class: "badge" }, plain(data.attempts.classes[attempts.class[index]]))),
    element("p", { class: "note" }, `${place(attempts, index)}.`),
    element("h4", {}, "Problem"),
    question === "" ? element("p", { class: "note" }, "The run did not record this problem.") : passage(question, { class: "question" }),
    answer !== null && element("p", {}, "Known answer: ", element("strong", {}, visible(answer))),
    element("h4", {}, "Completion"),
    rationaleText(completion, attempts.logprob[index], tokens, step),
    step && element("p", {}, "False step: ", element("strong", {}, visible(completion.slice(...step))), ". It is marked above."),
    said !== null && element("p", {}, verdictOf(attempts, index).name === "failed" ? "The verifier failed: " : "Answer as it was read: ", element("strong", {}, visible(said.slice(0, 400)))),
    figures(attempts, index),
    reference !== null && element("details", {}, element("summary", {}, "The reference rationale"), passage(reference)),
    element("h4", {}, "Compare"),
    choice("with", options, compare, ""),
    difference,
    element("h4", {}, `All attempts at this problem (${turn + 1} of ${story.length})`),
    storyOf(attempts, story).map((sentence) => element("p", {}, sentence)),
    element("ol", { class: "story" }, story.slice(0, 200).map(item)),
    story.length > 200 && element("p", { class: "note" }, `The first 200 of ${count(story.length)} attempts.`),
  ];
};
