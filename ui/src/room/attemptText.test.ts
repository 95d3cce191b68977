import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import fr from "../i18n/fr.json" with { type: "json" };
import { english, type MessageID } from "../i18n/locales.ts";
import { type Config, Join, type JoinEvent } from "../join/join.ts";
import { say, words } from "../join/words.ts";
import { readStruct } from "../proto/shape.ts";
import { phraseText, triedLines } from "./attemptText.ts";

const traces = "../wire/proto/testdata/join";
const french: Record<string, string> = fr;
/** Formats as far as these tests need it. */
const speaker =
	(messages: Record<string, string>) =>
	(id: MessageID, values: Record<string, unknown> = {}) =>
		(messages[id] ?? id).replace(/\{(\w+)[^}]*\}/g, (_, name: string) => String(values[name]));
const en = speaker(english);
const inFrench = speaker(french);

test("all that the record says in the traces has words in each language, and values for them", () => {
	const seen = new Set<string>();
	for (const file of readdirSync(traces)) {
		const { config, steps } = JSON.parse(readFileSync(`${traces}/${file}`, "utf8")) as {
			config: Config;
			steps: { at_ms: number; event: JoinEvent }[];
		};
		const join = new Join(config);
		for (const { at_ms, event: e } of steps) {
			join.handle(at_ms, e.is === "lookup_done" ? { ...e, answer: readStruct("LookupAnswer", e.answer) } : e);
		}
		for (const { what, why } of join.attempts()) {
			for (const phrase of why ? [what, why] : [what]) {
				seen.add(phrase.code);
				for (const t of [en, inFrench]) {
					const text = phraseText(t, phrase);
					expect(text, words(phrase)).not.toMatch(/undefined|^room\.|^$/);
				}
			}
		}
	}
	expect(seen.size).toBeGreaterThan(40);
});

test("values find their places, in each language", () => {
	expect(phraseText(en, say("media", { group: "video", rung: "udp-8801" }))).toBe("Picture over UDP 8801");
	expect(phraseText(en, say("rated", { ms: 42.5, mine: 42.5, best: 12 }))).toMatch(/42\.5.*42\.5.*12/);
	expect(phraseText(inFrench, say("silent", { ms: 600 }))).toBe("pas de réponse en 600 ms");
	expect(phraseText(en, say("zone", { zone: "main", url: "https://example.org/zc" }))).toMatch(
		/main.*https:\/\/example\.org\/zc/,
	);
	expect(phraseText(en, say("said", { text: "Come back tomorrow." }))).toBe("Come back tomorrow.");
});

test("what did not work, each thing once", () => {
	const what = say("media", { group: "audio", rung: "udp-8801" });
	const lost = { phase: "media", what, start_ms: 0, took_ms: 9, outcome: "lost" } as const;
	const won = { ...lost, outcome: "won" } as const;
	expect(triedLines(en, [lost, { ...lost, why: say("no_answer") }, won, { ...lost, why: say("over") }])).toEqual([
		"Sound over UDP 8801: no answer",
	]);
});
