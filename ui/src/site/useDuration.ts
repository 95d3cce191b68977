import { useT } from "../i18n/useT.ts";

/** Says how long something is: 45 minutes, 1.5 hours. */
export function useDuration(): (minutes: number) => string {
	const t = useT();
	return minutes =>
		minutes < 60 || minutes % 30 !== 0 ? t("site.minutes", { n: minutes }) : t("site.hours", { n: minutes / 60 });
}
