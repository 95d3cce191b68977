import en from "./en.json" with { type: "json" };

/** The id of a message: a key of en.json, which is the source the others are translated from. */
export type MessageID = keyof typeof en;
export type Messages = Record<string, string>;

/**
 * The languages. A new one is its JSON file and a line here; the check (`npm run i18n`) reads this list.
 * English is in the program itself, so that there are words before anything is loaded.
 */
export const locales = [
	{ tag: "en", name: "English", load: async (): Promise<Messages> => en },
	{ tag: "fr", name: "Français", load: async (): Promise<Messages> => (await import("./fr.json")).default },
] as const;

export type Locale = (typeof locales)[number]["tag"];

export const english: Messages = en;

/** The first of the wanted languages there is; English if none. */
export function pickLocale(wanted: readonly string[]): Locale {
	for (const w of wanted) {
		const exact = locales.find(l => l.tag.toLowerCase() === w.toLowerCase());
		if (exact) return exact.tag;
		const { language, script } = new Intl.Locale(w).maximize();
		const near = locales.find(l => {
			const have = new Intl.Locale(l.tag).maximize();
			return have.language === language && have.script === script;
		});
		if (near) return near.tag;
	}
	return "en";
}

/** How dates and numbers are written: as in the person's own country, where they speak this language there. */
export function regional(locale: Locale, spoken: readonly string[]): string {
	const language = new Intl.Locale(locale).language;
	return spoken.find(s => new Intl.Locale(s).language === language && pickLocale([s]) === locale) ?? locale;
}
