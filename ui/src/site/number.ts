// Meeting numbers and invitations as people write and paste them.

export type Named = { number: string; pwd?: string };

/** The digits of a text, of whatever script; what people put between them is left out. */
function digitsOf(text: string): string | undefined {
	let digits = "";
	for (const c of text.normalize("NFKC")) {
		if (/\d/.test(c)) digits += c;
		else if (!/[\s\-–—.·()#]/u.test(c)) return undefined;
	}
	return digits;
}

/** Reads what was typed or pasted into the field for a meeting: a number as people write it, or a whole link. */
export function readNumber(text: string): Named | undefined {
	const link = /\/j\/([\d\s-]{9,17})(?:\?([^\s#]*))?/.exec(text);
	if (link) {
		const number = (link[1] ?? "").replace(/\D/g, "");
		const pwd = new URLSearchParams(link[2] ?? "").get("pwd");
		return isNumber(number) ? { number, ...(pwd ? { pwd } : {}) } : undefined;
	}
	const digits = digitsOf(text);
	return digits !== undefined && isNumber(digits) ? { number: digits } : undefined;
}

export function isNumber(digits: string): boolean {
	return /^\d{9,11}$/.test(digits);
}

/** Groups digits for the eye: 123 4567 8901, 123 456 7890, 123 456 789. */
export function showNumber(number: string | number): string {
	const n = String(number);
	const middle = n.length > 10 ? 4 : 3;
	return [n.slice(0, 3), n.slice(3, 3 + middle), n.slice(3 + middle)].filter(Boolean).join("\u00a0");
}
