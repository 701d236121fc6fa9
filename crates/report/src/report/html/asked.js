// Whole prompts that the models were asked, one of each kind.

/** The place of the hint in a prompt, start and end: the end of the prompt has a part that the same problem without the hint does not have. */
const hintIn = ({ text, bare }) => {
  if (bare === null) return null;
  let behind = 0;
  while (behind < bare.length && text[text.length - 1 - behind] === bare[bare.length - 1 - behind]) behind += 1;
  const [before, end] = [bare.slice(0, bare.length - behind), text.length - behind];
  const start = before === "" ? -1 : text.lastIndexOf(before, end - before.length);
  return start >= 0 && start + before.length < end ? [start + before.length, end] : null;
};

const askedPrompt = (prompt) => {
  const hint = hintIn(prompt);
  const show = (from, to) => {
    if (hint === null) return visible(prompt.text.slice(from, to));
    const [start, end] = hint.map((place) => Math.min(Math.max(place, from), to));
    return [...visible(prompt.text.slice(from, start)), start < end && fill(element("mark", { class: "hint" }), {}, visible(prompt.text.slice(start, end))),
      ...visible(prompt.text.slice(end, to))].filter(Boolean);
  };
  const { label } = purposes.find(({ name }) => name === prompt.purpose);
  return element("details", {},
    element("summary", {}, `Iteration ${prompt.iteration}, ${label}: ${plain(prompt.problem)}${hint === null ? "" : "; the hint is marked"}`),
    passage(prompt.text, { class: "asked" }, show));
};

/** The prompts of a method, or nothing if none was recorded. */
const askedFigures = (run, method) => method.asked.length > 0 && element("div", { class: "screen-only" },
  element("h3", {}, "What the model was asked"),
  run.chat && element("p", { class: "note" }, "The chat template of the model puts each of these texts into the message of a user. `starloop inspect --prompt` shows the result."),
  method.asked.map(askedPrompt));
