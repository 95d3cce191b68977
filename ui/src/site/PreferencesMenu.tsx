import { IconButton } from "../components/IconButton.tsx";
import { Menu } from "../components/Menu.tsx";
import { useT } from "../i18n/useT.ts";
import { Preferences } from "./Preferences.tsx";

/** Language and theme, for everybody. */
export function PreferencesMenu() {
	const t = useT();
	return (
		<Menu trigger={<IconButton icon="globe" label={t("site.preferences")} />}>
			<Preferences />
		</Menu>
	);
}
