// The rationales: filters over columns, search through the texts page by page, and a list that draws only the visible rows.

const rowHeight = 54;

/** The last part of a problem's id, which no other problem of its split has. */
const lastPart = (id) => id.slice(id.lastIndexOf("/") + 1) || id;

/** The data of the attempts: columns, ids, pages, and the attempts of each problem. */
const openStore = async () => {
  const [attempts, ids] = await Promise.all([openColumns(), unpackJson("ids")]);
  const total = data.attempts.shown;
  // A counting sort by problem, in the order of the attempts.
  const starts = new Uint32Array(ids.length + 1);
  for (let index = 0; index < total; index += 1) starts[attempts.problem[index] + 1] += 1;
  for (let problem = 0; problem < ids.length; problem += 1) starts[problem + 1] += starts[problem];
  const [next, sorted] = [starts.slice(), new Uint32Array(total)];
  for (let index = 0; index < total; index += 1) sorted[next[attempts.problem[index]]++] = index;
  return {
    attempts, ids, total,
    texts: pages("texts", data.attempts.texts),
    problems: pages("problems", data.attempts.problems),
    storyOf: (problem) => Array.from(sorted.subarray(starts[problem], starts[problem + 1])),
  };
};

const filters = [
  ["method", "Method", () => methodRuns.map(({ name }, number) => [number, plain(name)])],
  ["iteration", "Iteration", (attempts) => [...new Set(attempts.iteration)].sort((a, b) => a - b).map((number) => [number, String(number)])],
  ["purpose", "Purpose", (attempts) => [...new Set(attempts.purpose)].sort((a, b) => a - b).map((number) => [number, purposes[number].label])],
  ["verdict", "Verdict", (attempts) => [...new Set(attempts.verdict)].sort((a, b) => a - b).map((number) => [number, verdicts[number].label])],
  ["outcome", "Outcome", (attempts) => [...new Set(attempts.outcome)].sort((a, b) => a - b).map((number) => [number, outcomes[number].label])],
  ["class", "Class", () => data.attempts.classes.map((name, number) => [number, plain(name)])],
];

/** Instructive kinds of attempts, by their flag. */
const kinds = [["gained", "gained"], ["lost", "lost"], ["only_with_hint", "right only with hint"], ["false_step", "right answer, wrong steps"]];

/** The kinds that the page has, each with its number of attempts. */
const kindsWithCounts = (attempts) => kinds
  .map(([flag, name]) => [flag, name, attempts.flags.reduce((sum, _, index) => sum + (hasFlag(attempts, index, flag) ? 1 : 0), 0)])
  .filter(([, , number]) => number > 0)
  .map(([flag, name, number]) => [flag, `${name} (${count(number)})`]);

/** Attempts without a log-probability come last. */
const known = (value) => (Number.isNaN(value) ? 1e9 : value);

const orders = {
  file: ["as made", () => null],
  unsure: ["least sure first", ({ logprob }) => (a, b) => known(logprob[a]) - known(logprob[b])],
  sure: ["surest first", ({ logprob }) => (a, b) => known(-logprob[a]) - known(-logprob[b])],
  long: ["longest first", ({ tokens }) => (a, b) => tokens[b] - tokens[a]],
};

