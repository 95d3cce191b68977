import { expect, test } from "vitest";
import type { Candidate, Credentials } from "../proto/messages.gen.ts";
import { candidateLines, iceServers } from "./addresses.ts";

const all: Candidate[] = [
	{ rung: "udp-8801", addr: "192.0.2.1:8801" },
	{ rung: "udp-8801", addr: "192.0.2.1:443" },
	{ rung: "udp-8801", addr: "[2001:db8::1]:8801" },
	{ rung: "tcp-8801", addr: "[2001:db8::1]:8801" },
	{ rung: "tls-443", addr: "mmr.example:443" },
];
const of = (rung: Candidate["rung"]) =>
	candidateLines(
		all.filter(c => c.rung === rung),
		all,
	);

test("candidates by rung", () => {
	expect(of("udp-8801")[0]).toMatch(/^candidate:\d+ 1 udp 2130706431 192\.0\.2\.1 8801 typ host$/);
	expect(of("tcp-8801")).toEqual([
		expect.stringMatching(/^candidate:\d+ 1 tcp 1671430143 2001:db8::1 8801 typ host tcptype passive$/),
	]);
	// What only the TURN server reaches, and each address once.
	expect(of("tls-443").map(l => l.split(" ").slice(2, 6).join(" "))).toEqual([
		"udp 16777215 192.0.2.1 49153",
		"udp 16777215 2001:db8::1 49153",
	]);
});

test("the TURN server of rung TLS 443 knows the credentials of a group", () => {
	const set: Credentials[] = [{ group: 0, ufrag: "u", pwd: "p" }];
	expect(iceServers(all, set)).toEqual([
		{ urls: "turns:mmr.example:443?transport=tcp", username: "u", credential: "p" },
	]);
	expect(iceServers(all.slice(0, 4), set)).toEqual([]);
	expect(iceServers(all, [])).toEqual([]);
});
