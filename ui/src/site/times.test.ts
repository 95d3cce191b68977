import { expect, test } from "vitest";
import type { MeetingRow } from "./api.ts";
import { daysBetween, nextSlot, sortMeetings, wallClock } from "./times.ts";

const row = (id: number, start_time?: string, over: Partial<MeetingRow> = {}): MeetingRow => ({
	uuid: String(id),
	id,
	topic: `m${id}`,
	type: start_time ? 2 : 3,
	duration: 60,
	timezone: "UTC",
	join_url: "",
	...(start_time ? { start_time } : {}),
	...over,
});

test.each([
	["2026-11-20T10:00:00Z", "Europe/Paris", "2026-11-20", "11:00"],
	["2026-11-20T23:30:00Z", "Asia/Taipei", "2026-11-21", "07:30"],
	["2026-11-20T23:00:00Z", "Europe/Paris", "2026-11-21", "00:00"],
	["2026-07-01T00:15:00Z", "America/New_York", "2026-06-30", "20:15"],
])("%s in %s is %s %s", (at, zone, date, time) => {
	expect(wallClock(new Date(at), zone)).toEqual({ date, time });
});

test.each([
	["2026-11-20T10:00:00Z", "2026-11-20T10:30:00.000Z"],
	["2026-11-20T10:19:00Z", "2026-11-20T10:30:00.000Z"],
	["2026-11-20T10:21:00Z", "2026-11-20T11:00:00.000Z"],
	["2026-11-20T23:55:00Z", "2026-11-21T00:30:00.000Z"],
])("from %s the next slot is %s", (now, want) => {
	expect(nextSlot(new Date(now)).toISOString()).toBe(want);
});

test("meetings are sorted into days, open rooms and what is over", () => {
	const got = sortMeetings(
		[
			row(1, "2026-11-21T09:00:00Z"),
			row(2),
			row(3, "2026-11-20T09:30:00Z"), // runs until half past ten
			row(4, "2026-11-20T08:00:00Z"),
			row(5, "2026-11-20T23:30:00Z"), // tomorrow already in Paris
			row(6, "2026-11-19T08:00:00Z"),
		],
		new Date("2026-11-20T10:00:00Z"),
		"Europe/Paris",
	);
	expect(got.upcoming.map(d => [d.key, ...d.rows.map(r => r.id)])).toEqual([
		["2026-11-20", 3],
		["2026-11-21", 5, 1],
	]);
	expect(got.anytime.map(r => r.id)).toEqual([2]);
	expect(got.past.map(r => r.id)).toEqual([4, 6]);
});

test("days are counted by the calendar, not by hours", () => {
	const d = (s: string) => new Date(s);
	expect(daysBetween(d("2026-11-20T22:59:00Z"), d("2026-11-20T23:01:00Z"), "Europe/Paris")).toBe(1);
	expect(daysBetween(d("2026-11-20T00:00:00Z"), d("2026-11-20T22:00:00Z"), "Europe/Paris")).toBe(0);
	expect(daysBetween(d("2026-10-24T12:00:00Z"), d("2026-10-26T01:00:00Z"), "Europe/Paris")).toBe(2); // clocks went back
});
