import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from "react";
import { IntlProvider } from "react-intl";
import { english, type Locale, locales, type Messages, pickLocale, regional } from "./locales.ts";

const key = "parley.language";

type Language = { locale: Locale; setLocale: (l: Locale) => void };
const Context = createContext<Language>({ locale: "en", setLocale: () => undefined });

/** The language in use and the way to change it. */
export function useLanguage(): Language {
	return useContext(Context);
}

function remembered(): Locale {
	const kept = localStorage.getItem(key);
	return pickLocale(kept ? [kept, ...navigator.languages] : navigator.languages);
}

/** Gives the page its words: the remembered language, else the first of the browser's there is. */
export function LanguageProvider({ children, initial }: { children: ReactNode; initial?: Locale }) {
	const [locale, setLocale] = useState<Locale>(() => initial ?? remembered());
	const [loaded, setLoaded] = useState<{ locale: Locale; messages: Messages } | undefined>(() =>
		(initial ?? remembered()) === "en" ? { locale: "en", messages: english } : undefined,
	);
	useEffect(() => {
		let stale = false;
		const wanted = locales.find(l => l.tag === locale);
		// Without the file (offline, a new build on the server) English is better than nothing.
		wanted?.load().then(
			messages => !stale && setLoaded({ locale, messages: { ...english, ...messages } }),
			() => !stale && setLoaded(was => was ?? { locale: "en", messages: english }),
		);
		return () => {
			stale = true;
		};
	}, [locale]);
	useEffect(() => {
		if (loaded) document.documentElement.lang = loaded.locale;
	}, [loaded]);
	const value = useMemo(
		() => ({
			locale,
			setLocale: (l: Locale) => {
				localStorage.setItem(key, l);
				setLocale(l);
			},
		}),
		[locale],
	);
	if (!loaded) return null;
	return (
		<Context value={value}>
			<IntlProvider defaultLocale="en" locale={regional(loaded.locale, navigator.languages)} messages={loaded.messages}>
				{children}
			</IntlProvider>
		</Context>
	);
}
