// The results of an audit of the run, as its file has them: names and values.

const mostRows = 200;

/** A value as text, a list of names and values, or a table of equal objects. */
const auditValue = (value) => {
  if (value === null || typeof value !== "object") return plain(typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value ?? none));
  const isRow = (one) => one !== null && typeof one === "object" && !Array.isArray(one);
  if (Array.isArray(value) && value.length > 0 && value.every(isRow)) {
    const names = Object.keys(value[0]);
    return table(names.map(plain), value.slice(0, mostRows).map((row) => names.map((name) => auditValue(row[name]))), { caption: value.length > mostRows ? `The first ${mostRows} of ${count(value.length)}` : undefined, kind: "audit" });
  }
  if (Array.isArray(value)) return value.slice(0, mostRows).map((one) => auditValue(one)).flatMap((shown, n) => (n > 0 ? [", ", shown] : [shown]));
  return element("dl", {}, Object.entries(value).map(([name, one]) => [element("dt", {}, plain(name.replaceAll("_", " "))), element("dd", {}, auditValue(one))]));
};

const auditSection = () => {
  const audited = data.runs.filter((run) => run.audit !== null);
  return audited.length > 0 && section("audit", "Audit", audited.map((run) => [data.runs.length > 1 && element("h3", {}, plain(run.name)), auditValue(run.audit)]));
};
