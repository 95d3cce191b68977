// The control channel's messages as text: what a page sends, and what it takes from a router.
import { MaxMessageLen, MaxServerMessageLen, type Message, type MessageTypes, messageShapes } from "./messages.gen.ts";
import { BadShape, readStruct } from "./shape.ts";

/** A message of type T with its "t". */
export type MessageOf<T extends keyof MessageTypes> = Extract<Message, { t: T }>;

const fromRouter = [
	"ask_unmute",
	"bye",
	"chat",
	"error",
	"ping",
	"pong",
	"react",
	"roster",
	"slots",
	"speakers",
	"state",
	"waiting",
	"wanted",
	"welcome",
] as const satisfies readonly (keyof MessageTypes)[];

/** What a router may say. */
export type FromRouter = MessageOf<(typeof fromRouter)[number]>;

/** What a page may say. */
export type FromClient = MessageOf<
	| "act"
	| "answer"
	| "bye"
	| "error"
	| "hand"
	| "hello"
	| "layout"
	| "ping"
	| "pong"
	| "publish"
	| "react"
	| "say"
	| "stats"
>;

/** A message of a type this page does not have: answered by "error" with code "unsupported", and not fatal (S41). */
export type Unknown = { t: "unknown"; type: string };

/** The wire form: the type in front. Fields that are undefined are left out. */
export function encode(m: Message): string {
	const { t, ...fields } = m;
	return JSON.stringify({ t, ...fields });
}

/** Whether a message is short enough to be sent; a router closes the channel at a longer one. */
export function fits(text: string): boolean {
	return new TextEncoder().encode(text).length <= MaxMessageLen;
}

/** Reads one message. Throws BadShape where it is malformed. */
export function decode(text: string): Message | Unknown {
	if (text.length > MaxServerMessageLen) {
		throw new BadShape("message too long");
	}
	const value = parse(text);
	const type = typeof value === "object" && value !== null && "t" in value ? value.t : undefined;
	if (typeof type !== "string" || type === "") {
		throw new BadShape('message without type "t"');
	}
	if (!isMessageType(type)) {
		return { t: "unknown", type };
	}
	// The shape of a type is its struct's: the table is generated with the types.
	return { t: type, ...readStruct(messageShapes[type], value) } as Message;
}

/** Reads one message of a router. What only a client may say counts as unknown. */
export function decodeFromRouter(text: string): FromRouter | Unknown {
	const m = decode(text);
	return m.t === "unknown" || isFromRouter(m) ? m : { t: "unknown", type: m.t };
}

function isFromRouter(m: Message): m is FromRouter {
	return fromRouter.some(t => t === m.t);
}

function isMessageType(type: string): type is keyof MessageTypes {
	return Object.hasOwn(messageShapes, type);
}

function parse(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		throw new BadShape("message is not JSON");
	}
}
