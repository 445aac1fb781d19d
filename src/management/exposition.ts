/** Prometheus' text format, version 0.0.4: `# HELP`, `# TYPE`, samples; a name's samples stay together. */
export const EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8";

export type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** Collects families of samples. Names and label names are the caller's: letters, digits and underscores. */
export class Exposition {
  readonly #lines: string[] = [];

  gauge(name: string, help: string, samples: Iterable<Sample>): void {
    this.#family(name, "gauge", help, [...samples].map(([labels, value]) => sampleLine(name, labels, value)));
  }

  /** `name` ends with _total, as counters do. */
  counter(name: string, help: string, samples: Iterable<Sample>): void {
    this.#family(name, "counter", help, [...samples].map(([labels, value]) => sampleLine(name, labels, value)));
  }

  /** `buckets`: upper bounds with how many were at most that, growing; the last bound is added as +Inf with `count`. */
  histogram(name: string, help: string, samples: Iterable<readonly [labels: Labels, of: { readonly buckets: readonly (readonly [bound: number, count: number])[]; readonly sum: number; readonly count: number }]>): void {
    this.#family(
      name,
      "histogram",
      help,
      [...samples].flatMap(([labels, { buckets, sum, count }]) => [
        ...buckets.map(([bound, within]) => sampleLine(`${name}_bucket`, { ...labels, le: String(bound) }, within)),
        sampleLine(`${name}_bucket`, { ...labels, le: "+Inf" }, count),
        sampleLine(`${name}_sum`, labels, sum),
        sampleLine(`${name}_count`, labels, count),
      ]),
    );
  }

  text(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  #family(name: string, type: string, help: string, lines: readonly string[]): void {
    if (lines.length === 0) return;
    this.#lines.push(`# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`, `# TYPE ${name} ${type}`, ...lines);
  }
}

function sampleLine(name: string, labels: Labels, value: number): string {
  const listed = Object.entries(labels).map(([label, text]) => `${label}="${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`);
  return `${name}${listed.length === 0 ? "" : `{${listed.join(",")}}`} ${Number.isFinite(value) ? value : "NaN"}`;
}
