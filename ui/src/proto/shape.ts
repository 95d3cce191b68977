// Reads what came over a network: every value is checked against the shape generated from the Go structs,
// and what is absent gets its zero value, as in Go. Fields that a newer peer added are left behind.
import { type Structs, shapes } from "./messages.gen.ts";

/** What came does not have the shape it must have. */
export class BadShape extends Error {
	override name = "BadShape";
}

/** Reads one struct of a message or an HTTP body; throws BadShape. */
export function readStruct<N extends keyof Structs>(name: N, value: unknown): Structs[N] {
	// What readFields builds has the fields of the generated type, one by one.
	return readFields(name, value, name) as unknown as Structs[N];
}

function readFields(name: keyof Structs, value: unknown, where: string): Record<string, unknown> {
	if (!isObject(value)) {
		throw new BadShape(`${where} is not an object`);
	}
	const out: Record<string, unknown> = {};
	for (const [key, type] of Object.entries<string>(shapes[name])) {
		const optional = type.startsWith("?");
		const field = read(optional ? type.slice(1) : type, value[key], `${where}.${key}`);
		if (!optional || !isZero(field)) {
			out[key] = field;
		}
	}
	return out;
}

function read(type: string, value: unknown, where: string): unknown {
	if (type.startsWith("[]")) {
		return readList(type.slice(2), value ?? [], where);
	}
	if (isStruct(type)) {
		return readFields(type, value ?? {}, where);
	}
	switch (type) {
		case "string":
			return must(typeof (value ?? "") === "string", value ?? "", where, type);
		case "bool":
			return must(typeof (value ?? false) === "boolean", value ?? false, where, type);
		default:
			return readNumber(type, value ?? 0, where);
	}
}

function readList(type: string, value: unknown, where: string): unknown[] {
	if (!Array.isArray(value)) {
		throw new BadShape(`${where} is not a list`);
	}
	return value.map((item, i) => read(type, item, `${where}[${i}]`));
}

// Beyond 2^53 a number of the page is no longer exact; no counter of a meeting gets there.
const ranges: Record<string, readonly [number, number]> = {
	int: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
	int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
	uint64: [0, Number.MAX_SAFE_INTEGER],
	uint32: [0, 0xffff_ffff],
	uint8: [0, 0xff],
};

function readNumber(type: string, value: unknown, where: string): unknown {
	const range = ranges[type];
	if (range === undefined) {
		return must(type === "float64" && Number.isFinite(value), value, where, type);
	}
	return must(
		typeof value === "number" && Number.isInteger(value) && value >= range[0] && value <= range[1],
		value,
		where,
		type,
	);
}

function must(ok: boolean, value: unknown, where: string, type: string): unknown {
	if (!ok) {
		throw new BadShape(`${where} is not of type ${type}`);
	}
	return value;
}

function isZero(value: unknown): boolean {
	return value === "" || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
}

function isStruct(type: string): type is keyof Structs {
	return Object.hasOwn(shapes, type);
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}
