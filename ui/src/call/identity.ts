// Who this tab is: a signature key that cannot leave the browser, and the certificate of its media. They
// lie in IndexedDB under an id in sessionStorage: a reload is the same seat, a second tab is a second person.
import { publicKeyText } from "../proto/hello.ts";
import { thisTab } from "./tab.ts";

export type Identity = {
	key: CryptoKey;
	/** "p256:…" */
	publicKey: string;
	certificate: RTCCertificate;
	/** "sha-256 AB:CD:…" of the certificate */
	fingerprint: string;
};

type Stored = { key: CryptoKey; publicKey: string; certificate: RTCCertificate; at: number };

const day = 86_400_000;
/** Identities of tabs long closed are swept. */
const keepFor = 7 * day;

let own: Promise<Identity> | undefined;

/** This tab's identity, the one from before a reload if there is one. */
export function identity(): Promise<Identity> {
	own ??= load();
	return own;
}

async function load(): Promise<Identity> {
	const { id } = await thisTab();
	const db = await openDB().catch(() => undefined);
	const stored = db && (await get(db, id).catch(() => undefined));
	if (stored && stored.certificate.expires > Date.now() + day) return complete(stored);
	const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
	const certificate = await RTCPeerConnection.generateCertificate({
		name: "ECDSA",
		namedCurve: "P-256",
	} as AlgorithmIdentifier);
	const fresh = { key: pair.privateKey, publicKey: await publicKeyText(pair.publicKey), certificate, at: Date.now() };
	if (db) await put(db, id, fresh).catch(() => undefined); // without it a reload is a new person
	return complete(fresh);
}

async function complete(s: Stored): Promise<Identity> {
	return { ...s, fingerprint: await fingerprintOf(s.certificate) };
}

async function fingerprintOf(certificate: RTCCertificate): Promise<string> {
	const of256 = certificate.getFingerprints?.().find(f => f.algorithm?.toLowerCase() === "sha-256")?.value;
	if (of256) return `sha-256 ${of256.toUpperCase()}`;
	// A browser that does not tell writes it into its descriptions.
	const pc = new RTCPeerConnection({ certificates: [certificate] });
	pc.createDataChannel("");
	const sdp = (await pc.createOffer()).sdp ?? "";
	pc.close();
	return `sha-256 ${/a=fingerprint:sha-256 (\S+)/i.exec(sdp)?.[1]?.toUpperCase() ?? ""}`;
}

const store = "identities";

function openDB(): Promise<IDBDatabase> {
	return new Promise((resolve, reject) => {
		const r = indexedDB.open("parley", 1);
		r.onupgradeneeded = () => r.result.createObjectStore(store);
		r.onsuccess = () => resolve(r.result);
		r.onerror = () => reject(r.error);
		r.onblocked = () => reject(new Error("the database is busy"));
	});
}

function get(db: IDBDatabase, id: string): Promise<Stored | undefined> {
	return new Promise((resolve, reject) => {
		const r = db.transaction(store).objectStore(store).get(id);
		r.onsuccess = () => resolve(r.result as Stored | undefined);
		r.onerror = () => reject(r.error);
	});
}

function put(db: IDBDatabase, id: string, s: Stored): Promise<void> {
	return new Promise((resolve, reject) => {
		const t = db.transaction(store, "readwrite");
		const all = t.objectStore(store);
		const cursor = all.openCursor();
		cursor.onsuccess = () => {
			const c = cursor.result;
			if (!c) return;
			if (Date.now() - ((c.value as Stored).at ?? 0) > keepFor) c.delete();
			c.continue();
		};
		all.put(s, id);
		t.oncomplete = () => resolve();
		t.onerror = () => reject(t.error);
		t.onabort = () => reject(t.error);
	});
}
