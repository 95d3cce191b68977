import type { T } from "../i18n/useT.ts";
import { ApiError } from "./api.ts";

/** Words for a request that failed. */
export function faultText(t: T, fault: unknown): string {
	if (!(fault instanceof ApiError)) return t("site.error.unknown");
	switch (fault.status) {
		case 0:
			return t("site.error.offline");
		case 401:
			return fault.code === 200 ? t("site.error.credentials") : t("site.error.signedOut");
		case 403:
			return t("site.error.forbidden");
		case 404:
			return t("site.error.gone");
		case 429:
			return fault.retryAfter > 0 ? t("site.error.slowDownFor", { n: fault.retryAfter }) : t("site.error.slowDown");
		case 400:
			return t("site.error.invalid");
		default:
			return t("site.error.server");
	}
}
