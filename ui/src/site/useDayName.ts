import { useIntl } from "react-intl";
import { daysBetween, ownZone } from "./times.ts";

/** Names a day as people do: today, tomorrow, Friday 27 November. */
export function useDayName(): (at: Date) => string {
	const intl = useIntl();
	return at => {
		const now = new Date();
		const days = daysBetween(now, at, ownZone());
		const sameYear = at.getFullYear() === now.getFullYear();
		const date = intl.formatDate(at, {
			weekday: "long",
			day: "numeric",
			month: "long",
			...(sameYear ? {} : { year: "numeric" }),
		});
		if (Math.abs(days) > 1) return capital(date, intl.locale);
		return `${capital(intl.formatRelativeTime(days, "day", { numeric: "auto" }), intl.locale)} · ${date}`;
	};
}

function capital(text: string, locale: string): string {
	return text.charAt(0).toLocaleUpperCase(locale) + text.slice(1);
}
