// The golden vectors of wire/proto/testdata, read and written by the page's side.
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decodeBase64url } from "./base64url.ts";
import { helloText, newNonce, publicKeyText, signHello } from "./hello.ts";
import { groupOf, isAudio, kindName, kindOf, midOf, participantOf, source } from "./ids.ts";
import { Group, Kind, MaxParticipantID, MaxServerMessageLen, messageShapes, type Structs } from "./messages.gen.ts";
import { decode, decodeFromRouter, encode, fits } from "./messages.ts";
import { readStruct } from "./shape.ts";

const testdata = "../wire/proto/testdata";

function vectors(dir: string): [string, unknown][] {
	return readdirSync(`${testdata}/${dir}`).map(f => [f.replace(".json", ""), read(`${dir}/${f}`)]);
}

function read(file: string): unknown {
	return JSON.parse(readFileSync(`${testdata}/${file}`, "utf8"));
}

describe("control messages", () => {
	const all = vectors("messages");

	it.each(all)("%s comes back as it was", (_, json) => {
		const text = JSON.stringify(json);
		const m = decode(text);
		if (m.t === "unknown") {
			throw new Error("unknown type");
		}
		expect(encode(m)).toBe(text);
	});

	it("has a vector for every type", () => {
		const seen = new Set(all.map(([, json]) => decode(JSON.stringify(json)).t));
		expect(Object.keys(messageShapes).filter(t => !seen.has(t as keyof typeof messageShapes))).toEqual([]);
	});

	it.each(all)("%s cut anywhere is refused", (_, json) => {
		const text = JSON.stringify(json);
		for (let n = 0; n < text.length; n++) {
			expect(() => decode(text.slice(0, n))).toThrow();
		}
	});

	it.each([
		["an unknown type", '{"t":"teleport","to":7}', { t: "unknown", type: "teleport" }],
		["a name every object has", '{"t":"toString"}', { t: "unknown", type: "toString" }],
		["an unknown field", '{"t":"ping","n":3,"colour":"blue"}', { t: "ping", n: 3 }],
		["the type last", '{"n":3,"t":"ping"}', { t: "ping", n: 3 }],
		["a missing field", '{"t":"hand"}', { t: "hand", up: false }],
		["a null list", '{"t":"wanted","kind":1,"rids":null}', { t: "wanted", kind: 1, rids: [] }],
		[
			"a row without fields",
			'{"t":"layout","version":1,"tiles":[{},{"height":90}]}',
			{
				t: "layout",
				version: 1,
				tiles: [
					{ source: 0, height: 0 },
					{ source: 0, height: 90 },
				],
			},
		],
	])("takes %s", (_, text, want) => {
		expect(decode(text)).toEqual(want);
	});

	it.each([
		["no type", '{"n":3}'],
		["an empty type", '{"t":"","n":3}'],
		["a type that is no string", '{"t":7}'],
		["a wrong field type", '{"t":"ping","n":"three"}'],
		["a negative id", '{"t":"say","to":-1,"text":"x"}'],
		["an id over 32 bits", '{"t":"say","to":4294967296,"text":"x"}'],
		["a fraction as an id", '{"t":"say","to":1.5,"text":"x"}'],
		["a list as a struct", '{"t":"welcome","roster":[]}'],
		["a struct as a list", '{"t":"slots","changes":{}}'],
		["an array", '[{"t":"ping"}]'],
		["two messages", '{"t":"ping"}{"t":"ping"}'],
		["no JSON", "hello"],
		["nothing", ""],
		["null", "null"],
		["too much", `{"t":"ping","x":"${"x".repeat(MaxServerMessageLen)}"}`],
	])("refuses %s", (_, text) => {
		expect(() => decode(text)).toThrow();
	});

	it("does not obey a router that speaks as a client", () => {
		expect(decodeFromRouter('{"t":"act","do":"end"}')).toEqual({ t: "unknown", type: "act" });
		expect(decodeFromRouter('{"t":"ping","n":1}')).toEqual({ t: "ping", n: 1 });
	});

	it("knows what is too long to send, in bytes", () => {
		expect(fits("é".repeat(32768))).toBe(true);
		expect(fits("é".repeat(32769))).toBe(false);
	});
});

describe("bodies", () => {
	const shapes: Record<string, keyof Structs> = {
		claims: "Claims",
		"error-body": "ErrorBody",
		grant: "Grant",
		"lookup-answer": "LookupAnswer",
		"lookup-request": "LookupRequest",
		"ping-answer": "PingAnswer",
		"route-answer": "RouteAnswer",
		"route-request": "RouteRequest",
	};
	it.each(Object.entries(shapes))("%s comes back as it was", (file, shape) => {
		const json = read(`bodies/${file}.json`);
		expect(JSON.stringify(readStruct(shape, json))).toBe(JSON.stringify(json));
	});
});

describe("hello", () => {
	const ecdsa = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

	function hello(file: string): Record<"token" | "router" | "nonce" | "text" | "key" | "sig", string> & { at: number } {
		return read(file) as ReturnType<typeof hello>;
	}

	async function verify(keyText: string, text: string, sig: string): Promise<boolean> {
		const key = await crypto.subtle.importKey("raw", decodeBase64url(keyText.replace("p256:", "")), ecdsa, false, [
			"verify",
		]);
		return crypto.subtle.verify(ecdsa, key, decodeBase64url(sig), new TextEncoder().encode(text));
	}

	it.each(["hello.json", "hello-p256.json"])("signs the text of %s", async file => {
		const v = hello(file);
		expect(await helloText(v.token, v.router, v.at, v.nonce)).toBe(v.text);
	});

	it("has the signature of the vector", async () => {
		const v = hello("hello-p256.json");
		expect(await verify(v.key, v.text, v.sig)).toBe(true);
		expect(await verify(v.key, `${v.text} `, v.sig)).toBe(false);
	});

	it("signs with a key of its own", async () => {
		const pair = await crypto.subtle.generateKey(ecdsa, false, ["sign", "verify"]);
		const text = await helloText("token", "mmr-1", 1, newNonce());
		const key = await publicKeyText(pair.publicKey);
		expect(key).toMatch(/^p256:[\w-]{87}$/);
		expect(await verify(key, text, await signHello(pair.privateKey, text))).toBe(true);
	});

	it("never uses a nonce twice", () => {
		expect(newNonce()).toMatch(/^[\w-]{22}$/);
		expect(newNonce()).not.toBe(newNonce());
	});
});

describe("ids", () => {
	it.each([
		[1, Kind.Audio, 8],
		[1, Kind.ContentAudio, 11],
		[7, Kind.Video, 57],
		[MaxParticipantID, Kind.Audio, 0xfffffff8],
		[MaxParticipantID, Kind.ContentAudio, 0xfffffffb],
	])("source of %d, %d", (participant, kind, want) => {
		expect(source(participant, kind)).toBe(want);
		expect(participantOf(want)).toBe(participant);
		expect(kindOf(want)).toBe(kind);
	});

	it.each([
		[Kind.Audio, "audio", true, Group.Audio, "ua"],
		[Kind.Video, "video", false, Group.Video, "uv"],
		[Kind.Content, "content", false, Group.Content, "uc"],
		[Kind.ContentAudio, "content-audio", true, Group.Content, "uca"],
	] as const)("kind %d", (kind, name, audio, group, mid) => {
		expect([kindName(kind), isAudio(kind), groupOf(kind), midOf(kind)]).toEqual([name, audio, group, mid]);
	});

	it("does not guess at an unknown kind", () => {
		expect(kindOf(7)).toBeUndefined();
	});
});
