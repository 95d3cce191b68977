// Base64 for URLs without padding (RFC 4648 section 5).

export function encodeBase64url(bytes: Uint8Array): string {
	const text = Array.from(bytes, b => String.fromCharCode(b)).join("");
	return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Throws where the text is not base64url. */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> {
	return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
}
