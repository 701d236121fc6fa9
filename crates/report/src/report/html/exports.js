// Attempts as files and as text for the clipboard. Nothing leaves the page: the browser saves the file.

/** An attempt as a flat object, with the names of `starloop inspect --json`. */
const recordOf = async ({ attempts, ids, texts, problems }, index) => {
  const problem = attempts.problem[index];
  const [[completion, said], [question, answer]] = [await texts.at(index), await problems.at(problem)];
  const { run, method } = methodRuns[attempts.method[index]];
  const logprob = attempts.logprob[index];
  return {
    run: run.name, method: method.name, iteration: attempts.iteration[index], purpose: purposeOf(attempts, index).name, problem: ids[problem],
    class: data.attempts.classes[attempts.class[index]], sample: attempts.sample[index], verdict: verdictOf(attempts, index).name, predicted: said, answer,
    outcome: isToLearn(attempts, index) ? outcomeOf(attempts, index).name : null,
    kinds: kinds.filter(([flag]) => hasFlag(attempts, index, flag)).map(([flag]) => flag).join(" "),
    completion_tokens: attempts.tokens[index], logprob_per_token: Number.isNaN(logprob) ? null : logprob, question, completion,
  };
};

const csvCell = (value) => (value === null || value === undefined ? "" : `"${String(value).replaceAll("\"", "\"\"")}"`);

const formats = {
  csv: { type: "text/csv", head: (keys) => `${keys.map(csvCell).join(",")}\r\n`, line: (record) => `${Object.values(record).map(csvCell).join(",")}\r\n` },
  jsonl: { type: "application/x-ndjson", head: () => "", line: (record) => `${JSON.stringify(record)}\n` },
};

/** Saves attempts as a file. `progress` gets the share done. */
const save = async (store, indices, format, progress) => {
  const { type, head, line } = formats[format];
  const lines = [];
  for (const [n, index] of indices.entries()) {
    const record = await recordOf(store, index);
    if (n === 0) lines.push(head(Object.keys(record)));
    lines.push(line(record));
    progress((n + 1) / indices.length);
    await breathe();
  }
  const address = URL.createObjectURL(new Blob(lines, { type }));
  element("a", { href: address, download: `attempts.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
};

/** Copies a text. Without the clipboard of a newer browser, the selection is copied. */
const copyText = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const place = element("textarea", { class: "away", "aria-hidden": "true" });
    place.value = text;
    document.body.append(place);
    place.select();
    document.execCommand("copy");
    place.remove();
  }
};

/** A button that says for a moment that it has worked. */
const actionButton = (name, done, act) => {
  const button = element("button", { type: "button", onclick: async () => {
    await act();
    button.textContent = done;
    setTimeout(() => { button.textContent = name; }, 1500);
  } }, name);
  return button;
};
