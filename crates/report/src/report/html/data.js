// The data blocks: one JSON object that is read at once, and packs (gzip in base64) that are opened when they are needed.

const data = JSON.parse(document.getElementById("data").textContent);

/** The lists that the columns point into. */
const { outcomes, verdicts, purposes, flags } = data.attempts.names;

const outcomeNamed = (name) => outcomes.find((outcome) => outcome.name === name);

/** What the columns hold for an attempt. */
const verdictOf = (attempts, index) => verdicts[attempts.verdict[index]];
const outcomeOf = (attempts, index) => outcomes[attempts.outcome[index]];
const purposeOf = (attempts, index) => purposes[attempts.purpose[index]];
const hasFlag = (attempts, index, name) => (attempts.flags[index] & (1 << flags.indexOf(name))) !== 0;

/** Whether an attempt was made to learn from it. */
const isToLearn = (attempts, index) => ["unhinted", "hinted"].includes(purposeOf(attempts, index).name);

/** The methods of all runs in one list, in the order in which the columns number them. */
const methodRuns = data.attempts.methods.map(([place, number]) => {
  const run = data.runs[place];
  const method = run.methods[number];
  return { run, method, name: data.runs.length > 1 ? `${run.name} · ${method.name}` : method.name };
});

/** The name of a method as filters and addresses show it. */
const nameOf = (method) => methodRuns.find((one) => one.method === method).name;

const canOpen = typeof DecompressionStream === "function";

const unpack = async (id) => {
  const text = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(text, (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
};

const unpackJson = async (id) => JSON.parse(new TextDecoder().decode(await unpack(id)));

/** The columns of all attempts, as typed arrays by name. */
const openColumns = async () => {
  const types = { Uint32Array, Float32Array, Uint16Array, Uint8Array };
  const bytes = await unpack("columns");
  const columns = {};
  let from = 0;
  for (const [name, type] of data.attempts.layout) {
    columns[name] = new types[type](bytes, from, data.attempts.shown);
    from += columns[name].byteLength;
  }
  return columns;
};

/** A list in pages: `firsts` are the numbers of their first values. The latest pages stay open. */
const pages = (name, firsts, open = 24) => {
  const kept = new Map();
  const pageOf = (index) => {
    let [low, high] = [0, firsts.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (firsts[middle] <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  const page = (number) => {
    const known = kept.get(number) ?? unpackJson(`${name}-${number}`);
    kept.delete(number);
    kept.set(number, known);
    if (kept.size > open) kept.delete(kept.keys().next().value);
    return known;
  };
  return {
    at: async (index) => (await page(pageOf(index)))[index - firsts[pageOf(index)]],
    pageOf,
    /** A page by its number, for going through all of them: it is not kept. */
    page: (number) => kept.get(number) ?? unpackJson(`${name}-${number}`),
    firsts,
  };
};
