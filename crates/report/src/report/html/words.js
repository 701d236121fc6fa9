// The text form of numbers, times and texts of models.

const none = "–";

/** A share in percent, to one decimal; never rounded to 0 or 100 from between. */
const percent = (share) => {
  if (share === null || share === undefined) return none;
  const rounded = Math.round(share * 1000) / 10;
  return (share > 0 && share < 1 ? Math.min(Math.max(rounded, 0.1), 99.9) : rounded).toFixed(1);
};

const share = (part, whole) => (whole > 0 ? part / whole : null);

const count = (number) => (number === null || number === undefined ? none : number.toLocaleString("en-US"));

/** `9999`, `12.3k`, `447k`, `4.56M`, as the tables of the terminal show counts. */
const short = (number) => {
  if (number < 9999.5) return String(Math.round(number));
  const [unit, name] = [[1e3, "k"], [1e6, "M"], [1e9, "G"]].find(([size]) => number / size < 999.5) ?? [1e12, "T"];
  const scaled = number / unit;
  return `${scaled.toFixed(scaled < 9.995 ? 2 : Number(scaled < 99.95))}${name}`;
};

/** `9.4 s`, `1 min 49 s`, `12 min`, `2 h 05 min`, `3 d 4 h`. */
const duration = (seconds) => {
  if (seconds === null || seconds === undefined) return "?";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
};

const interval = (accuracy) => `${percent(accuracy.low)} to ${percent(accuracy.high)}`;

const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

// Characters that hide, reverse or colour text. They are shown by name, because they are invisible or change the page. Tab and line feed
// are harmless.
const unseen =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]+/gu;

const named = (sign) => {
  const code = sign.codePointAt(0);
  return code < 0x20 ? String.fromCodePoint(0x2400 + code) : `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
};

/** A text with its invisible characters shown by name. Each run of them is one mark. */
const visible = (text) => {
  const parts = [];
  let from = 0;
  for (const found of text.matchAll(unseen)) {
    parts.push(text.slice(from, found.index));
    parts.push(element("span", { class: "unseen", title: "control characters in the text" }, [...found[0]].map(named).join("")));
    from = found.index + found[0].length;
  }
  return [...parts, text.slice(from)].filter((part) => part !== "");
};

/** As `visible`, as one string. */
const plain = (text) => text.replace(unseen, (signs) => [...signs].map(named).join(""));

const [firstSigns, moreSigns] = [6000, 60000];

/** The beginning of a text, drawn by `show(from, to)`, and a button that adds more. So a text of a megabyte does not block the page. */
const passage = (text, attributes = {}, show = (from, to) => visible(text.slice(from, to))) => {
  const box = element("pre", { dir: "ltr", ...attributes });
  if (text.length <= firstSigns) return fill(box, {}, show(0, text.length));
  let shown = 0;
  const button = element("button", { type: "button", onclick: () => add(moreSigns) });
  const add = (signs) => {
    const to = Math.min(shown + signs, text.length);
    button.before(...show(shown, to));
    shown = to;
    button.textContent = `… show more (${count(shown)} of ${count(text.length)} characters)`;
    if (shown === text.length) button.remove();
  };
  box.append(button);
  add(firstSigns);
  return box;
};
