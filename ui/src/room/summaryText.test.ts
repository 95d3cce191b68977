import { readdirSync, readFileSync } from "node:fs";
import { createIntl } from "react-intl";
import { expect, test } from "vitest";
import { english, locales, type MessageID } from "../i18n/locales.ts";
import { type Config, Join, type JoinEvent } from "../join/join.ts";
import { readStruct } from "../proto/shape.ts";
import { sentences } from "./stories/every.ts";
import { summaryText } from "./summaryText.ts";

const t = (id: MessageID, values: Record<string, unknown> = {}) => `${english[id]} ${JSON.stringify(values)}`;

test("a path is named by the port that packets go to", () => {
	const said = (port?: number) =>
		summaryText(t, {
			key: "path",
			values: { group: "audio", rung: "udp-8801", ...(port === undefined ? {} : { port }) },
		});
	expect(said(3478)).toContain('"rung":"UDP 3478"');
	expect(said(8801)).toContain('"rung":"UDP 8801"');
	expect(said(0)).toContain("UDP 8801");
	expect(said()).toContain("UDP 8801");
});

test.each(locales)("each sentence has words of its own in $tag, with all its values in them", async l => {
	const intl = createIntl({ locale: l.tag, messages: await l.load(), onError: e => expect.fail(e.message) });
	const texts = sentences.map(s => summaryText((id, values) => intl.formatMessage({ id }, values), s));
	expect(new Set(texts).size).toBe(sentences.length);
	for (const text of texts) expect(text).toMatch(/^\S[^{}]*\.$/);
	const all = texts.join("\n");
	for (const value of ["London, Frankfurt", "Amsterdam", "Lyon", "3128", "404", "Web Gateway", "tunnel-1", "UDP 3478"])
		expect(all).toContain(value);
});

// The traces compare the English of both clients, so each sentence must be in one of them.
test("each sentence is told in a trace", () => {
	const dir = "../wire/proto/testdata/join";
	const told = new Set<string>();
	for (const file of readdirSync(dir)) {
		const { config, steps } = JSON.parse(readFileSync(`${dir}/${file}`, "utf8")) as {
			config: Config;
			steps: { at_ms: number; event: JoinEvent }[];
		};
		const join = new Join(config);
		for (const { at_ms, event: e } of steps) {
			join.handle(at_ms, e.is === "lookup_done" ? { ...e, answer: readStruct("LookupAnswer", e.answer) } : e);
		}
		for (const f of join.facts()) told.add(f.key);
	}
	expect(sentences.map(s => s.key).filter(key => !told.has(key))).toEqual([]);
});
