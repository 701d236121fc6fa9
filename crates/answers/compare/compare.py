"""Grades the same answers with starloop-answers and with Math-Verify, and writes where they disagree.

    python -m venv venv && venv/bin/pip install -r crates/answers/compare/requirements.txt
    cargo build -p starloop-answers --example read
    venv/bin/python crates/answers/compare/compare.py target/debug/examples/read [--gsm8k FILE.jsonl ...]

The answers are the rows of the tables of numbers, 20,000 answers made from templates, and optionally the solutions of GSM8K in several
forms. What is right follows from how a row was made, so both programs are compared with the truth and not only with each other.
"""

import argparse
import json
import logging
import random
import re
import subprocess
from collections import Counter
from fractions import Fraction
from multiprocessing import Pool
from pathlib import Path

TABLES = Path(__file__).parent.parent / "tests/it/tables"
DIGITS = {"full-width": "０１２３４５６７８９", "Arabic": "٠١٢٣٤٥٦٧٨٩", "Devanagari": "०१२३४५६७८९"}


def grouped(digits, mark, indian=False):
    groups, size = [], 3
    while len(digits) > size:
        groups.append(digits[-size:])
        digits, size = digits[:-size], 2 if indian else 3
    return mark.join([digits, *reversed(groups)])


def notations(value, random):
    """A kind of notation and the text of a whole number or a number of hundredths."""
    sign, hundredths = ("-" if value < 0 else ""), abs(int(value * 100))
    whole, cents = str(hundredths // 100), f"{hundredths % 100:02}"
    decimals = "" if cents == "00" else cents
    point = f".{decimals}" if decimals else ""
    plain = whole + point
    yield "plain", sign + plain
    yield "English grouping", sign + grouped(whole, ",") + point
    yield "Indian grouping", sign + grouped(whole, ",", indian=True) + point
    if len(whole) > 6 or decimals:
        yield "continental grouping", sign + grouped(whole, ".") + (f",{decimals}" if decimals else "")
    yield "grouping by blanks", sign + grouped(whole, random.choice([" ", "\u00a0", "\u2009", "\u202f"])) + point
    yield "Swiss grouping", sign + grouped(whole, random.choice(["'", "’"])) + point
    yield "LaTeX grouping", sign + grouped(whole, random.choice(["{,}", "\\,", ",\\!", "~", "\\;"])) + point
    yield "Unicode minus", random.choice("−–—－‑") + plain if sign else plain
    yield "word for minus", "minus " + plain if sign else plain
    yield "currency", sign + random.choice(["$", "€", "₹", "US$", "Rs. "]) + plain
    yield "unit", sign + plain + random.choice([" m^2", " km/h", " clips", "\\text{ cm}^2", "^\\circ", " m²"])
    yield "percent", sign + plain + random.choice(["%", "\\%", " percent"])
    yield "ASCII fraction", f"{sign}{hundredths}{random.choice(['/', ' / '])}100"
    yield "LaTeX fraction", sign + f"\\{random.choice(['frac', 'dfrac', 'tfrac', 'cfrac'])}{{{hundredths}}}{{100}}"
    if decimals and whole != "0":
        yield "mixed number", f"{sign}{whole} {int(cents)}/100"
        yield "LaTeX mixed number", f"{sign}{whole}\\frac{{{int(cents)}}}{{100}}"
    yield "scientific", f"{sign}{hundredths} {random.choice([chr(92) + 'times', '×', 'x'])} 10^{{-2}}"
    yield "exponent", f"{sign}{hundredths}e-2"
    kind = random.choice(list(DIGITS))
    yield kind + " digits", sign + "".join(DIGITS[kind][int(c)] if c.isdigit() else c for c in plain)
    if not decimals and whole.endswith("000"):
        yield "scale word", f"{sign}{whole[:-3]} thousand"
        yield "scale letter", f"{sign}{whole[:-3]}k"


PHRASINGS = [
    ("####", "48 + 24 = 72\n#### @"),
    ("\\boxed", "So we get $\\boxed{@}$."),
    ("<answer>", "<answer>@</answer>"),
    ("<answer>, text behind", "<answer>@</answer> using 2 steps"),
    ("answer is", "The answer is @."),
    ("answer is, math", "The answer is $@$."),
    ("answer is, words behind", "The answer is @, after 3 days."),
    ("answer is, citation", "The answer is @ [1]"),
    ("answer:, sentence behind", "Answer: @. I am 99% sure."),
    ("answer:, bold", "**Answer:** @"),
    ("Chinese", "答案是@。"),
    ("German", "Die Antwort ist @."),
    ("alone", "@"),
    ("last line", "She has 3 boxes.\n@"),
    ("thought", "<think>Is it 7?</think>The answer is @."),
    ("next turn", "The answer is @.<|im_end|>\n<|im_start|>user\nAnd 5+3?"),
    ("next question", "The answer is @.\n\nQuestion: what is 5+3?\nAnswer: 8"),
]


def plain(value):
    return f"{int(value)}" if value.denominator == 1 else f"{float(value):.2f}"


def generated(count, seed):
    draw = random.Random(seed)
    while count:
        value = Fraction(draw.randrange(1, 10 ** draw.randrange(2, 9)), draw.choice([1, 1, 100])) * draw.choice([1, 1, -1])
        value = value * 1000 if draw.random() < 0.2 and value.denominator == 1 else value
        kind, written = draw.choice(list(notations(value, draw)))
        form, phrasing = draw.choice(PHRASINGS)
        others = [-value, value * 10, value + 1, Fraction(int(str(abs(int(value)))[0])), Fraction(int(str(abs(int(value)))[-3:]))]
        gold = value if draw.random() < 0.6 else draw.choice([other for other in others if other != value])
        yield {"kind": kind, "form": form, "text": phrasing.replace("@", written), "gold": plain(gold), "right": gold == value}
        count -= 1


def table_rows():
    shown = str.maketrans({"⏎": "\n", "␣": "\u00a0", "⌴": "\u2009"})
    for name, kind in (("quantities.txt", "quantity"), ("numbers.txt", "completion")):
        section = ""
        for line in (TABLES / name).read_text().splitlines():
            if line.startswith("##"):
                section = line.strip("# ")
            elif line and not line.startswith("#"):
                value, *rule, text = line.split(" | ", 2 if kind == "completion" else 1)
                # `about 5` is no known answer, but a completion may say it.
                if (rule and rule[0].startswith("cut")) or text == "about 5":
                    continue
                is_number = re.fullmatch(r"-?[\d.]+(/\d+)?", value)
                # A row without a number is right if no number is read, so any gold is wrong there.
                gold = value if is_number else (re.findall(r"\d+", text) or ["1"])[0]
                yield {"kind": f"{kind}: {section}", "form": "table", "text": text.translate(shown), "gold": gold, "right": bool(is_number)}


def gsm8k_rows(files):
    for file in files:
        for line in Path(file).read_text().splitlines():
            body, gold = json.loads(line)["answer"].split("####")
            gold = gold.strip().replace(",", "")
            for form in ("#### @", "The answer is @.", "So it is $@, after 3 days.", "\\boxed{@}", "A: @"):
                yield {"kind": "GSM8K", "form": form, "text": body + form.replace("@", gold), "gold": gold, "right": True}


def ours(rows, program):
    queries = "\n".join(json.dumps({"kind": "number", "text": row["text"]}) for row in rows)
    read = subprocess.run([program], input=queries, capture_output=True, text=True, check=True).stdout.split("\n")
    for row, line in zip(rows, read, strict=False):
        value = line.split("\t")[0]
        row["starloop"] = value
        row["starloop_correct"] = value not in ("unparsed", "truncated") and Fraction(value) == Fraction(row["gold"])


def theirs(row):
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    try:
        read = parse(row["text"])
        gold = parse(f"${row['gold']}$")
        return str(read[:1]), bool(verify(gold, read))
    except Exception as error:  # noqa: BLE001  Math-Verify has no answer then.
        return type(error).__name__, False


def report(title, rows):
    print(f"\n## {title}: {len(rows)} answers\n")
    count = Counter((row["starloop_correct"] == row["right"], row["theirs_correct"] == row["right"]) for row in rows)
    print("| | Math-Verify right | Math-Verify wrong |\n|---|---|---|")
    print(f"| starloop right | {count[True, True]} | {count[True, False]} |\n| starloop wrong | {count[False, True]} | {count[False, False]} |")
    for name in ("starloop", "theirs"):
        false = Counter("wrongly correct" if row[f"{name}_correct"] else "wrongly not correct" for row in rows if row[f"{name}_correct"] != row["right"])
        print(f"\n{'starloop' if name == 'starloop' else 'Math-Verify'}: {dict(false)}")
    for key in ("kind", "form"):
        print(f"\n| {key} | answers | starloop right | Math-Verify right |\n|---|---|---|---|")
        for value in sorted({row[key] for row in rows}):
            of = [row for row in rows if row[key] == value]
            print(f"| {value} | {len(of)} | {sum(r['starloop_correct'] == r['right'] for r in of)} | {sum(r['theirs_correct'] == r['right'] for r in of)} |")
    wrong = [row for row in rows if row["starloop_correct"] != row["right"]]
    for row in wrong[:40]:
        print("starloop wrong:", json.dumps(row, ensure_ascii=False))


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("program", help="the example `read`, built")
    arguments.add_argument("--answers", type=int, default=20_000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--gsm8k", nargs="*", default=[], help="files of GSM8K")
    arguments.add_argument("--out", type=Path, help="write every row with both verdicts here, as JSON lines")
    options = arguments.parse_args()
    parts = {"Tables": list(table_rows()), "Templates": list(generated(options.answers, options.seed))}
    if options.gsm8k:
        parts["GSM8K"] = list(gsm8k_rows(options.gsm8k))
    with Pool() as pool:
        for title, rows in parts.items():
            ours(rows, options.program)
            for row, (read, correct) in zip(rows, pool.map(theirs, rows, chunksize=50), strict=True):
                row["theirs"], row["theirs_correct"] = read, correct
            report(title, rows)
            if options.out:
                with options.out.open("a") as out:
                    out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    main()
