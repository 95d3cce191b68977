import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { AttemptView } from "../call/state.ts";
import fr from "../i18n/fr.json" with { type: "json" };
import { english, type MessageID } from "../i18n/locales.ts";
import { knowsWhat, knowsWhy, triedLines, whatText, whyText } from "./attemptText.ts";

const traces = "../wire/proto/testdata/join";
const french: Record<string, string> = fr;
/** Formats as far as these tests need it. */
const speaker =
	(messages: Record<string, string>) =>
	(id: MessageID, values: Record<string, unknown> = {}) =>
		(messages[id] ?? id).replace(/\{(\w+)[^}]*\}/g, (_, name: string) => String(values[name]));
const en = speaker(english);

/** What servers and operating systems say in the traces: theirs are shown as they are. */
const foreign =
	/^$|^why$|^reset$|^shutdown$|^none alive$|connection (refused|reset)|network unreachable|No such meeting|intercepted/;

test("every sentence the process writes, in all its traces and all its code, has words of the catalogue", () => {
	const unknown = new Set<string>();
	let inCode = 0;
	for (const file of readdirSync(traces)) {
		const { attempts } = JSON.parse(readFileSync(`${traces}/${file}`, "utf8")).explain as { attempts: AttemptView[] };
		for (const { what, why = "", phase } of attempts) {
			// A tunnel or a router alone is a name.
			if (phase !== "tunnel" && /\s/.test(what) && !knowsWhat(what)) unknown.add(what);
			if (!foreign.test(why) && !knowsWhy(why)) unknown.add(why);
		}
	}
	// The texts at the ends of end(…), note(…), dropTries(…), closeLanes(…), renew(…) and amend(…).
	for (const file of readdirSync("src/join")) {
		if (!file.endsWith(".ts") || file.endsWith(".test.ts")) continue;
		const source = readFileSync(`src/join/${file}`, "utf8");
		const calls = /\b(?:end|note|dropTries|closeLanes|renew|amend)\(.*, (?:e\.text \|\| |text \|\| )?(["`])(.*)\1\);/g;
		for (const [, , text = ""] of source.matchAll(calls)) {
			inCode++;
			const made = text.replace(/\$\{[^}]*\}/g, "1");
			if (!foreign.test(made) && !knowsWhy(made) && !made.includes("1 ms, 1")) unknown.add(made);
		}
	}
	expect([...unknown]).toEqual([]);
	expect(inCode).toBeGreaterThan(30);
});

test("values find their places, in each language", () => {
	expect(whatText(en, "video over udp-8801")).toBe("Picture over UDP 8801");
	expect(whyText(en, "42.5 ms, rated 42.5 against 12")).toMatch(/42\.5.*42\.5.*12/);
	expect(whyText(speaker(french), "no answer within 600 ms")).toBe("pas de réponse en 600 ms");
	expect(whatText(en, "zone main, https://example.org/zc")).toMatch(/main.*https:\/\/example\.org\/zc/);
	expect(whatText(en, "https://tunnel.example.org")).toBe("https://tunnel.example.org");
	expect(whyText(en, "Come back tomorrow.")).toBe("Come back tomorrow.");
});

test("what did not work, each thing once", () => {
	const lost = { phase: "media", what: "audio over udp-8801", start_ms: 0, took_ms: 9, outcome: "lost" } as const;
	const won = { ...lost, outcome: "won" } as const;
	expect(triedLines(en, [lost, { ...lost, why: "no answer" }, won, { ...lost, why: "over" }])).toEqual([
		"Sound over UDP 8801: no answer",
	]);
});
