import { setTheme, type Theme, useTheme } from "../app/theme.ts";
import { MenuChoice, MenuSeparator } from "../components/Menu.tsx";
import { useLanguage } from "../i18n/Language.tsx";
import { locales } from "../i18n/locales.ts";
import { useT } from "../i18n/useT.ts";

/** Language and theme, as part of a menu. */
export function Preferences() {
	const t = useT();
	const { locale, setLocale } = useLanguage();
	const theme = useTheme();
	return (
		<>
			<MenuChoice
				label={t("site.language")}
				onChange={setLocale}
				options={locales.map(l => ({ value: l.tag, label: l.name, lang: l.tag }))}
				value={locale}
			/>
			<MenuSeparator />
			<MenuChoice<Theme>
				label={t("site.theme")}
				onChange={setTheme}
				options={[
					{ value: "system", label: t("site.theme.system"), icon: "system" },
					{ value: "light", label: t("site.theme.light"), icon: "sun" },
					{ value: "dark", label: t("site.theme.dark"), icon: "moon" },
				]}
				value={theme}
			/>
		</>
	);
}
