// What to do: the caller answers with the events named at each; actions that only tell need no answer. The
// same JSON as in core/join. A field that is undefined is left out of it.
import type { Candidate, Code, Credentials, Grant, Group, Rung } from "../proto/messages.gen.ts";

/** The phases of the connection panel. */
export type Phase = "lookup" | "zone" | "tunnel" | "route" | "control" | "media" | "resume";

export type JoinAction =
	/** Ask the site: lookup_done or lookup_failed. One at a time. */
	| { do: "lookup"; try: number; last_zone?: string | undefined; last_rung?: Rung | undefined }
	/**
	 * Measure a controller once: ping_done or ping_failed, both with its via. All pings of a controller that go
	 * the same way share a connection.
	 */
	| { do: "ping"; zone: string; controller: string; seq: number; via?: string | undefined }
	/** Send a STUN Binding request, padded to 1200 bytes or bare: probe_done if it is answered. */
	| { do: "probe"; zone: string; addr: string; seq: number; padded?: boolean | undefined }
	/** Try a tunnel: tunnel_up or tunnel_failed. */
	| { do: "dial_tunnel"; url: string }
	/**
	 * Open, ahead of the choice of a zone, what costs round trips to the router of a grant: the connection its control
	 * channel will use, on which nothing is said yet, and the audio transport over UDP. What opens them later takes
	 * what is there. No event is expected; a client may do less.
	 */
	| { do: "prepare"; grant: Grant }
	/**
	 * End what is under way; "prepare" is what was prepared and has not been taken. No event is expected; late ones do
	 * no harm.
	 */
	| { do: "cancel"; what: "lookup" | "measure" | "tunnels" | "prepare" }
	/** Ask a controller for a grant: route_done or route_failed. */
	| { do: "route"; zone: string; controller: string; lost?: string | undefined; via?: string | undefined }
	/**
	 * Open the control channel at grant.url + "/control" and send the hello: control_up, then welcomed,
	 * waiting_room, refused or control_lost, all with this attempt.
	 */
	| { do: "open_control"; attempt: number; grant: Grant; via?: string | undefined }
	/** Drop a control channel. No event is expected. */
	| { do: "close_control"; attempt: number }
	/** Set up a media transport: transport_up, transport_failed, later transport_lost. */
	| {
			do: "start_transport";
			attempt: number;
			group: Group;
			rung: Rung;
			router: string;
			/** Of this rung. */
			candidates: readonly Candidate[];
			credentials: Credentials;
			fingerprint: string;
			/** Tunnel; then the candidates are where it sends to. */
			via?: string | undefined;
	  }
	/** A group's media goes over this attempt from now on. */
	| { do: "use_transport"; attempt: number; group: Group; rung: Rung }
	/** Drop a media transport, up or not. No event is expected. */
	| { do: "close_transport"; attempt: number; group: Group; rung: Rung }
	/** A phase got somewhere, this long after the start. */
	| { do: "progress"; phase: Phase; ms: number; detail?: string | undefined }
	/** What is known of one controller. */
	| {
			do: "candidate";
			zone: string;
			controller: string;
			rtt_ms?: number | undefined;
			udp?: "open" | "silent" | undefined;
			load?: number | undefined;
			score?: number | undefined;
			/** It can't be reached. */
			error?: string | undefined;
	  }
	/** The client is in the waiting room. */
	| { do: "waiting"; topic?: string | undefined }
	/** The client is in the meeting, first or (resumed) again. */
	| { do: "joined"; router: string; zone: string; resumed?: boolean | undefined; ms: number }
	/** The process is over: drop everything. */
	| {
			do: "failed";
			/** Absent: nothing answered. */
			code?: Code | undefined;
			text: string;
			/** A server said no; trying again the same way is pointless. */
			refused?: boolean | undefined;
			/** For the user, one line each. */
			tried?: readonly string[] | undefined;
			/** Where a browser may still succeed (S15). */
			web_url?: string | undefined;
	  }
	/** The process is over after leave. */
	| { do: "left" };

/** One action by its name. */
export type ActionOf<N extends JoinAction["do"]> = Extract<JoinAction, { do: N }>;

/** A value as it is in an action: zero is absent. */
export function some<T extends string | number | boolean>(value: T): T | undefined {
	return value || undefined;
}
