import tailwind from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Where `npm run dev` sends what is not a page: a server started with `parley up`.
const server = process.env["PARLEY_SERVER"] ?? "http://localhost:8080";
const toServer = { target: server, changeOrigin: false, secure: false };

export default defineConfig({
	plugins: [react(), tailwind()],
	build: {
		outDir: "dist/app",
		emptyOutDir: true,
		target: ["chrome123", "firefox128", "safari17.5"],
		// Everything is a file of its own: the content security policy allows neither inline code nor data URLs.
		assetsInlineLimit: 0,
		modulePreload: { polyfill: false },
		chunkSizeWarningLimit: 700,
		// What others wrote changes seldom: a new version of ours leaves it in the browser's cache.
		rolldownOptions: { output: { codeSplitting: { groups: [{ name: "vendor", test: /node_modules/ }] } } },
	},
	server: {
		port: 5173,
		proxy: {
			"/v2": toServer,
			"/api": toServer,
			"/lookup": toServer,
			"/ping": toServer,
			"/route": toServer,
			"/control": { ...toServer, ws: true },
		},
	},
	test: {
		environment: "happy-dom",
		include: ["src/**/*.test.{ts,tsx}"],
		setupFiles: ["src/app/testing.ts"],
		restoreMocks: true,
	},
});
