import type { IntlShape } from "react-intl";
import type { MessageID } from "../i18n/locales.ts";
import type { Values } from "../i18n/useT.ts";
import type { Meeting } from "./api.ts";
import { showNumber } from "./number.ts";

/** The text to send to those one invites: in the language of the page, times in the meeting's zone. */
export function invitationText(intl: IntlShape, m: Meeting, host: string): string {
	const t = (id: MessageID, values?: Values) => intl.formatMessage({ id }, values);
	const lines = [t("site.invitation.intro", { host }), "", t("site.invitation.topic", { topic: m.topic })];
	if (m.start_time) {
		const time = intl.formatDate(new Date(m.start_time), {
			timeZone: m.timezone || "UTC",
			dateStyle: "full",
			timeStyle: "short",
		});
		lines.push(t("site.invitation.time", { time, zone: (m.timezone || "UTC").replaceAll("_", " ") }));
	}
	if (m.agenda) lines.push("", m.agenda);
	const plain = showNumber(m.id).replaceAll("\u00a0", " ");
	lines.push("", t("site.invitation.join"), m.join_url, "");
	lines.push(t("site.invitation.number", { number: plain }), t("site.invitation.passcode", { passcode: m.password }));
	return lines.join("\n");
}
