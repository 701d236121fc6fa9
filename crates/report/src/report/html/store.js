// The data of the attempts: columns, ids, pages, and the attempts of each problem.

const openStore = async () => {
  const [attempts, ids] = await Promise.all([openColumns(), unpackJson("ids")]);
  const total = data.attempts.shown;
  // A counting sort by problem, in the order of the attempts.
  const starts = new Uint32Array(ids.length + 1);
  for (let index = 0; index < total; index += 1) starts[attempts.problem[index] + 1] += 1;
  for (let problem = 0; problem < ids.length; problem += 1) starts[problem + 1] += starts[problem];
  const [next, sorted] = [starts.slice(), new Uint32Array(total)];
  for (let index = 0; index < total; index += 1) sorted[next[attempts.problem[index]]++] = index;
  const storyOf = (problem) => Array.from(sorted.subarray(starts[problem], starts[problem + 1]));
  const nameOf = (index) => [methodRuns[attempts.method[index]].name, attempts.iteration[index], purposeOf(attempts, index).name, attempts.sample[index],
    ids[attempts.problem[index]]].join("/");
  return {
    attempts, ids, total, storyOf,
    texts: pages("texts", data.attempts.texts),
    problems: pages("problems", data.attempts.problems),
    /** The name of an attempt in addresses, which another page of the same run has too. */
    nameOf,
    /** The attempt with a name; undefined if the page has none. */
    named: (name) => {
      const same = (problem) => storyOf(problem).find((index) => nameOf(index) === name);
      return ids.flatMap((id, problem) => (name.endsWith(id) ? [same(problem)] : [])).find((found) => found !== undefined);
    },
  };
};

/** The last part of a problem's id, which no other problem of its split has. */
const lastPart = (id) => id.slice(id.lastIndexOf("/") + 1) || id;

/** "said 3912, known 3962", for a wrong answer. */
const saidAndKnown = ([, said], [, answer]) =>
  (said === null || answer === null ? null : `said ${plain(said.slice(0, 40).trim())}, known ${plain(answer.slice(0, 40).trim())}`);
