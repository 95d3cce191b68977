// The form to plan a meeting: its values, their faults, and what is sent.
import type { MessageID } from "../i18n/locales.ts";
import { ApiError, type FieldFault, type Meeting, type MeetingInput, meetingType } from "./api.ts";
import { nextSlot, wallClock } from "./times.ts";

export type MeetingValues = {
	topic: string;
	agenda: string;
	when: "planned" | "anytime";
	date: string;
	time: string;
	zone: string;
	duration: string;
	passcode: string;
	waitingRoom: boolean;
	joinBeforeHost: boolean;
	muteOnEntry: boolean;
};

export type Faults = Partial<Record<keyof MeetingValues, MessageID>>;

export const durations = ["15", "30", "45", "60", "90", "120", "180", "240", "480"];

export function newValues(now: Date, zone: string): MeetingValues {
	return {
		topic: "",
		agenda: "",
		when: "planned",
		...wallClock(nextSlot(now), zone),
		zone,
		duration: "60",
		passcode: "",
		waitingRoom: false,
		joinBeforeHost: false,
		muteOnEntry: false,
	};
}

export function valuesOf(m: Meeting, now: Date): MeetingValues {
	const zone = m.timezone || "UTC";
	return {
		topic: m.topic,
		agenda: m.agenda ?? "",
		when: m.start_time ? "planned" : "anytime",
		...wallClock(m.start_time ? new Date(m.start_time) : nextSlot(now), zone),
		zone,
		duration: String(m.duration),
		passcode: m.password,
		waitingRoom: m.settings.waiting_room,
		joinBeforeHost: m.settings.join_before_host,
		muteOnEntry: m.settings.mute_upon_entry,
	};
}

/** What is wrong with the values; nothing if they can be sent. */
export function faultsOf(v: MeetingValues, isNew: boolean): Faults {
	const faults: Faults = {};
	if (!isNew && v.topic.trim() === "") faults.topic = "site.fault.topicMissing";
	if ([...v.topic].length > 200) faults.topic = "site.fault.topicLong";
	if ([...v.agenda].length > 2000) faults.agenda = "site.fault.agendaLong";
	if (v.when === "planned") {
		if (!/^\d{4}-\d{2}-\d{2}$/.test(v.date)) faults.date = "site.fault.date";
		if (!/^\d{2}:\d{2}/.test(v.time)) faults.time = "site.fault.time";
	}
	if (v.passcode !== "" && !/^[A-Za-z0-9@_*-]+$/.test(v.passcode)) faults.passcode = "site.fault.passcodeSigns";
	else if (v.passcode.length > 10) faults.passcode = "site.fault.passcodeLong";
	else if (v.passcode === "" && !isNew) faults.passcode = "site.fault.passcodeMissing";
	return faults;
}

/** The values as the API takes them; `type` is the meeting's own where it recurs. */
export function inputOf(v: MeetingValues, type?: number): MeetingInput {
	const planned = type === meetingType.recurring ? type : meetingType.scheduled;
	return {
		...(v.topic.trim() ? { topic: v.topic.trim() } : {}),
		type: v.when === "planned" ? planned : meetingType.anytime,
		...(v.when === "planned" ? { start_time: `${v.date}T${v.time.slice(0, 5)}:00` } : {}),
		duration: Number(v.duration),
		timezone: v.zone,
		agenda: v.agenda,
		...(v.passcode ? { password: v.passcode } : {}),
		settings: { waiting_room: v.waitingRoom, join_before_host: v.joinBeforeHost, mute_upon_entry: v.muteOnEntry },
	};
}

const fieldOf: Record<string, [keyof MeetingValues, MessageID]> = {
	topic: ["topic", "site.fault.topicLong"],
	agenda: ["agenda", "site.fault.agendaLong"],
	start_time: ["date", "site.fault.date"],
	timezone: ["zone", "site.fault.zone"],
	password: ["passcode", "site.fault.passcodeSigns"],
};

/** The server's faults, put to the fields of the form. */
export function faultsFrom(fields: readonly FieldFault[]): Faults {
	const faults: Faults = {};
	for (const { field } of fields) {
		const found = fieldOf[field];
		if (found) faults[found[0]] = found[1];
	}
	return faults;
}

/** What the server refused of a form. */
export function refusedBy(e: Error | null): Faults {
	return e instanceof ApiError ? faultsFrom(e.fields) : {};
}
