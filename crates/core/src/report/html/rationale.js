// One attempt in full, and its problem's story over the iterations.

/** How sure the model was: the mean probability of a token (geometric). A run records no more than the sum of their logarithms. */
const sureness = (logprob) => Math.exp(Math.min(logprob, 0));
const shade = (logprob) => shadeOf(sureness(logprob));

const verdictBadge = (verdict) => element("span", { class: `badge verdict-${verdict}` },
  element("span", { "aria-hidden": "true" }, verdicts[verdict].sign), ` ${verdicts[verdict].name}`);

const fateBadge = (fate) => element("span", { class: `badge fate-${fate}` }, fates[fate]);

const FAITHFUL = 1;
const DOUBTFUL = 2;
const READ_FLEXIBLY = 4;

const place = (attempts, index) => `${plain(arms[attempts.arm[index]].name)}, iteration ${attempts.iteration[index]}, ${kinds[attempts.kind[index]]}`
  + (attempts.sample[index] > 0 ? `, sample ${attempts.sample[index]}` : "");

/** When each method first solved the problem while learning, by itself and hinted, in a sentence. */
const storyOf = (attempts, indices) => {
  const sentences = [];
  for (const arm of new Set(indices.map((index) => attempts.arm[index]))) {
    const tried = indices.filter((index) => attempts.arm[index] === arm && attempts.kind[index] < 2);
    if (tried.length === 0) continue;
    const first = (kind) => tried.find((index) => attempts.kind[index] === kind && attempts.verdict[index] === 0);
    const [alone, hinted] = [first(0), first(1)];
    const kept = tried.filter((index) => keptFates.has(attempts.fate[index])).length;
    const when = (index) => `iteration ${attempts.iteration[index]}`;
    const solved = [
      alone !== undefined && `first solved by itself in ${when(alone)}`,
      hinted !== undefined && `${alone !== undefined ? "" : "never solved by itself, "}with the hint in ${when(hinted)}`,
    ].filter(Boolean).join(", ");
    sentences.push(`${plain(arms[arm].name)}: ${solved || "never solved"}; ${plural(tried.length, "attempt")}, ${kept} learned from.`);
  }
  return sentences;
};

const meter = (logprob) => {
  if (Number.isNaN(logprob)) return null;
  const sure = sureness(logprob);
  return element("span", { class: "meter", role: "img", "aria-label": `mean token probability ${percent(sure)}%` },
    element("span", { style: { width: `${100 * sure}%` } }));
};

/** Token by token where their log-probabilities are here, else shaded as a whole by their mean. */
const rationaleText = (text, logprob, written, tokens) => {
  if (!tokens || text.length > moreSigns) return passage(text, { class: `rationale whole shade-${shade(logprob)}` });
  const [now, then] = [-tokens[1].reduce((sum, value) => sum + value, 0), logprob * written];
  // Scores are rounded to a thousandth, and training's attention adds in another order than sampling's.
  const agree = Number.isNaN(then) || Math.abs(now - then) < 0.01 + 0.001 * tokens[1].length;
  return [tokenText(text, tokens), !agree && element("p", { class: "note" },
    `The model divided its text into other tokens, or ended it otherwise: these add up to ${now.toFixed(2)} nats, and ${then.toFixed(2)} was recorded.`)];
};

const figures = (attempts, index) => {
  const mean = attempts.logprob[index];
  const flags = attempts.flags[index];
  return element("p", { class: "note figures" },
    `${plural(attempts.tokens[index], "token")} · `
      + (Number.isNaN(mean) ? "their log-probabilities were not told" : `mean log-probability ${mean.toFixed(3)} nats per token (probability ${percent(sureness(mean))}%) `),
    meter(mean),
    (flags & FAITHFUL) !== 0 && " · equals the reference",
    (flags & READ_FLEXIBLY) !== 0 && " · the answer was not where the format puts it");
};

/** The pane of one attempt. `look(index)` shows another one. */
const attemptPane = async (store, index, look) => {
  const { attempts, ids, texts, problems } = store;
  const problem = attempts.problem[index];
  const [[completion, said, tokens], [question, answer, reference]] = await Promise.all([texts.at(index), problems.at(problem)]);
  const story = store.storyOf(problem);
  const step = story.indexOf(index);
  const difference = element("div", {});
  const compare = async (chosen) => {
    if (chosen === "") return difference.replaceChildren();
    const [before, name] = chosen === "reference" ? [reference, "the reference"] : [(await texts.at(Number(chosen)))[0], place(attempts, Number(chosen))];
    return difference.replaceChildren(
      element("p", { class: "note" }, `Struck out: only in ${name}. Underlined: only in this one.`), showDifference(before, completion));
  };
  const item = (one) => element("li", {},
    element("button", { type: "button", "aria-current": one === index ? "true" : undefined, onclick: () => look(one) },
      verdictBadge(attempts.verdict[one]), element("span", {}, place(attempts, one)),
      attempts.kind[one] < 2 && attempts.verdict[one] === 0 && fateBadge(attempts.fate[one]), meter(attempts.logprob[one])));
  const options = [["", "nothing"], ...(reference === null ? [] : [["reference", "the reference rationale"]]), ...story.filter((one) => one !== index).slice(0, 400)
    .map((one) => [one, `${verdicts[attempts.verdict[one]].sign} ${place(attempts, one)}`])];
  return [
    element("h3", {}, plain(ids[problem])),
    element("p", { class: "badges" }, verdictBadge(attempts.verdict[index]), fateBadge(attempts.fate[index]),
      (attempts.flags[index] & DOUBTFUL) !== 0 && element("span", { class: "badge doubtful" }, "⚠ steps that are not so"),
      element("span", { class: "badge" }, plain(data.attempts.classes[attempts.class[index]]))),
    element("p", { class: "note" }, `${place(attempts, index)}.`),
    element("h4", {}, "Asked"),
    question === "" ? element("p", { class: "note" }, "The question is not in the run directory, and its task's file could not be read.") : passage(question, { class: "question" }),
    answer !== null && element("p", {}, "Known answer: ", element("strong", {}, visible(answer))),
    element("h4", {}, "Written"),
    rationaleText(completion, attempts.logprob[index], attempts.tokens[index], tokens),
    said !== null && element("p", {}, attempts.verdict[index] === 4 ? "The verifier failed: " : "Answer as it was read: ", element("strong", {}, visible(said.slice(0, 400)))),
    figures(attempts, index),
    reference !== null && element("details", {}, element("summary", {}, "The reference rationale"), passage(reference)),
    element("h4", {}, "Difference"),
    choice("from", options, compare, ""),
    difference,
    element("h4", {}, `The problem's story (${step + 1} of ${story.length})`),
    storyOf(attempts, story).map((sentence) => element("p", {}, sentence)),
    element("ol", { class: "story" }, story.slice(0, 200).map(item)),
    story.length > 200 && element("p", { class: "note" }, `The first 200 of ${count(story.length)} attempts.`),
  ];
};
