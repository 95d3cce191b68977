// What a page signs when it opens the control channel.
import { encodeBase64url } from "./base64url.ts";

/** The text of a hello: the token (hashed), the router, the server's time and a nonce, each on a line of its own. */
export async function helloText(token: string, router: string, at: number, nonce: string): Promise<string> {
	const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(token)));
	const hex = Array.from(hash, b => b.toString(16).padStart(2, "0")).join("");
	return `parley hello 1\n${hex}\n${router}\n${at}\n${nonce}`;
}

const ecdsa = { name: "ECDSA", hash: "SHA-256" };

/** Signs a hello with a P-256 key: r || s in base64url, as WebCrypto makes it. */
export async function signHello(key: CryptoKey, text: string): Promise<string> {
	const sig = await crypto.subtle.sign(ecdsa, key, new TextEncoder().encode(text));
	return encodeBase64url(new Uint8Array(sig));
}

/** The text form of a public P-256 key: "p256:" and the uncompressed point. */
export async function publicKeyText(key: CryptoKey): Promise<string> {
	return `p256:${encodeBase64url(new Uint8Array(await crypto.subtle.exportKey("raw", key)))}`;
}

/** A nonce that is never used twice: 16 random bytes. */
export function newNonce(): string {
	return encodeBase64url(crypto.getRandomValues(new Uint8Array(16)));
}
