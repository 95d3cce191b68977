// The offer of a router, built from its slot table: no SDP crosses the wire. The page is always the answerer.
//
// Three BUNDLE groups (audio, video, content) make three ICE, DTLS and SRTP transports in one peer
// connection; or one group, on the same path, for browsers that cannot. The page's own m-lines come first: an offer
// without slots, of these alone, is taken in at once, and the one with slots continues it. Their order is audio, video,
// content: Firefox begins the checks of the second transport when the first has succeeded.
import { groupOf, isAudio } from "../proto/ids.ts";
import { type Credentials, Group, RIDs, type Slot } from "../proto/messages.gen.ts";

/** All that an offer is made of. */
export type OfferTable = {
	slots: readonly Slot[];
	/** Credentials of one set, by group. */
	groups: readonly Credentials[];
	/** "sha-256 AB:CD:…" of the router. */
	fingerprint: string;
	/** All media on the audio group's transport. */
	oneGroup: boolean;
};

export const groupNames = ["audio", "video", "content"] as const;
export type GroupName = (typeof groupNames)[number];

/** The m-line each group's transport is named by: candidates go there. */
export const groupMids = ["ua", "uv", "uc"] as const;

const twcc = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const extensions = {
	level: "1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
	twcc: `3 ${twcc}`,
	mid: "4 urn:ietf:params:rtp-hdrext:sdes:mid",
	rid: "5 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
	rrid: "6 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
	capture: "7 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
	dependency: "8 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
	allocation: "9 http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
	playout: "10 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
} as const;
type Extension = keyof typeof extensions;

const audioCodecs = ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"];

/** Payload type, name and parameters of the video codecs; the retransmissions' type is the next number. */
const videoCodecs = [
	{ pt: 96, name: "VP8", fmtp: "" },
	{ pt: 98, name: "VP9", fmtp: "profile-id=0" },
	{ pt: 102, name: "H264", fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" },
	{ pt: 45, name: "AV1", fmtp: "level-idx=5;profile=0;tier=0" },
];
const videoTypes = videoCodecs.flatMap(c => [c.pt, c.pt + 1]).join(" ");
const videoLines = videoCodecs.flatMap(c => [
	`a=rtpmap:${c.pt} ${c.name}/90000`,
	...["transport-cc", "ccm fir", "nack", "nack pli"].map(fb => `a=rtcp-fb:${c.pt} ${fb}`),
	...(c.fmtp ? [`a=fmtp:${c.pt} ${c.fmtp}`] : []),
	`a=rtpmap:${c.pt + 1} rtx/90000`,
	`a=fmtp:${c.pt + 1} apt=${c.pt}`,
]);

type Line = { mid: string; audio: boolean; group: Group; extensions: Extension[]; rest: string[] };

function slotLine(s: Slot): Line {
	const rtx = s.rtx ?? 0;
	return {
		mid: s.mid,
		audio: isAudio(s.kind),
		group: groupOf(s.kind),
		extensions: isAudio(s.kind) ? ["level", "capture"] : ["twcc", "capture", "dependency", "playout"],
		rest: [
			"a=sendonly",
			`a=msid:${s.msid} ${s.mid}`,
			...(rtx ? [`a=ssrc-group:FID ${s.ssrc} ${rtx}`] : []),
			// The media's SSRC first: whichever is listed first is taken for the primary one.
			`a=ssrc:${s.ssrc} cname:parley`,
			...(rtx ? [`a=ssrc:${rtx} cname:parley`] : []),
		],
	};
}

function ownLines(): Line[] {
	const video: Extension[] = ["twcc", "mid", "rid", "rrid", "capture", "dependency", "allocation"];
	const layers = [...RIDs.map(rid => `a=rid:${rid} recv`), `a=simulcast:recv ${RIDs.join(";")}`];
	return [
		{ mid: "ua", audio: true, group: 0, extensions: ["level", "mid", "capture"], rest: ["a=recvonly"] },
		{ mid: "uv", audio: false, group: 1, extensions: video, rest: ["a=recvonly", ...layers] },
		{ mid: "uc", audio: false, group: 2, extensions: video, rest: ["a=recvonly"] },
		{ mid: "uca", audio: true, group: 2, extensions: ["mid", "capture"], rest: ["a=recvonly"] },
	];
}

/** The router's offer. */
export function buildOffer(t: OfferTable): string {
	const lines = [...ownLines(), ...t.slots.map(slotLine)];
	const mids = groupNames.map((_, g) => lines.filter(l => l.group === g).map(l => l.mid));
	const bundles = t.oneGroup ? [mids.flat()] : mids;
	const out = [
		"v=0",
		`o=- 1 ${1 + t.slots.length} IN IP4 0.0.0.0`, // an offer that continues another has a higher version
		"s=-",
		"t=0 0",
		...bundles.map(b => `a=group:BUNDLE ${b.join(" ")}`),
		"a=ice-lite",
		"a=extmap-allow-mixed",
		"a=msid-semantic: WMS *",
	];
	for (const l of lines) out.push(...mediaLines(t, l));
	return `${out.join("\r\n")}\r\n`;
}

function mediaLines(t: OfferTable, l: Line): string[] {
	const c = credentialsOf(t, l.group);
	return [
		l.audio ? "m=audio 9 UDP/TLS/RTP/SAVPF 111" : `m=video 9 UDP/TLS/RTP/SAVPF ${videoTypes}`,
		"c=IN IP4 0.0.0.0",
		`a=mid:${l.mid}`,
		`a=ice-ufrag:${c.ufrag}`,
		`a=ice-pwd:${c.pwd}`,
		`a=fingerprint:${t.fingerprint}`,
		"a=setup:passive", // the page is the DTLS client
		"a=rtcp-mux",
		"a=rtcp-rsize",
		...l.extensions.map(e => `a=extmap:${extensions[e]}`),
		...(l.audio ? audioCodecs : videoLines),
		...l.rest,
	];
}

function credentialsOf(t: OfferTable, group: Group): Credentials {
	const g = t.oneGroup ? 0 : group;
	return t.groups.find(c => c.group === g) ?? { group, ufrag: "none", pwd: "none" };
}

/** What the page accepted: groups whose m-lines carry the transport-wide number. */
export function acceptedTWCC(answer: string): Group[] {
	const groups = new Set<Group>();
	for (const section of answer.split(/\r?\nm=/).slice(1)) {
		const mid = /\na=mid:(\S+)/.exec(section)?.[1] ?? "";
		if (!section.includes(twcc) || !/\na=rtcp-fb:\d+ transport-cc/.test(section)) continue;
		// Own m-lines give feedback on what the router sends nowhere: only slots count.
		if (/^v\d+$/.test(mid)) groups.add(Group.Video);
		if (/^c\d+$/.test(mid)) groups.add(Group.Content);
	}
	return [...groups].sort();
}
