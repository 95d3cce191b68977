/** A piece of text, and where it leads if it is an address. */
export type Piece = { text: string; href?: string };

const address = /\bhttps?:\/\/[^\s<>"'`]+/giu;

/** What often follows an address in a sentence and is no part of it. */
function trimmed(text: string): string {
	let end = text.length;
	for (;;) {
		const last = text[end - 1];
		if (last === undefined) break;
		const opening = last === ")" ? "(" : last === "]" ? "[" : undefined;
		const closesNothing = opening !== undefined && !balanced(text.slice(0, end), opening, last);
		if (!closesNothing && !/[.,;:!?…»”’*_]/u.test(last)) break;
		end--;
	}
	return text.slice(0, end);
}

function balanced(text: string, open: string, close: string): boolean {
	return text.split(open).length >= text.split(close).length;
}

/** Finds the web addresses in a text. Only http and https lead anywhere; all else stays text. */
export function linkify(text: string): Piece[] {
	const pieces: Piece[] = [];
	let at = 0;
	for (const found of text.matchAll(address)) {
		const link = trimmed(found[0]);
		if (!URL.canParse(link)) continue;
		const { href, protocol, username } = new URL(link);
		// A name before an @ makes an address look like another's.
		if ((protocol !== "http:" && protocol !== "https:") || username !== "") continue;
		if (found.index > at) pieces.push({ text: text.slice(at, found.index) });
		pieces.push({ text: link, href });
		at = found.index + link.length;
	}
	if (at < text.length) pieces.push({ text: text.slice(at) });
	return pieces;
}
