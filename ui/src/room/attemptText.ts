// The record of the connection process in the person's language. The process writes it in English, word for word
// as the native client's --explain; here each of its sentences is read back into a code with values.
import type { AttemptView } from "../call/state.ts";
import type { MessageID } from "../i18n/locales.ts";
import type { T } from "../i18n/useT.ts";
import { Rung } from "../proto/messages.gen.ts";

/** A sentence of the record: named groups are the values. The first that fits counts. */
type Rule = readonly [says: RegExp, id: MessageID];

const whats: readonly Rule[] = [
	[/^the site$/, "room.tried.site"],
	[/^server (?<server>.+)$/, "room.tried.server"],
	[/^zone (?<zone>.+), UDP (?<address>.+)$/, "room.tried.probe"],
	[/^zone (?<zone>.+), (?<url>\S+)$/, "room.tried.zone"],
	[/^(?<group>audio|video|content) over (?<rung>\S+) through the tunnel (?<url>.+)$/, "room.tried.mediaTunnel"],
	[/^(?<group>audio|video|content) over (?<rung>\S+)$/, "room.tried.media"],
];

const whys: readonly Rule[] = [
	[/^no answer(?: to the handshake)?$/, "room.why.noAnswer"],
	[/^no answer in time$/, "room.why.late"],
	[/^no answer within (?<ms>\d+) ms$/, "room.why.silent"],
	[/^no answer within (?<s>\d+)s$/, "room.why.silentSeconds"],
	[/^no answer within (?<ms>\d+) ms, which says little$/, "room.why.probeUnknown"],
	[/^not waited for after (?<ms>\d+) ms: UDP had answered$/, "room.why.notWaited"],
	[/^no answer over UDP$/, "room.why.probeSilent"],
	[/^no answer without a tunnel$/, "room.why.needsTunnel"],
	[/^(no answer from the server|the server fell silent)$/, "room.why.serverSilent"],
	[/^no connection$/, "room.why.noConnection"],
	[/^the connection broke$/, "room.why.broke"],
	[/^the (?:answer|grant) can't be read$/, "room.why.unreadable"],
	[/^status (?<status>\d+)$/, "room.why.status"],
	[/^through the tunnel (?<url>.+)$/, "room.why.throughTunnel"],
	[/^through the proxy (?<proxy>.+)$/, "room.why.throughProxy"],
	[/^given up for another attempt$/, "room.why.givenUp"],
	[/^in the waiting room$/, "room.why.waiting"],
	[/^waiting for a host$/, "room.why.waiting"],
	[/^joined$/, "room.why.joined"],
	[/^the meeting lives on server (?<server>.+)$/, "room.why.livesOn"],
	[/^the meeting lives on this server$/, "room.why.livesHere"],
	[/^the meeting is on another server$/, "room.why.livesElsewhere"],
	[/^the meeting already runs there; no need to ask a controller$/, "room.why.runsThere"],
	[/^the site's grant for this zone is still good; no need to ask a controller$/, "room.why.grantGood"],
	[/^no controller answers; trying the last server itself$/, "room.why.lastServer"],
	[/^no controller answers yet; trying the server the site offered$/, "room.why.offeredServer"],
	[/^another controller answered first$/, "room.why.otherController"],
	[/^server (?<server>.+)$/, "room.tried.server"],
	[/^token_expired$/, "room.why.expired"],
	[/^the network changed$/, "room.why.network"],
	[/^(?:the server is full|full)$/, "room.why.full"],
	[/^looking the meeting up again$/, "room.why.again"],
	[/^a better path is up$/, "room.why.betterPath"],
	[/^the better path works again$/, "room.why.worksAgain"],
	[/^(?<loss>\d+) % of its packets are lost$/, "room.why.lossy"],
	[/^the browser has moved to (?<rung>\S+)$/, "room.why.browserMoved"],
	[/^the server has another slot table$/, "room.why.otherTable"],
	[/^media has left it$/, "room.why.left"],
	[/^a fresh grant came$/, "room.why.freshGrant"],
	[/^(?:media leaves the tunnel|a controller answers without it)$/, "room.why.leavesTunnel"],
	[/^media moves to fresh transports$/, "room.why.freshTransports"],
	[/^the server started anew$/, "room.why.restarted"],
	[/^(?:nothing arrives any more|silent for [\d.]+ s)$/, "room.why.nothing"],
	[/^over$/, "room.why.over"],
	[/^first tunnel to answer$/, "room.why.firstTunnel"],
	[/^another path was faster$/, "room.why.faster"],
	[/^(?<ms>[\d.]+) ms$/, "room.why.rtt"],
	[/^(?<ms>[\d.]+) ms, not enough better than the zone used last$/, "room.why.lastZone"],
	[/^(?<ms>[\d.]+) ms, rated (?<mine>[\d.]+) against (?<best>[\d.]+)$/, "room.why.rated"],
	[/^UDP is open, (?<ms>[\d.]+) ms$/, "room.why.udpOpen"],
	[/^UDP is open, but a datagram of 1200 bytes did not come back$/, "room.why.udpSmall"],
	[/^could not be sent$/, "room.why.unsent"],
	[/^not here$/, "room.why.notHere"],
	[/^the encrypted connection ended$/, "room.why.ended"],
	[/^a message of the server was missed$/, "room.why.missed"],
	[/^the browser refused the connection$/, "room.why.refused"],
];

/** The code and values of a sentence; undefined for one of a server's or the browser's own. */
function read(rules: readonly Rule[], text: string): { id: MessageID; values: Record<string, string> } | undefined {
	for (const [says, id] of rules) {
		const found = says.exec(text);
		if (found) return { id, values: { ...found.groups } };
	}
	return undefined;
}

function say(t: T, rules: readonly Rule[], text: string): string {
	const found = read(rules, text);
	if (!found) return text;
	const { group, rung, ...rest } = found.values;
	const values: Record<string, string | number> = {};
	// What was measured is written as the language writes numbers.
	for (const [name, v] of Object.entries(rest)) values[name] = /^[\d.]+$/.test(v) && name !== "server" ? Number(v) : v;
	if (group === "audio" || group === "video" || group === "content") values["group"] = t(`room.path.${group}`);
	if (rung) values["rung"] = isRung(rung) ? t(`room.rung.${rung}`) : rung;
	return t(found.id, values);
}

function isRung(text: string): text is Rung {
	return Object.values<string>(Rung).includes(text);
}

/** What was tried. */
export const whatText = (t: T, what: string) => say(t, whats, what);

/** How it ended, and why. */
export const whyText = (t: T, why: string) => say(t, whys, why);

export const knowsWhat = (what: string) => read(whats, what) !== undefined;
export const knowsWhy = (why: string) => read(whys, why) !== undefined;

/** What did not work, each thing once, for who could not be connected. */
export function triedLines(t: T, attempts: readonly AttemptView[]): string[] {
	const lines = attempts
		.filter(a => a.outcome !== "won" && a.why !== "over")
		.map(a => t("room.tried.line", { what: whatText(t, a.what), why: whyText(t, a.why ?? "no answer") }));
	return [...new Set(lines)];
}
