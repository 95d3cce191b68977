/** Puts text on the clipboard; false where the browser does not let it. */
export async function copyText(text: string): Promise<boolean> {
	try {
		// On pages without a secure address there is no such thing.
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		return copyByCommand(text);
	}
}

/** The old way: the command asks for what is to be copied. */
function copyByCommand(text: string): boolean {
	let given = false;
	const give = (e: ClipboardEvent) => {
		e.clipboardData?.setData("text/plain", text);
		e.preventDefault();
		given = e.clipboardData !== null;
	};
	document.addEventListener("copy", give, { capture: true, once: true });
	try {
		return document.execCommand("copy") && given;
	} catch {
		return false;
	} finally {
		document.removeEventListener("copy", give, true);
	}
}
