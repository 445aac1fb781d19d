import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cached, CACHE } from "../cache.ts";
import { run } from "../command.ts";
import { FIRMWARE_PACKAGES, MICROCODE_PACKAGES, PACKAGES, SUITE } from "../packages.ts";
import { checkMirrors, mirrors, sourceLines } from "../sources.ts";

/**
 * Debian from its packages: `tree/` is the installed system, `debs/` are the packages that are only unpacked (kernel, firmware,
 * microcode). `refresh` asks for today's versions where the cache would do.
 */
export function rootStep(options: { refresh: string | null }): Promise<string> {
  const from = mirrors();
  return cached({
    name: "root",
    inputs: { from, SUITE, PACKAGES, FIRMWARE_PACKAGES, MICROCODE_PACKAGES, refresh: options.refresh },
    source: import.meta.path,
    make: async (into) => {
      await checkMirrors(from);
      const archives = join(CACHE, "archives");
      const debs = join(into, "debs");
      for (const folder of [archives, debs]) mkdirSync(folder, { recursive: true });
      // A proxy that this machine's apt needs.
      const aptOptions = join(into, "apt.conf");
      writeFileSync(aptOptions, await run(["apt-config", "dump", "--format", '%f "%v";%n', "Acquire::http::Proxy", "Acquire::https::Proxy"]));
      const documents = ["path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright", "path-exclude=/usr/share/locale/*", "path-exclude=/usr/share/info/*"];
      await run([
        "mmdebstrap", "--mode=root", "--variant=essential", "--format=directory", `--include=${PACKAGES.join(",")}`,
        "--skip=essential/unlink", "--skip=download/empty",
        '--setup-hook=mkdir -p "$1/var/cache/apt/archives/partial"',
        `--setup-hook=sync-in ${archives} /var/cache/apt/archives`,
        `--customize-hook=sync-out /var/cache/apt/archives ${archives}`,
        `--customize-hook=cd ${debs} && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && ${KERNEL_PACKAGE} && apt-get -q download "$kernel" ${[...FIRMWARE_PACKAGES, ...MICROCODE_PACKAGES].join(" ")}`,
        ...documents.map((option) => `--dpkgopt=${option}`),
        "--aptopt=Apt::Install-Recommends \"false\"", `--aptopt=${aptOptions}`,
        SUITE, join(into, "tree"), ...sourceLines(from),
      ]);
    },
  });
}

/** The package with the kernel in it; its name moves with each security update, the name that depends on it stays. */
const KERNEL_PACKAGE = `kernel=$(apt-cache depends linux-image-amd64 | sed -n 's/.*Depends: \\(linux-image-[0-9][^ ]*\\).*/\\1/p' | head -n 1) && test -n "$kernel"`;
