import { defineConfig } from "@playwright/test";

// Pictures of every screen, and axe on each; no server: see tests/screens/stub.ts.
export default defineConfig({
	testDir: "tests/screens",
	outputDir: "../tests/out/playwright-screens",
	workers: 1,
	timeout: 60_000,
	reporter: "line",
	use: {
		browserName: "chromium",
		launchOptions: {
			executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
			args: ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", "--no-sandbox"],
		},
	},
});
