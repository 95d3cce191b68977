// What a peer connection is given of a router's addresses, rung by rung.
import { type Candidate, type Credentials, Rung } from "../proto/messages.gen.ts";

/**
 * The port that stands for the router in its own TURN server and nowhere else (PROTOCOL.md §4.1): a group that
 * is given it goes over TLS 443, whatever its browser thinks of UDP.
 */
const relayedPort = 49153;

/**
 * The TURN servers among the candidates of rung TLS 443. Any group's credentials will do for all: what is behind
 * the server is the same router.
 */
export function iceServers(candidates: readonly Candidate[], set: readonly Credentials[]): RTCIceServer[] {
	const c = set[0];
	if (!c) return [];
	return candidates
		.filter(x => x.rung === Rung.TLS443)
		.map(x => ({ urls: `turns:${x.addr}?transport=tcp`, username: c.ufrag, credential: c.pwd }));
}

/** What it takes to send media to a router through a tunnel: TURN at the tunnel's own host and port. */
export type Relay = {
	/** Base URL. */
	tunnel: string;
	/** The router's address as the tunnel sends there, and the only one it sends to. */
	peer: string;
	username: string;
	credential: string;
};

/** A tunnel as a TURN server. */
export function relayServer({ tunnel, username, credential }: Relay): RTCIceServer {
	const { hostname, port } = new URL(tunnel);
	return { urls: `turns:${hostname}:${port || "443"}?transport=tcp`, username, credential };
}

/** Candidate lines, for addIceCandidate. Those of TLS 443 are the router's own addresses as its TURN server knows them. */
export function candidateLines(candidates: readonly Candidate[], all: readonly Candidate[]): string[] {
	const out = new Set<string>();
	for (const c of candidates) {
		const [host, port] = split(c.addr);
		switch (c.rung) {
			case Rung.UDP8801:
				out.add(line(c.addr, "udp 2130706431", host, port, ""));
				break;
			case Rung.TCP8801:
				out.add(line(c.addr, "tcp 1671430143", host, port, " tcptype passive"));
				break;
			case Rung.TLS443:
				for (const u of all) {
					if (u.rung !== Rung.UDP8801) continue;
					const [ip] = split(u.addr);
					out.add(line(`${ip} over TLS`, "udp 16777215", ip, String(relayedPort), ""));
				}
				break;
			default:
				break; // a rung of a newer router
		}
	}
	return [...out];
}

function line(of: string, kind: string, host: string, port: string, rest: string): string {
	return `candidate:${foundation(of)} 1 ${kind} ${host} ${port} typ host${rest}`;
}

function split(addr: string): [host: string, port: string] {
	const at = addr.lastIndexOf(":");
	return [addr.slice(0, at).replace(/^\[|\]$/g, ""), addr.slice(at + 1)];
}

/** Any string of at most 32 characters that differs by address will do (RFC 8839 section 5.1). */
function foundation(addr: string): string {
	let h = 7;
	for (const ch of addr) h = (h * 31 + (ch.codePointAt(0) ?? 0)) >>> 0;
	return String(h);
}
