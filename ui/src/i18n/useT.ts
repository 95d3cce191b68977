import { useCallback } from "react";
import { useIntl } from "react-intl";
import type { MessageID } from "./locales.ts";

export type Values = Record<string, string | number | Date>;
export type T = (id: MessageID, values?: Values) => string;

/** The words of the language in use: t("lobby.join"). */
export function useT(): T {
	const intl = useIntl();
	return useCallback((id, values) => intl.formatMessage({ id }, values), [intl]);
}
