// The rationales: filters, the list, and the chosen attempt. The address holds the state, so that the way back and links work.

const browser = (store) => {
  let [state, round, looked, found] = [{}, 0, 0, []];
  const pane = element("article", { class: "pane", id: "pane", tabindex: -1, "aria-label": "the chosen attempt" });
  const status = element("p", { class: "status", role: "status" });
  const isNarrow = () => matchMedia("(max-width: 48rem)").matches;
  const tools = (index) => element("div", { class: "tools" },
    element("button", { type: "button", class: "back", onclick: () => list.list.scrollIntoView({ block: "start" }) }, "↑ list"),
    element("button", { type: "button", id: "previous", onclick: () => list.step(-1) }, "‹ previous"),
    element("span", { class: "note" }, list.place()),
    element("button", { type: "button", id: "next", onclick: () => list.step(1) }, "next ›"),
    actionButton("copy", "copied", async () => {
      const { question, answer, completion, ...rest } = await recordOf(store, index);
      await copyText(`${rest.problem} (${rest.method}, iteration ${rest.iteration}, ${rest.purpose}): ${rest.verdict}\n\n${question}\n\nknown answer: ${answer}\n\n${completion}\n`);
    }),
    actionButton("copy link", "copied", () => copyText(location.href)));
  const draw = async (index) => {
    const mine = ++looked;
    const shown = await attemptPane(store, index, (other) => look(other, true));
    if (mine !== looked) return;
    pane.replaceChildren(tools(index), ...shown.flat(Infinity).filter((part) => part !== false && part !== null && part !== undefined));
    pane.scrollTop = 0;
  };
  /** Shows an attempt, and puts it into the address: as a new place to go back from, or instead of the last one. */
  const look = (index, isNew) => {
    state = { ...state, attempt: store.nameOf(index) };
    remember(state, isNew);
    list.mark(index);
    draw(index);
    // On a narrow screen the attempt is below the list.
    if (isNew && isNarrow()) pane.scrollIntoView({ block: "start" });
  };
  const list = listOf(store, look);
  const controls = filterControls(store, (part, isNew) => change(part, isNew));
  /** Lists what a state wants, and shows its attempt or the first one. */
  const apply = async (next) => {
    state = next;
    controls.show(state);
    const mine = ++round;
    const stale = () => mine !== round;
    let matching = filtered(store, state);
    if (state.text) {
      matching = await searched(store, matching, state.text, (part) => { status.textContent = `searching … ${Math.round(100 * part)}%`; }, stale);
      if (stale() || matching === null) return;
    }
    found = matching;
    status.textContent = `${count(found.length)} of ${plural(store.total, "attempt and answer", "attempts and answers")}`;
    list.show(found);
    const wanted = state.attempt ? store.named(state.attempt) : undefined;
    const shown = wanted ?? found[0];
    if (shown === undefined) {
      looked += 1;
      pane.replaceChildren(element("p", { class: "note" }, "No attempts match."));
    } else {
      list.mark(shown);
      draw(shown);
    }
    status.dataset.done = String(mine);
    status.dataset.found = state.text ?? "";
  };
  const change = (part, isNew = true) => {
    const next = { ...state, ...part, attempt: undefined };
    remember(next, isNew);
    apply(next);
  };
  const follow = () => {
    const next = stateOf(location.hash);
    if (next) apply(next);
  };
  addEventListener("popstate", follow);
  document.addEventListener("attempts", ({ detail }) => {
    apply(detail);
    (detail.attempt && isNarrow() ? pane : document.getElementById("rationales")).scrollIntoView();
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing) {
      event.preventDefault();
      controls.search.focus();
    } else if (event.key === "Escape" && event.target === controls.search) {
      change({ text: undefined });
      list.list.focus();
    }
  });
  const saving = (format) => actionButton(format.toUpperCase(), "saved", async () => {
    const before = status.textContent;
    await save(store, found, format, (part) => { status.textContent = `writing … ${Math.round(100 * part)}%`; });
    status.textContent = before;
  });
  const begins = stateOf(location.hash) ?? {};
  apply(begins);
  if (Object.keys(begins).length > 0) setTimeout(() => document.getElementById("rationales").scrollIntoView());
  return [
    controls.place,
    element("div", { class: "line-of-tools" }, status, element("span", { class: "note" }, "Save these: "), saving("csv"), saving("jsonl"),
      element("button", { type: "button", id: "reset", onclick: () => change(Object.fromEntries(Object.keys(state).map((key) => [key, undefined]))) }, "reset")),
    element("div", { class: "reader" }, list.list, pane),
  ];
};

/** The inputs of the filters. `change(part, isNew)` gets what the reader changed. */
const filterControls = (store, change) => {
  let waiting;
  const search = element("input", {
    type: "search", id: "search", placeholder: "text, problem or id", "aria-keyshortcuts": "/", autocomplete: "off", spellcheck: "false",
    oninput: () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => change({ text: search.value }, false), 250);
    },
  });
  const select = (name, label, options) => {
    const shown = choice(label, options, (value) => change({ [name]: value }), "");
    shown.querySelector("select").id = `filter-${name}`;
    return shown;
  };
  const selects = filters.map(([name, label, options]) => {
    const found = options(store.attempts);
    return found.length > 1 ? select(name, label, [["", "all"], ...found.map(([, key, words]) => [key, words])]) : null;
  }).filter((one) => one !== null);
  const ordered = select("order", "Order", Object.entries(orders).map(([value, [name]]) => [value === "made" ? "" : value, name]));
  const chip = (flag, words) => element("label", { class: "chip" },
    element("input", { type: "radio", name: "kind", value: flag, id: `kind-${flag || "all"}`, onchange: () => change({ kind: flag }) }), element("span", {}, words));
  const found = kindsWithCounts(store.attempts);
  const chips = found.length > 0 && element("fieldset", { class: "chips" }, element("legend", {}, "Show"),
    chip("", "all"), found.map(([flag, name, number]) => chip(flag, `${name} (${count(number)})`)));
  const problem = element("button", { type: "button", class: "chosen-problem", onclick: () => change({ problem: undefined }) });
  return {
    search,
    place: element("div", { class: "filters", role: "search", "aria-label": "attempts" }, chips, problem,
      element("label", { class: "choice search" }, element("span", {}, "Text ", element("kbd", {}, "/")), search), selects, ordered),
    /** Shows a state in the inputs. */
    show: (state) => {
      for (const one of [...selects, ordered].map((shown) => shown.querySelector("select"))) one.value = state[one.id.slice("filter-".length)] ?? "";
      if (chips) chips.querySelectorAll("input").forEach((input) => { input.checked = input.value === (state.kind ?? ""); });
      if (document.activeElement !== search || !state.text) search.value = state.text ?? "";
      problem.hidden = !state.problem;
      problem.textContent = `only ${plain(state.problem ?? "")} ✕`;
    },
  };
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
      const parts = [gridOf(store), ...browser(store)];
      waiting.remove();
      fill(shown, {}, parts);
      showExamples(store);
      document.documentElement.dataset.ready = "true";
    }, (error) => { waiting.textContent = `The attempts cannot be opened: ${error.message}`; });
  }
  return shown;
};
