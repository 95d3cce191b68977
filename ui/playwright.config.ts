import { defineConfig } from "@playwright/test";

const all = process.env["BROWSERS"] === "all";

// The whole meeting in real browsers, against servers started for the purpose. What is tagged @long runs with
// BROWSERS=all alone. Waiting ends when what is waited for is there: long limits cost nothing but where a
// machine is busy.
export default defineConfig({
	testDir: "tests/e2e",
	outputDir: "../tests/out/e2e",
	workers: 1,
	retries: 1,
	timeout: 90_000,
	expect: { timeout: 30_000 },
	...(all ? {} : { grepInvert: /@long/ }),
	reporter: process.env["TESTLOG"] ? "./tests/e2e/reporter.ts" : "list",
});
