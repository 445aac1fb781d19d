import type { Command } from "commander"; export function registerConsoleCommand(_: Command): void {}
