// The tokens of an attempt, shaded by their probabilities, if the run recorded them (`[record] token_logprobs = true`).

/** Upper ends of the shades, as probabilities. Above the last one there is no shade. */
const shadeEnds = [0.05, 0.25, 0.5, 0.8];
const shadeOf = (probability) => {
  const found = shadeEnds.findIndex((end) => probability < end);
  return found < 0 ? shadeEnds.length : found;
};

const likelihood = (nats) => `${percent(Math.exp(-nats))}% (${(-nats).toFixed(2)} nats)`;

const shadesKey = () => element("ul", { class: "legend shades" },
  [...shadeEnds, null].map((end, n) => element("li", {}, element("span", { class: `swatch token shade-${n}`, "aria-hidden": "true" }),
    end === null ? "more likely" : `below ${100 * end}%`)));

/** `tokens` are lengths in the text and negative log-probabilities (nats); a length of 0 is an end token, or a part of a character. */
const tokenSpans = (text, [lengths, nats], step) => {
  let from = 0;
  return lengths.map((length, n) => {
    const part = text.slice(from, from + length);
    const isFalse = step && from < step[1] && from + length > step[0];
    from += length;
    const last = n === lengths.length - 1;
    const letters = part !== "" ? visible(part) : [last && from >= text.length ? "⟨end⟩" : ""];
    return element("span", { class: `token shade-${shadeOf(Math.exp(-nats[n]))}${part === "" ? " end" : ""}${isFalse ? " false-step" : ""}`, title: likelihood(nats[n]), "data-nats": nats[n] }, letters);
  });
};

/** A rationale token by token. A line below shows the token under the pointer, or the token that the arrow keys chose. */
const tokenText = (text, tokens, step) => {
  const spans = tokenSpans(text, tokens, step);
  const nats = tokens[1];
  const mean = nats.reduce((sum, value) => sum + value, 0) / Math.max(nats.length, 1);
  const shown = element("p", { class: "note", role: "status" }, `${plural(nats.length, "token")}, ${likelihood(mean)} on average. Point at a token, or use the arrow keys.`);
  let at = -1;
  const go = (next) => {
    spans[at]?.removeAttribute("data-at");
    at = Math.min(Math.max(next, 0), spans.length - 1);
    spans[at].dataset.at = "true";
    shown.textContent = `Token ${at + 1} of ${spans.length}: ${likelihood(nats[at])}`;
  };
  const pointed = (event) => {
    const found = spans.indexOf(event.target.closest(".token"));
    if (found >= 0) go(found);
  };
  const keys = (event) => {
    const moves = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: spans.length - 1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    go(moves[event.key]);
  };
  return element("div", { class: "tokens" },
    element("pre", { class: "rationale", dir: "ltr", tabindex: 0, "aria-label": "the rationale, token by token", onclick: pointed, onmouseover: pointed, onkeydown: keys }, spans),
    shadesKey(), shown);
};
