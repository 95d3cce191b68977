import { expect, test } from "vitest";
import { Group, Kind, type Slot } from "../proto/messages.gen.ts";
import { acceptedTWCC, buildOffer, type OfferTable } from "./sdp.ts";

const slots: Slot[] = [
	{ id: 0, mid: "a0", kind: Kind.Audio, ssrc: 100, msid: "s0" },
	{ id: 1, mid: "f0", kind: Kind.Audio, ssrc: 101, msid: "f0" },
	{ id: 2, mid: "v0", kind: Kind.Video, ssrc: 4000000000, rtx: 17, msid: "s0" },
	{ id: 3, mid: "c0", kind: Kind.Content, ssrc: 103, rtx: 18, msid: "c0" },
	{ id: 4, mid: "ca0", kind: Kind.ContentAudio, ssrc: 104, msid: "c0" },
];
const table: OfferTable = {
	slots,
	groups: [
		{ group: Group.Audio, ufrag: "ufragA", pwd: "pwdA" },
		{ group: Group.Video, ufrag: "ufragV", pwd: "pwdV" },
		{ group: Group.Content, ufrag: "ufragC", pwd: "pwdC" },
	],
	fingerprint: "sha-256 AB:CD",
	oneGroup: false,
};

/** The m-line of a mid, as lines. */
function section(sdp: string, mid: string): string[] {
	const found = sdp.split(/\r\n(?=m=)/).find(s => s.includes(`a=mid:${mid}\r\n`));
	return (found ?? "").trimEnd().split("\r\n");
}

test("the offer is the one written down", async () => {
	await expect(buildOffer(table)).toMatchFileSnapshot("testdata/offer.sdp");
});

test("three groups, audio first, each with its own credentials", () => {
	const sdp = buildOffer(table);
	expect(sdp.match(/a=group:BUNDLE .*/g)).toEqual([
		"a=group:BUNDLE ua a0 f0",
		"a=group:BUNDLE uv v0",
		"a=group:BUNDLE uc uca c0 ca0",
	]);
	expect([...sdp.matchAll(/a=mid:(\S+)/g)].map(m => m[1])).toEqual("ua uv uc uca a0 f0 v0 c0 ca0".split(" "));
	expect(section(sdp, "f0")).toContain("a=ice-ufrag:ufragA");
	expect(section(sdp, "v0")).toContain("a=ice-ufrag:ufragV");
	expect(section(sdp, "ca0")).toContain("a=ice-pwd:pwdC");
});

test("an offer without slots is the beginning of the one with them", () => {
	const sections = (slots: Slot[]) => buildOffer({ ...table, slots }).split(/\r\n(?=m=)/);
	const [head, ...own] = sections([]);
	const [longer, ...all] = sections(slots);
	expect(own.map(s => /a=mid:(\S+)/.exec(s)?.[1])).toEqual(["ua", "uv", "uc", "uca"]);
	expect(all.slice(0, 4).map(s => s.trimEnd())).toEqual(own.map(s => s.trimEnd()));
	const version = (s = "") => Number(/^o=- 1 (\d+) /m.exec(s)?.[1]);
	expect(version(longer)).toBeGreaterThan(version(head)); // RFC 3264 section 8
});

test("one group has one transport, and the audio group's credentials", () => {
	const sdp = buildOffer({ ...table, oneGroup: true });
	expect(sdp.match(/a=group:BUNDLE .*/g)).toEqual(["a=group:BUNDLE ua a0 f0 uv v0 uc uca c0 ca0"]);
	expect(sdp).not.toContain("ufragV");
});

test("the SSRC of the media is listed before that of its retransmissions", () => {
	expect(section(buildOffer(table), "v0").filter(l => l.startsWith("a=ssrc"))).toEqual([
		"a=ssrc-group:FID 4000000000 17",
		"a=ssrc:4000000000 cname:parley",
		"a=ssrc:17 cname:parley",
	]);
});

test("a camera is asked for in three layers, sound without transport-wide numbers", () => {
	const sdp = buildOffer(table);
	expect(section(sdp, "uv")).toContain("a=simulcast:recv q;h;f");
	for (const mid of ["ua", "a0", "uca", "ca0"]) expect(section(sdp, mid).join()).not.toContain("transport-wide");
	for (const mid of ["uv", "v0", "uc", "c0"]) expect(section(sdp, mid).join()).toContain("transport-wide");
});

test("feedback is announced for what the answer accepted", () => {
	const offer = buildOffer(table);
	expect(acceptedTWCC(offer)).toEqual([Group.Video, Group.Content]);
	expect(acceptedTWCC(offer.replaceAll("transport-cc", "other"))).toEqual([]);
});
