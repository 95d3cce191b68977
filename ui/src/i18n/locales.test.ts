import { expect, test } from "vitest";
import { locales, pickLocale, regional } from "./locales.ts";

test.each([
	[["fr"], "fr", "exact"],
	[["fr-CA", "en"], "fr", "another country"],
	[["de-DE", "fr-FR", "en"], "fr", "the first there is"],
	[["de"], "en", "none"],
	[[], "en", "nothing said"],
	[["EN-gb"], "en", "case"],
])("%j gives %s: %s", (wanted, want) => {
	expect(pickLocale(wanted)).toBe(want);
});

test("French sets its marks apart by spaces at which no line ends", async () => {
	const french = await locales.find(l => l.tag === "fr")?.load();
	expect(Object.entries(french ?? {}).filter(([, text]) => / [;:!?»]|« /.test(text))).toEqual([]);
});

test("each language loads and has a name", async () => {
	for (const l of locales) {
		expect(Object.keys(await l.load()).length).toBeGreaterThan(10);
		expect(l.name).not.toBe("");
	}
});

test.each([
	["en", ["en-GB", "fr"], "en-GB"],
	["en", ["fr-FR", "en-AU"], "en-AU"],
	["fr", ["fr-CA"], "fr-CA"],
	["fr", ["en-US"], "fr"],
	["en", [], "en"],
] as const)("%s for somebody who speaks %j is written as %s", (locale, spoken, want) => {
	expect(regional(locale, spoken)).toBe(want);
});
