import { defineConfig } from "@playwright/test";

// Browsers for ten minutes beside a loaded router (SOAK=1m for less): make soak.
export default defineConfig({
	testDir: "tests/soak",
	outputDir: "../tests/out/playwright-soak",
	workers: 1,
	expect: { timeout: 30_000 },
	reporter: "list",
});
