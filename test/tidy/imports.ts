import { dirname, join } from "node:path";
import type { Source } from "./source.ts";

/** What a folder of src/ may import besides itself. A name with a slash is one file; `types` allows type-only imports. */
interface Allowed {
  readonly all: readonly string[];
  readonly types?: readonly string[];
}
const EVERYTHING: Allowed = { all: ["*"] };

/** house.md's table; type-only imports count as imports except where `types` says so. */
const MAY_IMPORT: Readonly<Record<string, Allowed>> = {
  base: { all: [] },
  platform: { all: ["base"] },
  cluster: { all: ["base"], types: ["platform"] },
  wire: { all: ["base", "platform", "cluster"] },
  storage: { all: ["base", "platform", "cluster", "wire"] },
  volume: { all: ["base", "platform", "cluster", "wire"] },
  scsi: { all: ["base", "volume/volume.ts"] },
  iscsi: { all: ["base", "platform", "scsi"] },
  monitor: { all: ["base", "platform", "cluster"] },
  management: { all: ["base", "platform", "cluster"] },
  web: { all: ["base"], types: ["management/api.ts", "management/api"] },
  cli: { all: ["base", "platform/tls-peer.ts"], types: ["management/api.ts", "management/api"] },
  network: { all: ["base", "platform"] },
  console: { all: ["base", "platform", "cluster", "network"], types: ["management/api.ts", "management/api"] },
  installer: { all: ["base", "platform", "cluster", "console/widgets", "network"], types: ["management/api.ts", "management/api"] },
  role: EVERYTHING,
  formation: EVERYTHING,
  server: EVERYTHING,
  trial: EVERYTHING,
  main: EVERYTHING,
};

/** Packages and the rooms that they keep to: folders or files of src/, or folders beside it. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  hono: ["management"],
  "drizzle-orm": ["management/database"],
  valibot: ["cluster", "management", "monitor", "platform/store", "role", "server", "trial", "formation", "cli", "console", "installer", "network"],
  pino: ["platform/log.ts"],
  commander: ["main.ts", "trial.ts", "cli", "network/commands.ts", "console/commands.ts"],
  react: ["web", "console", "installer"],
  "react-dom": ["web"],
  "@mantine/core": ["web"],
  "@mantine/hooks": ["web"],
  "@mantine/charts": ["web"],
  "@mantine/notifications": ["web"],
  "@tanstack/react-query": ["web"],
  "@tabler/icons-react": ["web"],
  wouter: ["web"],
  ink: ["console", "installer"],
  nodemailer: ["platform/mail.ts"],
  "@peculiar/x509": ["platform/certificates.ts"],
  "@valibot/to-json-schema": ["management"],
  "playwright-core": ["test"],
  mitata: ["bench"],
  "bun:test": ["test"],
};

/** Folders with the door to the outside in their own hands. */
const OUTSIDE = [
  "platform", "management/database", "web", "console", "installer", "network", "image", "test", "bench", "cli", "main.ts", "server.ts", "server", "trial.ts", "trial", "formation", "role",
];
const DOORS: readonly (readonly [RegExp, string])[] = [
  [/(?<![.\w])Date\b/, "Date"],
  [/(?<![.\w])performance\b/, "performance"],
  [/(?<![.\w])(setTimeout|setInterval|setImmediate)\b/, "timers"],
  [/\bMath\.random\b/, "Math.random"],
  [/\bcrypto\.randomUUID\b/, "crypto.randomUUID"],
  [/(?<![.\w])Bun\./, "Bun"],
  // Not a method of that name, private or declared with its parameters' types.
  [/(?<![.\w#])fetch\((?!\s*\w+\??\s*:|\s*\)\s*[:{])/, "fetch"],
  [/\bprocess\.env\b/, "process.env"],
];

export function importRules(source: Source): string[] {
  return [...folders(source), ...packages(source), ...doors(source)];
}

function folders(source: Source): string[] {
  const from = roomOf(source.path);
  if (!source.path.startsWith("src/")) return [];
  const folder = folderOf(from);
  const allowed = MAY_IMPORT[folder];
  if (allowed === undefined) return [`${source.path}: the folder ${folder} is not in the table of imports`];
  return source.imports.flatMap(({ specifier, typeOnly }) => {
    if (!specifier.startsWith(".")) return [];
    const target = join(dirname(source.path), specifier);
    if (!target.startsWith("src/")) return [`${source.path} imports ${specifier}, which is outside src/`];
    const to = roomOf(target);
    if (folderOf(to) === folder || allowed.all.includes("*") || allowed.all.some((room) => isIn(to, room))) return [];
    if (typeOnly && allowed.types?.some((room) => isIn(to, room)) === true) return [];
    return [`${source.path} imports ${to}, which ${folder} must not`];
  });
}

function packages(source: Source): string[] {
  const from = roomOf(source.path);
  return source.imports.flatMap(({ specifier }) => {
    if (specifier.startsWith(".")) return [];
    if (specifier.startsWith("node:") || (specifier.startsWith("bun:") && specifier !== "bun:test") || specifier === "bun") {
      return OUTSIDE.some((room) => isIn(from, room)) ? [] : [`${source.path} imports ${specifier}: only the platform knows the outside`];
    }
    const name = specifier.startsWith("@") ? specifier.split("/").slice(0, 2).join("/") : (specifier.split("/")[0] ?? "");
    const rooms = ROOMS[name];
    if (rooms === undefined) return [`${source.path} imports ${name}, a package without a room`];
    // A test or a bench may look into every room.
    return [...rooms, "test", "bench"].some((room) => isIn(from, room)) ? [] : [`${source.path} imports ${name}, which keeps to ${rooms.join(", ")}`];
  });
}

function doors(source: Source): string[] {
  if (OUTSIDE.some((room) => isIn(roomOf(source.path), room))) return [];
  return DOORS.flatMap(([pattern, name]) => (pattern.test(source.code) ? [`${source.path} uses ${name}: that goes through the platform`] : []));
}

/** "src/storage/drive/drive.ts" is "storage/drive/drive.ts"; what lies beside src/ keeps its name. */
function roomOf(path: string): string {
  return path.startsWith("src/") ? path.slice("src/".length) : path;
}
function folderOf(room: string): string {
  return (room.split("/")[0] ?? "").replace(/\.tsx?$/, "");
}
function isIn(path: string, room: string): boolean {
  return path === room || path.startsWith(`${room}/`);
}
