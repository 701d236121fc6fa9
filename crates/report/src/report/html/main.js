// The page, from top to bottom.

const themes = ["system", "light", "dark"];

/** A button that goes through the themes. The choice is remembered if the browser allows it. */
const themeButton = () => {
  const remembered = () => { try { return localStorage.getItem("starloop-theme"); } catch { return null; } };
  const button = element("button", { type: "button", id: "theme", class: "quiet" });
  const set = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = `${{ system: "◐", light: "○", dark: "●" }[theme]} ${theme}`;
    button.setAttribute("aria-label", `colours: ${theme}; change`);
    button.dataset.theme = theme;
    try { localStorage.setItem("starloop-theme", theme); } catch { /* a page from a file may have no memory */ }
  };
  button.addEventListener("click", () => set(themes[(themes.indexOf(button.dataset.theme) + 1) % themes.length]));
  set(themes.includes(remembered()) ? remembered() : "system");
  return button;
};

/** Flow, costs and curves of a method and of one of its iterations. */
const detailsSection = () => {
  const main = methodRuns.findIndex(({ run, method }) => run.headline?.method === method.name);
  const first = main >= 0 ? main : Math.max(methodRuns.findLastIndex(({ method }) => method.bootstraps), 0);
  const place = element("div", {});
  const show = (number) => {
    const { run, method } = methodRuns[number];
    const flow = element("div", { class: "flow-place" });
    const showFlow = (at) => flow.replaceChildren(flowFigure(method, method.iterations[at]));
    const attempted = method.iterations.map(({ metrics }, at) => [at, metrics]).filter(([, metrics]) => metrics.unhinted.attempts > 0);
    const last = attempted.at(-1)?.[0] ?? method.iterations.length - 1;
    const options = (attempted.length > 0 ? attempted : [[last, method.iterations[last].metrics]]).map(([at, metrics]) => [at, String(metrics.iteration)]);
    showFlow(last);
    const parts = [
      element("h3", {}, "The flow of one iteration"), choice("Iteration", options, showFlow, last), flow,
      askedFigures(run, method),
      element("h3", {}, "Training"), trainingFigures(method),
      element("div", { class: "screen-only" }, element("h3", {}, "Costs"), costFigures(method)),
      method.practice && element("h3", {}, "Health"), healthTable(method),
      element("div", { class: "screen-only" }, [practiceFigure(method), stepsFigure(method)].filter(Boolean)),
    ];
    place.replaceChildren(...parts.filter(Boolean));
  };
  show(first);
  return section("details", "Training details",
    methodRuns.length > 1 && choice("Method", methodRuns.map(({ name }, number) => [number, plain(name)]), (value) => show(Number(value)), first),
    place);
};

const settingsSection = () => section("settings", "Settings",
  data.runs.map((run) => element("details", {}, element("summary", {}, `${plain(run.name)}: the config as it was resolved`), passage(run.config, { class: "config" }))));

const parts = [
  ["result", "Result", resultSection], ["warnings", "Warnings", warningsSection], ["accuracy", "Accuracy", accuracySection],
  ["verdicts", "Verdicts", verdictsSection], ["audit", "Audit", auditSection],
  ["details", "Training details", detailsSection], ["rationales", "Rationales", rationalesSection], ["settings", "Settings", settingsSection],
].map(([id, name, make]) => [id, name, make()]).filter(([, , shown]) => shown !== false);

const title = data.runs.map((run) => run.name).join(", ");
document.title = `${plain(title)} · starloop`;
document.getElementById("top").append(
  element("div", { class: "brand" }, element("span", { class: "logo", "aria-hidden": "true" }, "✶"), element("h1", {}, plain(title)),
    element("span", { class: "note" }, [...new Set(data.runs.map((run) => run.headline?.subject ?? run.data))].map(plain).join("; "))),
  element("nav", { "aria-label": "sections" }, parts.map(([id, name]) => element("a", { href: `#${id}-title` }, name)), themeButton()));
document.getElementById("main").replaceChildren(...parts.map(([, , shown]) => shown));
document.getElementById("foot").append(`Made by starloop ${data.starloop} from run directories of format ${data.format}. This page loads nothing from a network. It shows the texts of models as text only.`);
