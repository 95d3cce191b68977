// What happened: the facts the machine is told. The same JSON as in core/join, so that the same traces run
// through both. Times measured are milliseconds.
import type { Code, Credentials, Grant, Group, LookupAnswer, Rung } from "../proto/messages.gen.ts";
import { type Phrase, say, type Told } from "./words.ts";

/** Why a page's hands did not do what only a native client can (STUN probes, a rung of its choice). */
export const notHere: Phrase = say("not_here");

export type JoinEvent =
	/** Begins. */
	| { is: "start" }
	/** The site's answer, its grants read. rtt_ms is the request's alone; absent: a third of what it took. */
	| {
			is: "lookup_done";
			answer: LookupAnswer;
			grants?: readonly Grant[] | undefined;
			rtt_ms?: number | undefined;
			/** The tunnel the lookup took, the proxy, and who opened its TLS between here and the site. */
			via?: string | undefined;
			proxy?: string | undefined;
			inspected?: string | undefined;
			/** Why a proxy that is configured is not used. A page does not know. */
			unused?: string | undefined;
			/** TLS handshakes with post-quantum key shares do not pass here. Nor does a page know that. */
			classical?: boolean | undefined;
	  }
	/** The site refused (code), or could not be reached (no code); final: however often one asks. */
	| {
			is: "lookup_failed";
			code?: Code | undefined;
			text?: Told | undefined;
			final?: boolean | undefined;
			/** How long to wait before asking again, in seconds; with slow_down. */
			retry_after?: number | undefined;
	  }
	/** The lookup waits for a person (a proxy wants a password), */
	| { is: "asking"; for: string }
	/** and goes on. */
	| { is: "asked" }
	/** A controller's answer to a ping: the request's round trip on a standing connection, not its handshakes'. */
	| {
			is: "ping_done";
			controller: string;
			seq: number;
			rtt_ms: number;
			load?: number | undefined;
			via?: string | undefined;
	  }
	/** A controller can't be reached, and why. */
	| { is: "ping_failed"; controller: string; seq: number; text?: Told | undefined; via?: string | undefined }
	/** The answer to a probe. */
	| { is: "probe_done"; addr: string; seq: number; rtt_ms: number; padded?: boolean | undefined }
	/** A probe could not be sent. Mere silence needs no event. */
	| { is: "probe_failed"; addr: string; text?: Told | undefined }
	/** A tunnel answered. */
	| { is: "tunnel_up"; url: string }
	/** A tunnel did not. */
	| { is: "tunnel_failed"; url: string; text?: Told | undefined }
	/** A controller's answer to a route. */
	| { is: "route_done"; controller: string; grant: Grant }
	/** A controller refused (code), or did not answer (no code). The grant comes with code "moved". */
	| {
			is: "route_failed";
			controller: string;
			code?: Code | undefined;
			text?: Told | undefined;
			grant?: Grant | undefined;
	  }
	/** The control channel stands, and its hello waits for a person in the lobby: there is no hurry until then. */
	| { is: "control_stands"; attempt: number }
	/** The control channel stands, and the hello is sent. */
	| { is: "control_up"; attempt: number }
	/** The router admitted this client. The groups are the welcome's, for transports started from now on. */
	| {
			is: "welcomed";
			attempt: number;
			groups?: readonly Credentials[] | undefined;
			resumed?: boolean | undefined;
	  }
	/** A host has to admit this client first. */
	| { is: "waiting_room"; attempt: number; topic?: string | undefined }
	/** The router's bye. The grant comes with code "moved". */
	| {
			is: "refused";
			attempt: number;
			code: Code;
			text?: string | undefined;
			grant?: Grant | undefined;
	  }
	/** The channel could not be opened, broke, or fell silent. */
	| { is: "control_lost"; attempt: number; text?: Told | undefined }
	/** A media transport has its keys, and goes to this port of the router, if that is known. */
	| { is: "transport_up"; attempt: number; port?: number | undefined }
	/** One could not be set up. */
	| { is: "transport_failed"; attempt: number; text?: Told | undefined }
	/** One that was up carries nothing any more. */
	| { is: "transport_lost"; attempt: number; text?: Told | undefined }
	/**
	 * Checks over a transport that is being set up have been answered for a while, and no keys come: a browser prefers such
	 * a path for as long as it is there.
	 */
	| { is: "path_answers"; attempt: number }
	/** A transport in use carries nothing, though the router is known to send, */
	| { is: "path_silent"; attempt: number }
	/** or something again. */
	| { is: "path_heard"; attempt: number }
	/** The transport in use goes over another rung or port now, of itself: a browser chooses among all it was ever given. */
	| { is: "path_moved"; attempt: number; rung: Rung; port?: number | undefined }
	/** Every second: what share of a group's packets was lost, in the worse direction. */
	| { is: "path_loss"; group: Group; loss: number }
	/** Somebody shares: the content transport is wanted now. */
	| { is: "need_content" }
	/**
	 * The client's own addresses changed: what stands is doubtful. Kept: media goes on over UDP from the new ones, and
	 * only what was found out of the old network is.
	 */
	| { is: "network_changed"; kept?: boolean }
	/** Ends it from our side. */
	| { is: "leave" }
	/** Lets time pass. */
	| { is: "tick" };

/** One event by its name. */
export type EventOf<N extends JoinEvent["is"]> = Extract<JoinEvent, { is: N }>;
