// Times of meetings: instants on the wire, wall clocks in forms.
import { type MeetingRow, meetingType } from "./api.ts";

export const ownZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** The date and the time of an instant on the clocks of a zone, as form fields take them. */
export function wallClock(at: Date, zone: string): { date: string; time: string } {
	const parts = new Intl.DateTimeFormat("en-CA", {
		timeZone: zone,
		year: "numeric",
		month: "2-digit",
		day: "2-digit",
		hour: "2-digit",
		minute: "2-digit",
		hourCycle: "h23",
	}).formatToParts(at);
	const get = (type: Intl.DateTimeFormatPartTypes) => parts.find(p => p.type === type)?.value ?? "";
	return { date: `${get("year")}-${get("month")}-${get("day")}`, time: `${get("hour")}:${get("minute")}` };
}

/** The next half hour that is at least ten minutes away: what people most likely plan. */
export function nextSlot(now: Date): Date {
	const half = 30 * 60_000;
	return new Date(Math.ceil((now.getTime() + 10 * 60_000) / half) * half);
}

export function zones(): string[] {
	const known = Intl.supportedValuesOf("timeZone");
	return known.includes("UTC") ? known : [...known, "UTC"];
}

export type Day = { key: string; at: Date; rows: MeetingRow[] };
export type Sorted = { upcoming: Day[]; anytime: MeetingRow[]; past: MeetingRow[] };

export function endOf(m: MeetingRow): number {
	return m.start_time ? Date.parse(m.start_time) + m.duration * 60_000 : Number.POSITIVE_INFINITY;
}

/** Sorts planned meetings for a person: days to come, rooms that are always open, and what is over. */
export function sortMeetings(rows: readonly MeetingRow[], now: Date, zone: string): Sorted {
	const sorted: Sorted = { upcoming: [], anytime: [], past: [] };
	const inOrder = [...rows].sort((a, b) => (a.start_time ?? "").localeCompare(b.start_time ?? "") || a.id - b.id);
	for (const m of inOrder) {
		if (!m.start_time || m.type === meetingType.anytime) {
			sorted.anytime.push(m);
			continue;
		}
		if (endOf(m) <= now.getTime()) {
			sorted.past.unshift(m);
			continue;
		}
		const at = new Date(m.start_time);
		const key = wallClock(at, zone).date;
		const day = sorted.upcoming.at(-1);
		if (day?.key === key) day.rows.push(m);
		else sorted.upcoming.push({ key, at, rows: [m] });
	}
	return sorted;
}

/** How many days from one instant to another on the calendar of a zone. */
export function daysBetween(from: Date, to: Date, zone: string): number {
	const day = (d: Date) => Date.parse(`${wallClock(d, zone).date}T00:00:00Z`) / 86_400_000;
	return day(to) - day(from);
}
