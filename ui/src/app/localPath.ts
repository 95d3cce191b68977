/** A path of this site, whatever was given: where to go after signing in must not lead elsewhere. */
export function localPath(to: string): string {
	const base = "https://site.invalid";
	try {
		const url = new URL(to, base);
		// "//" would name another host, once it is put back into an address.
		return url.origin === base && !url.pathname.startsWith("//") ? url.pathname + url.search + url.hash : "/";
	} catch {
		return "/";
	}
}
