import { expect, test } from "vitest";
import { hueOf, initials } from "./initials.ts";

test.each([
	["Ada Lovelace", "AL", "first and last"],
	["ada", "A", "one word"],
	["Jean-Pierre de la Tour", "JT", "hyphens part words"],
	["mia@example.org", "M", "an address"],
	["王小明", "王", "Han: one is enough"],
	["Zoë (Guest)", "Z", "what is in brackets is no name"],
	["Élodie Ångström", "ÉÅ", "accents stay"],
	["👩‍🚀 Sally", "👩‍🚀S", "a sequence is one sign"],
	["", "", "nothing"],
	["  ", "", "blank"],
])("initials of %j are %j: %s", (name, want) => {
	expect(initials(name)).toBe(want);
});

test("a name keeps its colour", () => {
	expect(hueOf("Ada", 8)).toBe(hueOf("Ada", 8));
	expect(hueOf("Zoe\u0308", 8)).toBe(hueOf("Zoë", 8));
	expect(new Set(["Ada", "Ben", "Cem", "Dao", "Eva", "Fay"].map(n => hueOf(n, 8))).size).toBeGreaterThan(2);
});
