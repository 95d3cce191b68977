// Checks the messages: `npm run i18n`. Each language must have the keys of en.json and the same
// arguments in each, all must be ICU MessageFormat, keys must be sorted, each must be used in the source,
// and each literal in the source that looks like a key must be one. With --write the files are sorted.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parse, TYPE } from "@formatjs/icu-messageformat-parser";

const here = dirname(fileURLToPath(import.meta.url));
const faults = [];
const fault = text => faults.push(text);

const tags = [...readFileSync(join(here, "locales.ts"), "utf8").matchAll(/\{ tag: "([^"]+)"/g)].map(m => m[1]);
const files = Object.fromEntries(tags.map(tag => [tag, JSON.parse(readFileSync(join(here, `${tag}.json`), "utf8"))]));
const en = files.en;
const keys = Object.keys(en);

/** The arguments of a message with their type, and the plural forms it has. */
function shapeOf(nodes, into = { args: new Set(), plurals: [] }) {
	for (const n of nodes) {
		if (n.type === TYPE.argument) into.args.add(`{${n.value}}`);
		else if (n.type === TYPE.number || n.type === TYPE.date || n.type === TYPE.time) into.args.add(`{${n.value}}`);
		else if (n.type === TYPE.tag) {
			into.args.add(`<${n.value}>`);
			shapeOf(n.children, into);
		} else if (n.type === TYPE.select || n.type === TYPE.plural) {
			into.args.add(`{${n.value}}`);
			if (n.type === TYPE.plural) into.plurals.push({ ...n, forms: Object.keys(n.options) });
			else if (!n.options.other) into.args.add("select without other");
			for (const o of Object.values(n.options)) shapeOf(o.value, into);
		}
	}
	return into;
}

function read(tag, key, text) {
	try {
		return shapeOf(parse(text, { locale: new Intl.Locale(tag) }));
	} catch (e) {
		fault(`${tag}.json: ${key}: not a message: ${e.message}`);
		return undefined;
	}
}

for (const tag of tags) {
	const file = files[tag];
	const have = Object.keys(file);
	const sorted = [...have].sort();
	if (process.argv.includes("--write")) {
		writeFileSync(
			join(here, `${tag}.json`),
			`${JSON.stringify(Object.fromEntries(sorted.map(k => [k, file[k]])), null, "\t")}\n`,
		);
	} else if (sorted.some((k, i) => k !== have[i])) {
		fault(`${tag}.json: keys are not sorted; node src/i18n/check.mjs --write sorts them`);
	}
	for (const key of keys) if (!(key in file)) fault(`${tag}.json: ${key} is missing`);
	for (const [key, text] of Object.entries(file)) {
		if (!(key in en)) fault(`${tag}.json: ${key} is not in en.json`);
		if (typeof text !== "string" || text.trim() === "") {
			fault(`${tag}.json: ${key} has no text`);
			continue;
		}
		const got = read(tag, key, text);
		const want = tag === "en" || !(key in en) ? got : read("en", key, en[key]);
		if (!got || !want) continue;
		const [g, w] = [[...got.args].sort().join(" "), [...want.args].sort().join(" ")];
		if (g !== w) fault(`${tag}.json: ${key} has arguments ${g || "none"}, en.json has ${w || "none"}`);
		for (const p of got.plurals) {
			const rules = new Intl.PluralRules(tag, { type: p.pluralType }).resolvedOptions().pluralCategories;
			// "many" of French and its kin begins at a million: nothing here counts so far.
			const needed = rules.filter(r => r !== "many" || new Intl.PluralRules(tag).select(5) === "many");
			for (const form of needed)
				if (!p.forms.includes(form)) fault(`${tag}.json: ${key} lacks the plural form "${form}"`);
		}
	}
}

const spaces = new Set(keys.map(k => k.slice(0, k.indexOf("."))));
const used = new Set();
const source = join(here, "..");
for (const entry of readdirSync(source, { recursive: true })) {
	if (!/\.tsx?$/.test(entry) || /\.(test|gen)\.tsx?$/.test(entry)) continue;
	const text = readFileSync(join(source, entry), "utf8");
	// Whole keys, and the beginnings of those that are put together: `error.${code}`.
	for (const [, literal] of text.matchAll(/["'`]([a-z]+(?:\.[A-Za-z0-9_-]+)+)["'`]/g)) {
		if (!spaces.has(literal.slice(0, literal.indexOf(".")))) continue;
		used.add(literal);
		if (!(literal in en)) fault(`src/${entry}: no message ${literal} in en.json`);
	}
	for (const [, head] of text.matchAll(/`([a-z]+\.(?:[A-Za-z0-9_.-]*))\$\{/g))
		for (const k of keys) if (k.startsWith(head)) used.add(k);
}
for (const key of keys) if (!used.has(key)) fault(`en.json: ${key} is not used`);

for (const f of faults) console.error(f);
if (faults.length > 0) process.exit(1);
console.log(`i18n: ${keys.length} messages in ${tags.length} languages`);
