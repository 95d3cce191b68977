import { setTheme, type Theme, useTheme } from "../app/theme.ts";
import { useActions, useCall } from "../call/useCall.ts";
import { Badge } from "../components/Badge.tsx";
import { Kbd } from "../components/Kbd.tsx";
import { Menu, MenuChoice, MenuItem, MenuSeparator } from "../components/Menu.tsx";
import { useLanguage } from "../i18n/Language.tsx";
import { locales } from "../i18n/locales.ts";
import { useT } from "../i18n/useT.ts";
import { BarButton } from "./BarButton.tsx";
import { CountMark } from "./CountMark.tsx";
import { usePhone } from "./useMedia.ts";

/** All the rest; on a phone also what has no room in the bar. */
export function MoreMenu() {
	const t = useT();
	const phone = usePhone();
	const { locale, setLocale } = useLanguage();
	const theme = useTheme();
	const people = useCall(s => s.people.size);
	const waiting = useCall(s => s.waiting.length);
	const { share, stopShare, openPanel } = useActions();
	const themes: { value: Theme; label: string; icon: "system" | "sun" | "moon" }[] = [
		{ value: "system", label: t("room.theme.system"), icon: "system" },
		{ value: "light", label: t("room.theme.light"), icon: "sun" },
		{ value: "dark", label: t("room.theme.dark"), icon: "moon" },
	];
	return (
		<Menu
			align="center"
			side="top"
			trigger={
				<BarButton
					caption={t("room.more.short")}
					icon="more"
					label={t("room.more")}
					mark={phone && <CountMark n={waiting} urgent />}
					noTooltip
					onClick={() => undefined}
				/>
			}
		>
			{phone && (
				<>
					<MenuItem
						hint={<Badge tone={waiting > 0 ? "danger" : "neutral"}>{waiting || people}</Badge>}
						icon="people"
						onClick={() => openPanel("people")}
					>
						{t("room.people.short")}
					</MenuItem>
					<MenuItem icon={stopShare ? "share-stop" : "share"} onClick={stopShare ?? share}>
						{t(stopShare ? "room.share.stop" : "room.share")}
					</MenuItem>
					<MenuSeparator />
				</>
			)}
			<MenuItem hint={!phone && <Kbd>D</Kbd>} icon="sliders" onClick={() => openPanel("devices")}>
				{t("room.devices")}
			</MenuItem>
			<MenuItem hint={!phone && <Kbd>I</Kbd>} icon="signal" onClick={() => openPanel("connection")}>
				{t("room.connection")}
			</MenuItem>
			{!phone && (
				<MenuItem hint={<Kbd>?</Kbd>} icon="keyboard" onClick={() => openPanel("shortcuts")}>
					{t("room.shortcuts")}
				</MenuItem>
			)}
			<MenuSeparator />
			<MenuChoice
				label={t("room.language")}
				onChange={setLocale}
				options={locales.map(l => ({ value: l.tag, label: l.name, lang: l.tag }))}
				value={locale}
			/>
			<MenuSeparator />
			<MenuChoice label={t("room.theme")} onChange={setTheme} options={themes} value={theme} />
		</Menu>
	);
}
