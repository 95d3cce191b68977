// What the record says: codes with values. Here are the English words of each, the same as the native client's; a page
// has its own for every language.
import type { Rung } from "../proto/messages.gen.ts";

const english = {
	// What was tried.
	site: "the site",
	server: "server {server}",
	probe: "zone {zone}, UDP {address}",
	zone: "zone {zone}, {url}",
	media: "{group} over {rung}",
	media_tunnel: "{group} over {rung} through the tunnel {url}",
	// Why it ended as it did.
	no_answer: "no answer",
	late: "no answer in time",
	silent: "no answer within {ms} ms",
	silent_seconds: "no answer within {s}s",
	checks: "checks are answered, but no keys come",
	probe_unknown: "no answer within {ms} ms, which says little",
	not_waited: "not waited for after {ms} ms: UDP had answered",
	probe_silent: "no answer over UDP",
	needs_tunnel: "no answer without a tunnel",
	server_silent: "no answer from the server",
	fell_silent: "the server fell silent",
	no_connection: "no connection",
	broke: "the connection broke",
	bad_answer: "the answer can't be read",
	bad_grant: "the grant can't be read",
	status: "status {status}",
	through_tunnel: "through the tunnel {url}",
	through_proxy: "through the proxy {proxy}",
	given_up: "given up for another attempt",
	in_waiting_room: "in the waiting room",
	waiting: "waiting for a host",
	joined: "joined",
	lives_on: "the meeting lives on server {server}",
	lives_here: "the meeting lives on this server",
	lives_elsewhere: "the meeting is on another server",
	runs_there: "the meeting already runs there; no need to ask a controller",
	grant_good: "the site's grant for this zone is still good; no need to ask a controller",
	last_server: "no controller answers; trying the last server itself",
	offered_server: "no controller answers yet; trying the server the site offered",
	other_controller: "another controller answered first",
	expired: "token_expired",
	network: "the network changed",
	full: "the server is full",
	other_server: "another server is tried",
	again: "looking the meeting up again",
	better_path: "a better path is up",
	works_again: "the better path works again",
	lossy: "{loss} % of its packets are lost",
	browser_moved: "the browser has moved to {rung}",
	other_table: "the server has another slot table",
	left: "media has left it",
	together: "video and content move together",
	fresh_grant: "a fresh grant came",
	leaves_tunnel: "media leaves the tunnel",
	without_tunnel: "a controller answers without it",
	fresh_transports: "media moves to fresh transports",
	restarted: "the server started anew",
	nothing: "nothing arrives any more",
	over: "over",
	first_tunnel: "first tunnel to answer",
	faster: "another path was faster",
	rtt: "{ms} ms",
	last_zone: "{ms} ms, not enough better than the zone used last",
	rated: "{ms} ms, rated {mine} against {best}",
	udp_open: "UDP is open, {ms} ms",
	udp_small: "UDP is open, but a datagram of 1200 bytes did not come back",
	unsent: "could not be sent",
	not_here: "not here",
	ended: "the encrypted connection ended",
	missed: "a message of the server was missed",
	refused: "the browser refused the connection",
	/** A name, or the words of a server, a browser or an operating system: nobody's to translate. */
	said: "{text}",
} as const;

export type PhraseCode = keyof typeof english;

type Names<S extends string> = S extends `${string}{${infer N}}${infer Rest}` ? N | Names<Rest> : never;
type Value<N extends string> = N extends "group"
	? "audio" | "video" | "content"
	: N extends "rung"
		? Rung
		: string | number;
type Values<C extends PhraseCode> = { [N in Names<(typeof english)[C]>]: Value<N> };

/** Something said in the record. */
export interface Phrase {
	code: PhraseCode;
	values: Readonly<Record<string, string | number>>;
}

export function say<C extends PhraseCode>(
	code: C,
	...values: Names<(typeof english)[C]> extends never ? [] : [Values<C>]
): Phrase {
	return { code, values: values[0] ?? {} };
}

/** What comes with an event: a phrase, or words of somebody else. */
export type Told = string | Phrase;

/** What was told; or else, where it was nothing. */
export function told(text: Told | undefined, or: Phrase): Phrase {
	if (typeof text === "object") {
		return text;
	}
	return text ? say("said", { text }) : or;
}

/** What was told, as text; "" for nothing. */
export function textOf(text: Told | undefined): string {
	return typeof text === "object" ? words(text) : (text ?? "");
}

/** A phrase in English. */
export function words({ code, values }: Phrase): string {
	return english[code].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}
