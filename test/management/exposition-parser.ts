export interface Metrics {
  readonly types: ReadonlyMap<string, string>;
  readonly samples: readonly { readonly name: string; readonly labels: Readonly<Record<string, string>>; readonly value: number }[];
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (NaN|[+-]?Inf|[-+0-9.eE]+)$/;
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(?:,|$)/;

/**
 * Reads Prometheus' text format 0.0.4 as strictly as Prometheus does: types before samples, a family in one piece, no sample twice,
 * histograms whose buckets grow and end with +Inf = count. Throws an Error that names the line.
 */
export function parseExposition(text: string): Metrics {
  if (!text.endsWith("\n")) throw new Error("the last line does not end");
  const types = new Map<string, string>();
  const samples: { name: string; labels: Record<string, string>; value: number }[] = [];
  const seen = new Set<string>();
  let family = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    const meta = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
    if (meta !== null) {
      const [, kind, name = "", rest = ""] = meta;
      if (kind === "TYPE") {
        if (types.has(name)) fail("a second type");
        if (!["gauge", "counter", "histogram"].includes(rest)) fail("an unknown type");
        types.set(name, rest);
        family = name;
      }
      continue;
    }
    const match = SAMPLE.exec(line) ?? fail("not a sample");
    const [, name = "", labelText = "", number = ""] = match;
    const type = types.get(family);
    const own = type === "histogram" ? name.replace(/_(bucket|sum|count)$/, "") : name;
    if (own !== family) fail(`not of the family ${family}`);
    if (type === "counter" && !name.endsWith("_total")) fail("a counter without _total");
    const labels = parseLabels(labelText, fail);
    const identity = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    if (seen.has(identity)) fail("the same sample twice");
    seen.add(identity);
    const value = number === "NaN" ? Number.NaN : Number(number.replace("Inf", "Infinity"));
    if (number !== "NaN" && Number.isNaN(value)) fail("not a number");
    samples.push({ name, labels, value });
  }
  checkHistograms(types, samples);
  return { types, samples };
}

function parseLabels(text: string, fail: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {};
  for (let rest = text; rest !== ""; ) {
    const match = LABEL.exec(rest) ?? fail("not a label");
    const [whole = "", name = "", value = ""] = match;
    if (name in labels) fail("a label twice");
    labels[name] = value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(whole.length);
  }
  return labels;
}

function checkHistograms(types: ReadonlyMap<string, string>, samples: Metrics["samples"]): void {
  for (const [name, type] of types) {
    if (type !== "histogram") continue;
    for (const count of samples.filter((one) => one.name === `${name}_count`)) {
      const buckets = samples.filter((one) => one.name === `${name}_bucket` && Object.entries(count.labels).every(([label, value]) => one.labels[label] === value));
      const bounds = buckets.map(({ labels }) => Number((labels["le"] ?? "").replace("+Inf", "Infinity")));
      for (let index = 1; index < buckets.length; index++) {
        if (!((bounds[index] ?? 0) > (bounds[index - 1] ?? 0))) throw new Error(`${name}: bounds do not grow`);
        if ((buckets[index]?.value ?? 0) < (buckets[index - 1]?.value ?? 0)) throw new Error(`${name}: counts fall`);
      }
      if (bounds.at(-1) !== Infinity || buckets.at(-1)?.value !== count.value) throw new Error(`${name}: +Inf is not the count`);
    }
  }
}
