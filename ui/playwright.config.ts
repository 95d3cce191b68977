import { defineConfig } from "@playwright/test";

// The whole meeting in real browsers, against a server started for the purpose.
export default defineConfig({
	testDir: "tests/e2e",
	outputDir: "../tests/out/e2e",
	workers: 1,
	timeout: 60_000,
	reporter: "list",
	expect: { timeout: 15_000 },
});
