// The difference between two rationales, word by word.

const mostWords = 3000;

/** Words and the blanks between them. */
const words = (text) => text.match(/\s+|[^\s]+/gu) ?? [];

/** The longest common subsequence of two lists, as [kind, part]: "same", "gone" (of the first alone) or "new" (of the second alone). */
const difference = (before, after) => {
  const [rows, columns] = [before.length, after.length];
  const lengths = Array.from({ length: rows + 1 }, () => new Uint16Array(columns + 1));
  for (let row = rows - 1; row >= 0; row -= 1) {
    for (let column = columns - 1; column >= 0; column -= 1) {
      lengths[row][column] = before[row] === after[column]
        ? lengths[row + 1][column + 1] + 1
        : Math.max(lengths[row + 1][column], lengths[row][column + 1]);
    }
  }
  const parts = [];
  const push = (kind, part) => {
    const last = parts.at(-1);
    if (last?.[0] === kind) last[1] += part;
    else parts.push([kind, part]);
  };
  let [row, column] = [0, 0];
  while (row < rows || column < columns) {
    if (row < rows && column < columns && before[row] === after[column]) {
      push("same", before[row]);
      row += 1;
      column += 1;
    } else if (column >= columns || (row < rows && lengths[row + 1][column] >= lengths[row][column + 1])) {
      push("gone", before[row]);
      row += 1;
    } else {
      push("new", after[column]);
      column += 1;
    }
  }
  return parts;
};

/** Two texts in one: removed words are struck out, new words are underlined. */
const showDifference = (before, after) => {
  const [old, recent] = [words(before), words(after)];
  if (before === after) return element("p", { class: "note" }, "The two texts are equal.");
  if (old.length > mostWords || recent.length > mostWords || before.length + after.length > 2 * moreSigns) {
    return element("p", { class: "note" }, `Texts of more than ${count(mostWords)} words or ${count(moreSigns)} characters are not compared.`);
  }
  const tags = { same: "span", gone: "del", new: "ins" };
  const parts = difference(old, recent).map(([kind, part]) => element(tags[kind], {}, visible(part)));
  return element("pre", { class: "difference", dir: "ltr" }, parts);
};
