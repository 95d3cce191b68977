// What the numbers of the protocol mean: source ids, kinds, groups, mids and payload types.
import {
	Group,
	Kind,
	MIDAudio,
	MIDContent,
	MIDContentAudio,
	MIDVideo,
	type ParticipantID,
	PTAV1,
	PTAV1RTX,
	PTH264,
	PTH264RTX,
	PTVP8,
	PTVP8RTX,
	PTVP9,
	PTVP9RTX,
	Role,
	type SourceID,
} from "./messages.gen.ts";

/** The source id of a participant's kind. Unsigned: the largest participant id uses all 32 bits. */
export function source(participant: ParticipantID, kind: Kind): SourceID {
	return ((participant << 3) | kind) >>> 0;
}

/** Whose source this is. */
export function participantOf(source: SourceID): ParticipantID {
	return source >>> 3;
}

/** What this source carries; undefined where a newer peer knows more kinds than this page. */
export function kindOf(source: SourceID): Kind | undefined {
	return kindOfNumber(source & 7);
}

function kindOfNumber(n: number): Kind | undefined {
	return Object.values(Kind).find(k => k === n);
}

/** Whether packets of this kind are Opus. */
export function isAudio(kind: Kind): boolean {
	return kind === Kind.Audio || kind === Kind.ContentAudio;
}

/** The media transport a kind travels on (S12). */
export function groupOf(kind: Kind): Group {
	switch (kind) {
		case Kind.Audio:
			return Group.Audio;
		case Kind.Video:
			return Group.Video;
		case Kind.Content:
		case Kind.ContentAudio:
			return Group.Content;
	}
}

/** The mid of a participant's own m-line. */
export function midOf(kind: Kind): string {
	switch (kind) {
		case Kind.Audio:
			return MIDAudio;
		case Kind.Video:
			return MIDVideo;
		case Kind.Content:
			return MIDContent;
		case Kind.ContentAudio:
			return MIDContentAudio;
	}
}

/** The name of a kind in events and reports. */
export function kindName(kind: Kind): "audio" | "video" | "content" | "content-audio" {
	switch (kind) {
		case Kind.Audio:
			return "audio";
		case Kind.Video:
			return "video";
		case Kind.Content:
			return "content";
		case Kind.ContentAudio:
			return "content-audio";
	}
}

/** The name of a group in events and reports. */
export function groupName(group: Group): "audio" | "video" | "content" {
	switch (group) {
		case Group.Audio:
			return "audio";
		case Group.Video:
			return "video";
		case Group.Content:
			return "content";
	}
}

/** The groups, in order of priority. */
export const groups = [Group.Audio, Group.Video, Group.Content] as const;

/** A video codec as the SDP names it, with the payload type of its retransmissions (RFC 4588). */
export const videoCodecs = [
	{ name: "VP8", pt: PTVP8, rtx: PTVP8RTX },
	{ name: "VP9", pt: PTVP9, rtx: PTVP9RTX },
	{ name: "H264", pt: PTH264, rtx: PTH264RTX },
	{ name: "AV1", pt: PTAV1, rtx: PTAV1RTX },
] as const;

/** Whether the role may use host actions. */
export function manages(role: Role): boolean {
	return role === Role.Host || role === Role.Cohost;
}
