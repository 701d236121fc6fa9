// The filters of the rationales: over columns at once, and through the texts page by page. A state names what is wanted; see address.js.

const used = (column) => [...new Set(column)].sort((a, b) => a - b);

/** Name, words and options of each filter. An option has its number in the column, its name in the address, and its words. */
const filters = [
  ["method", "Method", () => methodRuns.map(({ name }, number) => [number, name, plain(name)])],
  ["iteration", "Iteration", (attempts) => used(attempts.iteration).map((number) => [number, String(number), String(number)])],
  ["purpose", "Purpose", (attempts) => used(attempts.purpose).map((number) => [number, purposes[number].name, purposes[number].label])],
  ["verdict", "Verdict", (attempts) => used(attempts.verdict).map((number) => [number, verdicts[number].name, verdicts[number].label])],
  ["outcome", "Outcome", (attempts) => used(attempts.outcome).map((number) => [number, outcomes[number].name, outcomes[number].label])],
  ["class", "Class", () => data.attempts.classes.map((name, number) => [number, name, plain(name)])],
];

/** Instructive kinds of attempts, by their flag. */
const kinds = [["gained", "gained"], ["lost", "lost"], ["only_with_hint", "right only with hint"], ["false_step", "right answer, wrong steps"],
  ["other_path", "right by another path"]];

/** The kinds that the page has, each with its number of attempts. */
const kindsWithCounts = (attempts) => kinds
  .map(([flag, name]) => [flag, name, attempts.flags.reduce((sum, _, index) => sum + (hasFlag(attempts, index, flag) ? 1 : 0), 0)])
  .filter(([, , number]) => number > 0);

/** Attempts without a value come last. */
const last = (value) => (Number.isNaN(value) ? 1e9 : value);

const orders = {
  made: ["as made", () => null],
  unsure: ["least sure first", ({ logprob }) => (a, b) => last(logprob[a]) - last(logprob[b])],
  sure: ["surest first", ({ logprob }) => (a, b) => last(-logprob[a]) - last(-logprob[b])],
  close: ["nearly right first", ({ distance }) => (a, b) => last(distance[a]) - last(distance[b])],
  long: ["longest first", ({ tokens }) => (a, b) => tokens[b] - tokens[a]],
};

/** The attempts that match the filters of a state, in its order. */
const filtered = ({ attempts, ids, total }, state) => {
  const wanted = filters.filter(([name]) => state[name]).map(([name, , options]) =>
    [attempts[name], options(attempts).find(([, key]) => key === state[name])?.[0] ?? -1]);
  const { kind, problem } = state;
  const found = [];
  for (let index = 0; index < total; index += 1) {
    if (kind && !hasFlag(attempts, index, kind)) continue;
    if (problem && ids[attempts.problem[index]] !== problem) continue;
    if (wanted.every(([column, value]) => column[index] === value)) found.push(index);
  }
  const compare = (Object.hasOwn(orders, state.order ?? "") ? orders[state.order] : orders.made)[1](attempts);
  return compare ? found.sort(compare) : found;
};

/** The attempts of `indices` with `needle` in their text, problem or id. Calls `progress` with the share done. Stops if `stale()`. */
const searched = async ({ attempts, ids, texts, problems }, indices, needle, progress, stale) => {
  const wanted = needle.toLowerCase();
  const holds = (text) => text.toLowerCase().includes(wanted);
  const hit = new Uint8Array(ids.length);
  ids.forEach((id, problem) => { hit[problem] = holds(id) ? 1 : 0; });
  for (let page = 0; page < problems.firsts.length && !stale(); page += 1) {
    (await problems.page(page)).forEach(([question], n) => { if (holds(question)) hit[problems.firsts[page] + n] = 1; });
  }
  const byPage = new Map();
  for (const index of indices) {
    if (hit[attempts.problem[index]] === 1) continue;
    const page = texts.pageOf(index);
    if (!byPage.has(page)) byPage.set(page, []);
    byPage.get(page).push(index);
  }
  const inText = new Set();
  let done = 0;
  for (const [page, wantedHere] of byPage) {
    if (stale()) return null;
    const values = await texts.page(page);
    for (const index of wantedHere) if (holds(values[index - texts.firsts[page]][0])) inText.add(index);
    done += 1;
    progress(done / byPage.size);
    await breathe();
  }
  return indices.filter((index) => hit[attempts.problem[index]] === 1 || inText.has(index));
};
