// A fresh server for one test file: `parley up` on ports of its own, and the pages beside it.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createServer, type ViteDevServer } from "vite";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const binary = process.env["PARLEY"] ?? resolve(root, "../bin/parley");
const testsite = resolve(root, "../bin/testsite");

export type Ready = {
	site: string;
	http: string;
	media: string;
	/** Where the debug pages are, with --admin. */
	debug?: string;
	token: string;
	admin: { email: string; password?: string };
};
export type Meeting = { number: string; passcode: string; pwd: string; link: string };

export class Server {
	readonly ready: Ready;
	private readonly data: string;
	private readonly process: ChildProcess;
	/** Of the server's process. */
	readonly pid: number;
	private pages: ViteDevServer | undefined;

	private constructor(ready: Ready, data: string, process: ChildProcess) {
		this.ready = ready;
		this.data = data;
		this.process = process;
		this.pid = process.pid ?? 0;
	}

	static async start(...more: string[]): Promise<Server> {
		const data = mkdtempSync(join(tmpdir(), "parley-e2e-"));
		const ports = ["--https", "127.0.0.1:0", "--http", "localhost:0", "--media", ":0"];
		return Server.run(binary, ["up", "--json", "--data", data, ...ports, ...more], data);
	}

	/** A site whose router loses part of what arrives, the same part for the same seed: lab/testsite. */
	static async lossy(loss: number, seed: number): Promise<Server> {
		const data = mkdtempSync(join(tmpdir(), "parley-e2e-"));
		return Server.run(testsite, ["-data", data, "-loss", String(loss), "-seed", String(seed)], data);
	}

	private static async run(program: string, args: string[], data: string): Promise<Server> {
		const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
		const line = await new Promise<string>((done, fail) => {
			let text = "";
			child.stdout?.on("data", (chunk: Buffer) => {
				text += chunk.toString();
				const end = text.indexOf("\n");
				if (end >= 0) done(text.slice(0, end));
			});
			child.on("exit", code => fail(new Error(`${program} ended with ${code}`)));
			child.on("error", fail);
		});
		return new Server(JSON.parse(line) as Ready, data, child);
	}

	/** Makes a meeting with the command a person would use. */
	meeting(...more: string[]): Meeting {
		const out = execFileSync(
			binary,
			["meeting", "create", "--site", this.ready.http, "--token", this.ready.token, "--json", ...more],
			{ encoding: "utf8" },
		);
		const m = JSON.parse(out) as { id: number; password: string; join_url: string };
		const pwd = new URL(m.join_url).searchParams.get("pwd") ?? "";
		return { number: String(m.id), passcode: m.password, pwd, link: `${this.ready.http}/j/${m.id}?pwd=${pwd}` };
	}

	/** The page without screens (tests/e2e/page), from sources. */
	async page(query = ""): Promise<string> {
		this.pages ??= await (
			await createServer({
				root,
				configFile: false,
				logLevel: "error",
				server: { port: 0, host: "localhost", hmr: false },
				optimizeDeps: { noDiscovery: true, include: [] },
			})
		).listen();
		const base = this.pages.resolvedUrls?.local[0] ?? "";
		return `${base}tests/e2e/page/index.html?site=${encodeURIComponent(this.ready.http)}${query}`;
	}

	async stop(): Promise<void> {
		await this.pages?.close();
		const ended = new Promise(done => this.process.once("exit", done));
		this.process.kill("SIGTERM");
		const hard = setTimeout(() => this.process.kill("SIGKILL"), 5000);
		await ended;
		clearTimeout(hard);
		rmSync(this.data, { recursive: true, force: true });
	}
}
