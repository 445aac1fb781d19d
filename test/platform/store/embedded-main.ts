import { realPlatform } from "../../../src/platform/real.ts";
import { runEmbeddedStore } from "../../../src/platform/store/embedded-server.ts";

// A process of its own for the tests, to be killed: embedded-main.ts DIRECTORY SOCKET
const [directory, socketPath] = process.argv.slice(2);
if (directory === undefined || socketPath === undefined) throw new Error("needs a directory and a socket's path");
const platform = realPlatform({ name: "store", logLevel: "silent" });
const store = await runEmbeddedStore(platform, { directory, socketPath });
console.log("ready");
process.on("SIGTERM", () => void store.close().then(() => process.exit(0)));