/** The attempts that match the filters, in order. */
const filtered = ({ attempts, total }, chosen, kind, order) => {
  const wanted = Object.entries(chosen).filter(([, value]) => value !== "").map(([name, value]) => [attempts[name], Number(value)]);
  const found = [];
  for (let index = 0; index < total; index += 1) {
    if (kind !== "" && !hasFlag(attempts, index, kind)) continue;
    if (wanted.every(([column, value]) => column[index] === value)) found.push(index);
  }
  const compare = orders[order][1](attempts);
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

/** A list of `indices`. Only its visible rows exist. A choice calls `look(index)`, and a click also calls `opened()`. */
const listOf = (store, look, opened) => {
  const { attempts, ids, texts } = store;
  let [indices, selected] = [[], -1];
  const rows = element("div", { class: "rows" });
  const list = element("div", {
    class: "list", role: "listbox", tabindex: 0, "aria-label": "attempts", onscroll: () => draw(),
    onkeydown: (event) => {
      const page = Math.max(1, Math.floor(list.clientHeight / rowHeight) - 1);
      const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (!(event.key in moves) || indices.length === 0) return;
      event.preventDefault();
      select(Math.min(Math.max(selected + moves[event.key], 0), indices.length - 1));
    },
  }, rows);
  const row = (position) => {
    const index = indices[position];
    const snippet = element("span", { class: "snippet" }, " ");
    texts.at(index).then(([text]) => { snippet.textContent = plain(text.slice(0, 160).replace(/\s+/g, " ").trim()) || "(nothing)"; });
    return element("div", {
      class: "row", role: "option", id: `attempt-${index}`, "aria-selected": position === selected ? "true" : "false",
      "aria-setsize": indices.length, "aria-posinset": position + 1, style: { top: `${position * rowHeight}px` }, onclick: () => { select(position); opened(); },
    },
    element("span", { class: "line" }, verdictBadge(verdictOf(attempts, index)), element("span", { class: "id", title: plain(ids[attempts.problem[index]]) }, plain(lastPart(ids[attempts.problem[index]]))),
      element("span", { class: "where" }, `${plain(methodRuns[attempts.method[index]].name)} · ${attempts.iteration[index]} · ${purposeOf(attempts, index).label}`),
      isToLearn(attempts, index) && outcomeOf(attempts, index).tone !== "bad" && element("span", { class: "became" }, outcomeOf(attempts, index).label)),
    element("span", { class: "line" }, meter(attempts.logprob[index]), snippet));
  };
  let drawnRows = new Map();
  const draw = (anew = false) => {
    const first = Math.max(0, Math.floor(list.scrollTop / rowHeight) - 6);
    const last = Math.min(indices.length, Math.ceil((list.scrollTop + list.clientHeight) / rowHeight) + 6);
    const next = new Map();
    for (let position = first; position < last; position += 1) next.set(position, (!anew && drawnRows.get(position)) || row(position));
    for (const [position, old] of drawnRows) if (next.get(position) !== old) old.remove();
    for (const [position, one] of next) if (drawnRows.get(position) !== one) rows.append(one);
    drawnRows = next;
  };
  const select = (position) => {
    drawnRows.get(selected)?.setAttribute("aria-selected", "false");
    selected = position;
    const top = position * rowHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + rowHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + rowHeight - list.clientHeight;
    draw();
    drawnRows.get(selected)?.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", `attempt-${indices[position]}`);
    look(indices[position]);
  };
  new ResizeObserver(() => draw()).observe(list);
  return {
    list,
    show: (found) => {
      [indices, selected] = [found, -1];
      list.removeAttribute("aria-activedescendant");
      // Browsers have a limit of about 30 million pixels. Half a million rows are below it.
      rows.style.setProperty("height", `${indices.length * rowHeight}px`);
      list.scrollTop = 0;
      draw(true);
    },
    select,
  };
};

const browser = (store) => {
  const chosen = Object.fromEntries(filters.map(([name]) => [name, ""]));
  let [kind, order, needle, round] = ["", "file", "", 0];
  const pane = element("article", { class: "pane", id: "pane", tabindex: -1, "aria-label": "the chosen attempt" });
  let looked = 0;
  const look = async (index) => {
    const mine = ++looked;
    const shown = await attemptPane(store, index, look);
    if (mine === looked) {
      const back = element("button", { type: "button", class: "back", onclick: () => list.list.scrollIntoView({ block: "start" }) }, "↑ back to the list");
      pane.replaceChildren(back, ...shown.flat(Infinity).filter((part) => part !== false && part !== null && part !== undefined));
      pane.scrollTop = 0;
    }
  };
  const opened = () => {
    // On a narrow screen the attempt is below the list.
    if (matchMedia("(max-width: 48rem)").matches) pane.scrollIntoView({ block: "start" });
  };
  const list = listOf(store, look, opened);
  const status = element("p", { class: "status", role: "status" });
  const apply = async () => {
    const mine = ++round;
    const stale = () => mine !== round;
    let found = filtered(store, chosen, kind, order);
    if (needle !== "") {
      found = await searched(store, found, needle, (part) => { status.textContent = `searching … ${Math.round(100 * part)}%`; }, stale);
      if (stale() || found === null) return;
    }
    status.textContent = `${count(found.length)} of ${plural(store.total, "attempt and answer", "attempts and answers")}`;
    list.show(found);
    if (found.length > 0) list.select(0);
    else {
      looked += 1;
      pane.replaceChildren(element("p", { class: "note" }, "No attempts match."));
    }
    status.dataset.done = String(mine);
    status.dataset.found = needle;
  };
  let waiting;
  const search = element("input", {
    type: "search", id: "search", placeholder: "text, problem or id", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false",
    oninput: () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { needle = search.value; apply(); }, 250);
    },
  });
  const selects = filters.map(([name, label, options]) => {
    const found = options(store.attempts);
    const shown = choice(label, [["", "all"], ...found], (value) => { chosen[name] = value; apply(); }, "");
    shown.querySelector("select").id = `filter-${name}`;
    return found.length > 1 ? shown : null;
  });
  const ordered = choice("Order", Object.entries(orders).map(([value, [name]]) => [value, name]), (value) => { order = value; apply(); }, "file");
  ordered.querySelector("select").id = "filter-order";
  const found = kindsWithCounts(store.attempts);
  const instructive = found.length > 0 && choice("Show", [["", "all"], ...found], (value) => { kind = value; apply(); }, "");
  if (instructive) instructive.querySelector("select").id = "filter-kind";
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing) {
      event.preventDefault();
      search.focus();
    } else if (event.key === "Escape" && event.target === search) {
      search.value = "";
      needle = "";
      apply();
      list.list.focus();
    }
  });
  apply();
  return [
    element("div", { class: "filters", role: "search" },
      element("label", { class: "choice search" }, element("span", {}, "Text ", element("kbd", {}, "/")), search),
      selects,
      ordered,
      instructive),
    status,
    element("div", { class: "reader" }, list.list, pane),
  ];
};

const rationalesSection = () => {
  const shown = section("rationales", "Rationales");
  const { shown: onPage, total, sampled } = data.attempts;
  if (sampled) shown.append(element("p", { class: "note" }, `This page holds ${count(onPage)} of ${count(total)} attempts and answers: all those of a part of the problems, chosen by a hash of their names. The figures above count all of them.`));
  if (onPage === 0) {
    shown.append(element("p", { class: "note" }, "There are no attempts."));
  } else if (!canOpen) {
    shown.append(element("p", { class: "note" }, "This browser cannot open compressed data (DecompressionStream). Chrome 80, Safari 16.4 and Firefox 113 and later versions can. The sections above are complete."));
  } else {
    const waiting = element("p", { class: "note" }, "Opening the attempts …");
    shown.append(waiting);
    openStore().then((store) => {
      const parts = browser(store);
      waiting.remove();
      fill(shown, {}, parts);
      document.documentElement.dataset.ready = "true";
    }, (error) => { waiting.textContent = `The attempts cannot be opened: ${error.message}`; });
  }
  return shown;
};
