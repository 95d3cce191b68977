const graphemes = new Intl.Segmenter(undefined, { granularity: "grapheme" });

function first(text: string): string {
	for (const { segment } of graphemes.segment(text)) return segment;
	return "";
}

/** The letters that stand for a name: of its first and last word, or one for a name in Han script. */
export function initials(name: string): string {
	const words = name
		.replace(/[(（[@].*$/u, "")
		.split(/[\s._-]+/u)
		.filter(w => /[\p{L}\p{N}\p{Extended_Pictographic}]/u.test(w));
	const a = first(words[0] ?? name.trim());
	const b = words.length > 1 ? first(words[words.length - 1] ?? "") : "";
	return /\p{Script=Han}/u.test(a) ? a : (a + b).toLocaleUpperCase();
}

/** A number below n that is always the same for a name. */
export function hueOf(name: string, n: number): number {
	let h = 2166136261;
	for (const c of name.normalize("NFC")) h = Math.imul(h ^ (c.codePointAt(0) ?? 0), 16777619);
	return (h >>> 0) % n;
}
