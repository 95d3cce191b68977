// The native client beside browsers: `parley join`, what it saw, and files to show.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { binary, type Meeting } from "./server.ts";

const clips = resolve(import.meta.dirname, "../../../tests/out/clips");

/** A file of one colour, or of another source ffmpeg has, and a tone, four seconds long. */
export function clip(what: string, size = "640x360", rate = 15): string {
	const source = what.includes("=") ? what : `color=${what}:s=${size}:r=${rate}`;
	const file = join(clips, `${source.replaceAll(/\W/g, "-")}.webm`);
	if (existsSync(file)) return file;
	mkdirSync(clips, { recursive: true });
	const making = join(clips, `making-${process.pid}.webm`);
	const picture = ["-f", "lavfi", "-i", source];
	const sound = ["-f", "lavfi", "-i", "sine=440"];
	const codecs = ["-t", "4", "-c:v", "libvpx", "-g", "30", "-b:v", "150k", "-c:a", "libopus", "-b:a", "24k"];
	execFileSync("ffmpeg", ["-loglevel", "error", "-y", ...picture, ...sound, ...codecs, making]);
	renameSync(making, file);
	return file;
}

export class Native {
	private readonly child: ChildProcess;
	private readonly records: string;
	private text = "";

	constructor(m: Meeting, name: string, ...more: string[]) {
		this.records = mkdtempSync(join(tmpdir(), "parley-native-"));
		const args = ["join", m.link, "--name", name, "--json", "--record", this.records, ...more];
		this.child = spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
		this.child.stdout?.on("data", (chunk: Buffer) => {
			this.text += chunk.toString();
		});
	}

	/** Everything of one kind it has said so far. */
	events(event: string): Record<string, unknown>[] {
		const lines = this.text.split("\n").slice(0, -1);
		return lines.map(l => JSON.parse(l) as Record<string, unknown>).filter(e => e["event"] === event);
	}

	/** Its number in the meeting, once it is in. */
	get id(): number {
		return Number(this.events("joined")[0]?.["participant"] ?? 0);
	}

	async leave(): Promise<void> {
		if (this.child.exitCode !== null || this.child.signalCode !== null) return;
		const ended = new Promise(done => this.child.once("exit", done));
		this.child.kill("SIGINT");
		const hard = setTimeout(() => this.child.kill("SIGKILL"), 15_000);
		await ended;
		clearTimeout(hard);
	}

	/**
	 * The colours it recorded, by whom, of a screen with that word behind: what a decoder makes of the last
	 * pictures of each file.
	 */
	colors(): Record<string, string> {
		const out: Record<string, string> = {};
		for (const file of readdirSync(this.records).filter(f => f.endsWith(".webm"))) {
			const pixels = execFileSync(
				"ffmpeg",
				["-loglevel", "fatal", "-i", join(this.records, file), "-an"].concat([
					"-vf",
					"crop=8:8:iw/2:ih/4,scale=1:1",
					"-f",
					"rawvideo",
					"-pix_fmt",
					"rgb24",
					"-",
				]),
				{ stdio: ["ignore", "pipe", "ignore"] },
			);
			const [r = 0, g = 0, b = 0] = pixels.subarray(-3);
			const screen = file.includes("-content") ? " screen" : "";
			out[`${Number.parseInt(file, 10)}${screen}`] = r > g && r > b ? "red" : g > b ? "green" : "blue";
		}
		return out;
	}

	async end(): Promise<void> {
		await this.leave();
		rmSync(this.records, { recursive: true, force: true });
	}
}
