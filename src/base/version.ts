/** VirtuStor's version, as in package.json (test/base/version.test.ts). */
export const VERSION = "0.1.0";
