// What the made-up API knows. Times hang on a fixed clock.
import type { Meeting, MeetingRow, User } from "../../src/site/api.ts";
import type { API } from "./stub.ts";

export const now = new Date("2026-11-20T10:12:00Z");

const user: User = {
	id: "u1",
	email: "mia.lindqvist@example.org",
	first_name: "Mia",
	last_name: "Lindqvist",
	display_name: "Mia Lindqvist",
	role_name: "Member",
	timezone: "Europe/Paris",
};

const row = (id: number, topic: string, start: string | undefined, duration = 60): MeetingRow => ({
	uuid: `uuid-${id}`,
	id,
	topic,
	type: start ? 2 : 3,
	duration,
	timezone: "Europe/Paris",
	join_url: `https://parley.test/j/${id}?pwd=abcdefghijklmnopqrstuv`,
	...(start ? { start_time: start } : {}),
});

const planned = [
	row(48213907716, "Design review", "2026-11-20T10:00:00Z", 45),
	row(71920458832, "Quarterly planning with the teams in Lyon, Taipei and Montréal", "2026-11-20T14:30:00Z", 90),
	row(30577120984, "1:1 Noa / Mia", "2026-11-21T09:00:00Z", 30),
	row(95531027744, "Customer workshop", "2026-11-27T13:00:00Z", 240),
	row(88120034571, "Open office", undefined),
	row(10450938827, "Budget", "2026-11-12T08:00:00Z", 60),
	row(10450938828, "Retrospective", "2026-11-06T15:00:00Z", 60),
];

const meeting: Meeting = {
	...(planned[1] as MeetingRow),
	host_email: user.email,
	status: "waiting",
	password: "k7Wq2x",
	agenda: "Numbers first, then hiring.",
	settings: {
		host_video: false,
		participant_video: false,
		join_before_host: true,
		mute_upon_entry: false,
		waiting_room: true,
	},
};

const list = (meetings: MeetingRow[]) => ({
	status: 200,
	body: { meetings, next_page_token: "", total_records: meetings.length },
});

export const signedIn: API = {
	"GET /api/v1/session": { status: 200, body: { user } },
	"GET /v2/users/me/meetings scheduled": list(planned),
	"GET /v2/users/me/meetings live": list([]),
	[`GET /v2/meetings/${meeting.id}`]: { status: 200, body: meeting },
	"POST /v2/users/me/meetings": { status: 201, body: meeting },
	[`DELETE /v2/meetings/${meeting.id}`]: { status: 204 },
};

export const withLive: API = {
	...signedIn,
	"GET /v2/users/me/meetings live": list([row(62044918273, "Stand-up", "2026-11-20T10:00:00Z", 15)]),
};
export const nothingPlanned: API = { ...signedIn, "GET /v2/users/me/meetings scheduled": list([]) };
export const offline: API = { ...signedIn, "GET /v2/users/me/meetings scheduled": { status: 0 } };
export const wrongPassword: API = {
	"POST /api/v1/session": { status: 401, body: { code: 200, message: "The email address or the password is wrong." } },
};
export const wrongPasscode: API = {
	"POST /lookup": {
		status: 404,
		body: { code: "no_such_meeting", text: "There is no meeting with this number and passcode. Check both." },
	},
};
