// The record of the connection process in the person's language.
import type { AttemptView } from "../call/state.ts";
import type { MessageID } from "../i18n/locales.ts";
import type { T } from "../i18n/useT.ts";
import { type Phrase, type PhraseCode, say } from "../join/words.ts";
import { Rung } from "../proto/messages.gen.ts";

/** What is said of a code; undefined for a name and for words of others, which stand for themselves. */
const ids: Record<Exclude<PhraseCode, "said">, MessageID> = {
	site: "room.tried.site",
	server: "room.tried.server",
	probe: "room.tried.probe",
	zone: "room.tried.zone",
	media: "room.tried.media",
	media_tunnel: "room.tried.mediaTunnel",
	no_answer: "room.why.noAnswer",
	late: "room.why.late",
	silent: "room.why.silent",
	silent_seconds: "room.why.silentSeconds",
	checks: "room.why.checks",
	probe_unknown: "room.why.probeUnknown",
	not_waited: "room.why.notWaited",
	probe_silent: "room.why.probeSilent",
	needs_tunnel: "room.why.needsTunnel",
	server_silent: "room.why.serverSilent",
	fell_silent: "room.why.serverSilent",
	no_connection: "room.why.noConnection",
	broke: "room.why.broke",
	bad_answer: "room.why.unreadable",
	bad_grant: "room.why.unreadable",
	status: "room.why.status",
	through_tunnel: "room.why.throughTunnel",
	through_proxy: "room.why.throughProxy",
	given_up: "room.why.givenUp",
	in_waiting_room: "room.why.waiting",
	waiting: "room.why.waiting",
	joined: "room.why.joined",
	lives_on: "room.why.livesOn",
	lives_here: "room.why.livesHere",
	lives_elsewhere: "room.why.livesElsewhere",
	runs_there: "room.why.runsThere",
	grant_good: "room.why.grantGood",
	last_server: "room.why.lastServer",
	offered_server: "room.why.offeredServer",
	other_controller: "room.why.otherController",
	expired: "room.why.expired",
	network: "room.why.network",
	full: "room.why.full",
	other_server: "room.why.otherServer",
	again: "room.why.again",
	better_path: "room.why.betterPath",
	works_again: "room.why.worksAgain",
	lossy: "room.why.lossy",
	browser_moved: "room.why.browserMoved",
	other_table: "room.why.otherTable",
	left: "room.why.left",
	together: "room.why.together",
	fresh_grant: "room.why.freshGrant",
	leaves_tunnel: "room.why.leavesTunnel",
	without_tunnel: "room.why.leavesTunnel",
	fresh_transports: "room.why.freshTransports",
	restarted: "room.why.restarted",
	nothing: "room.why.nothing",
	over: "room.why.over",
	first_tunnel: "room.why.firstTunnel",
	faster: "room.why.faster",
	rtt: "room.why.rtt",
	last_zone: "room.why.lastZone",
	rated: "room.why.rated",
	udp_open: "room.why.udpOpen",
	udp_small: "room.why.udpSmall",
	unsent: "room.why.unsent",
	not_here: "room.why.notHere",
	ended: "room.why.ended",
	missed: "room.why.missed",
	refused: "room.why.refused",
};

/** A phrase of the record: what was tried, or why it ended as it did. */
export function phraseText(t: T, { code, values }: Phrase): string {
	if (code === "said") return String(values["text"] ?? "");
	const out: Record<string, string | number> = { ...values };
	const { group, rung } = values;
	if (group === "audio" || group === "video" || group === "content") out["group"] = t(`room.path.${group}`);
	if (isRung(rung)) out["rung"] = t(`room.rung.${rung}`);
	return t(ids[code], out);
}

function isRung(value: unknown): value is Rung {
	return Object.values<unknown>(Rung).includes(value);
}

/** What did not work, each thing once, for who could not be connected. */
export function triedLines(t: T, attempts: readonly AttemptView[]): string[] {
	const lines = attempts
		.filter(a => a.outcome !== "won" && a.why?.code !== "over")
		.map(a => t("room.tried.line", { what: phraseText(t, a.what), why: phraseText(t, a.why ?? say("no_answer")) }));
	return [...new Set(lines)];
}
