// The built client under a made-up address, with the headers of the real server and a made-up API.
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import type { Page, Route } from "@playwright/test";

export const origin = "https://parley.test";
const built = process.env["PARLEY_UI"] ?? join(import.meta.dirname, "../../dist/app");

const csp =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; " +
	"connect-src 'self'; font-src 'self'; manifest-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
const types: Record<string, string> = {
	".html": "text/html; charset=utf-8",
	".js": "text/javascript",
	".css": "text/css",
	".svg": "image/svg+xml",
};

export type Answer = { status: number; body?: unknown };
/** What the API answers, by method and path without query; a list has its type for a query. */
export type API = Record<string, Answer>;

async function file(route: Route, path: string): Promise<void> {
	const name = extname(path) === "" ? "/index.html" : path;
	try {
		const body = await readFile(join(built, name));
		const headers = {
			"Content-Type": types[extname(name)] ?? "application/octet-stream",
			"Content-Security-Policy": csp,
			"Referrer-Policy": "no-referrer",
			"Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self)",
		};
		await route.fulfill({ status: 200, headers, body });
	} catch {
		await route.fulfill({ status: 404, body: "" });
	}
}

/** Puts the client and its API behind a page. What goes wrong in the page is collected. */
export async function serve(page: Page, api: API): Promise<string[]> {
	const faults: string[] = [];
	page.on("pageerror", e => faults.push(`error: ${e.message}`));
	page.on("console", m => {
		if (m.type() === "error" && !/Failed to load resource/.test(m.text())) faults.push(`console: ${m.text()}`);
	});
	await page.route(`${origin}/**`, async route => {
		const { pathname, searchParams } = new URL(route.request().url());
		if (!/^\/(api|v2|lookup)\b/.test(pathname)) return file(route, pathname);
		const type = searchParams.get("type");
		const key = `${route.request().method()} ${pathname}`;
		const guest: API = { "GET /api/v1/session": { status: 200, body: { user: null } } };
		const answer = { ...guest, ...api }[type ? `${key} ${type}` : key];
		if (!answer) return route.fulfill({ status: 401, json: { code: 124, message: "Invalid access token." } });
		if (answer.status === 0) return route.abort("connectionrefused");
		await route.fulfill({ status: answer.status, ...(answer.body === undefined ? {} : { json: answer.body }) });
	});
	return faults;
}
