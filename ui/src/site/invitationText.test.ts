import { createIntl } from "react-intl";
import { expect, test } from "vitest";
import { locales } from "../i18n/locales.ts";
import type { Meeting } from "./api.ts";
import { invitationText } from "./invitationText.ts";

const meeting: Meeting = {
	uuid: "u",
	id: 12345678901,
	topic: "Budget <Q4>",
	type: 2,
	start_time: "2026-12-01T08:30:00Z",
	duration: 45,
	timezone: "Europe/Paris",
	agenda: "Bring numbers.",
	join_url: "https://meet.example/j/12345678901?pwd=x",
	host_email: "",
	status: "waiting",
	password: "abc123",
	settings: {
		host_video: false,
		participant_video: false,
		waiting_room: false,
		join_before_host: false,
		mute_upon_entry: false,
	},
};

async function write(tag: string, m: Meeting): Promise<string> {
	const messages = await locales.find(l => l.tag === tag)?.load();
	// Browsers differ in which spaces they put into dates.
	return invitationText(createIntl({ locale: tag, messages: messages ?? {} }), m, "Mia").replace(
		/[\u00a0\u202f]/g,
		" ",
	);
}

test("an invitation says all that is needed, in the time zone of the meeting", async () => {
	expect(await write("en", meeting)).toBe(
		[
			"Mia invites you to a Parley meeting.",
			"",
			"Topic: Budget <Q4>",
			"Time: Tuesday, December 1, 2026 at 9:30 AM (Europe/Paris)",
			"",
			"Bring numbers.",
			"",
			"Join in the browser:",
			"https://meet.example/j/12345678901?pwd=x",
			"",
			"Meeting number: 123 4567 8901",
			"Passcode: abc123",
		].join("\n"),
	);
});

test("in French, for a meeting without a time", async () => {
	const { start_time: _, ...open } = meeting;
	const text = await write("fr", { ...open, agenda: "" });
	expect(text).toContain("Mia vous invite à une réunion Parley.\n\nSujet : Budget <Q4>\n\nParticiper");
	expect(text).not.toContain("Date");
});
