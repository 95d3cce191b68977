import { expect, test } from "vitest";
import type { Meeting } from "./api.ts";
import { faultsFrom, faultsOf, inputOf, newValues, valuesOf } from "./meetingForm.ts";

const now = new Date("2026-11-20T10:00:00Z");
const fresh = newValues(now, "Europe/Paris");
const meeting: Meeting = {
	uuid: "u",
	id: 12345678901,
	topic: "Review",
	type: 2,
	start_time: "2026-12-01T08:30:00Z",
	duration: 45,
	timezone: "Europe/Paris",
	agenda: "a",
	join_url: "",
	host_email: "",
	status: "waiting",
	password: "abc123",
	settings: {
		host_video: false,
		participant_video: false,
		waiting_room: true,
		join_before_host: false,
		mute_upon_entry: true,
	},
};

test("a new meeting is planned for the next half hour, in one's own zone", () => {
	expect(fresh).toMatchObject({ date: "2026-11-20", time: "11:30", zone: "Europe/Paris", duration: "60" });
	expect(faultsOf(fresh, true)).toEqual({});
	expect(inputOf(fresh)).toEqual({
		type: 2,
		start_time: "2026-11-20T11:30:00",
		duration: 60,
		timezone: "Europe/Paris",
		agenda: "",
		settings: { waiting_room: false, join_before_host: false, mute_upon_entry: false },
	});
});

test("a meeting goes into the form and comes out the same", () => {
	const v = valuesOf(meeting, now);
	expect(v).toMatchObject({
		date: "2026-12-01",
		time: "09:30",
		when: "planned",
		passcode: "abc123",
		waitingRoom: true,
	});
	expect(inputOf(v, meeting.type)).toEqual({
		topic: "Review",
		type: 2,
		start_time: "2026-12-01T09:30:00",
		duration: 45,
		timezone: "Europe/Paris",
		agenda: "a",
		password: "abc123",
		settings: { waiting_room: true, join_before_host: false, mute_upon_entry: true },
	});
});

test("a recurring meeting stays one; an open room has no time", () => {
	expect(inputOf(valuesOf({ ...meeting, type: 8 }, now), 8).type).toBe(8);
	const open = inputOf({ ...valuesOf(meeting, now), when: "anytime" }, 2);
	expect(open.type).toBe(3);
	expect(open.start_time).toBeUndefined();
});

test.each([
	[{ topic: "x".repeat(201) }, "topic"],
	[{ agenda: "x".repeat(2001) }, "agenda"],
	[{ date: "" }, "date"],
	[{ time: "" }, "time"],
	[{ passcode: "no spaces" }, "passcode"],
	[{ passcode: "12345678901" }, "passcode"],
] as const)("%j is a fault of %s", (change, field) => {
	expect(Object.keys(faultsOf({ ...fresh, ...change }, true))).toEqual([field]);
});

test("an existing meeting keeps a topic and a passcode", () => {
	expect(Object.keys(faultsOf({ ...valuesOf(meeting, now), topic: " ", passcode: "" }, false))).toEqual([
		"topic",
		"passcode",
	]);
	expect(faultsOf({ ...fresh, when: "anytime", date: "", time: "" }, true)).toEqual({});
});

test("the server's faults find their fields", () => {
	expect(
		Object.keys(
			faultsFrom([
				{ field: "start_time", message: "" },
				{ field: "odd", message: "" },
			]),
		),
	).toEqual(["date"]);
});
