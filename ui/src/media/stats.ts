// What the browser measured, summed up per medium and direction since joining.
import { isAudio } from "../proto/ids.ts";
import { Kind, type MediaStats, type Rung } from "../proto/messages.gen.ts";
import type { Peer } from "./peer.ts";

export type Rate = { kind: Kind; up: boolean; bps: number; loss: number; packets: number };
export type Measured = { media: MediaStats[]; rates: Rate[] };

/** One stream of a report, as far as it is used. */
type Row = {
	key: string;
	kind: Kind;
	up: boolean;
	packets: number;
	bytes: number;
	lost: number;
	jitter: number | undefined;
	rtt: number | undefined;
	width: number;
	height: number;
	fps: number;
};

const ownKinds: Record<string, Kind> = {
	ua: Kind.Audio,
	uv: Kind.Video,
	uc: Kind.Content,
	uca: Kind.ContentAudio,
};

/** Keeps the counts through changes of the peer connection. Not pure: it remembers the last report. */
export class Measure {
	private readonly last = new Map<string, { packets: number; bytes: number; lost: number }>();
	private readonly totals = new Map<string, MediaStats>();
	private readonly names = new WeakMap<Peer, number>();
	private peers = 0;
	private at = 0;

	async take(peers: readonly Peer[], path: (kind: Kind) => Rung | undefined): Promise<Measured> {
		const rows: Row[] = [];
		for (const peer of peers) {
			const name = this.names.get(peer) ?? ++this.peers;
			this.names.set(peer, name);
			const report = await peer.pc.getStats().catch(() => undefined);
			if (report) rows.push(...rowsOf(report, peer, name));
		}
		const now = performance.now();
		const seconds = this.at === 0 ? 0 : (now - this.at) / 1000;
		this.at = now;
		return this.sum(rows, seconds, path);
	}

	private sum(rows: Row[], seconds: number, path: (kind: Kind) => Rung | undefined): Measured {
		const fresh = new Map<string, { bytes: number; packets: number; lost: number; rows: Row[] }>();
		for (const r of rows) {
			const before = this.last.get(r.key);
			this.last.set(r.key, { packets: r.packets, bytes: r.bytes, lost: r.lost });
			const name = `${r.kind}${r.up}`;
			const f = fresh.get(name) ?? { bytes: 0, packets: 0, lost: 0, rows: [] };
			f.bytes += Math.max(0, r.bytes - (before?.bytes ?? 0));
			f.packets += Math.max(0, r.packets - (before?.packets ?? 0));
			f.lost += Math.max(0, r.lost - (before?.lost ?? 0));
			f.rows.push(r);
			fresh.set(name, f);
		}
		const rates: Rate[] = [];
		for (const [name, f] of fresh) {
			const first = f.rows[0];
			if (!first) continue;
			const { kind, up } = first;
			const old = this.totals.get(name);
			const best = f.rows.reduce((a, b) => (b.height > a.height ? b : a));
			const m: MediaStats = {
				kind,
				up,
				path: path(kind),
				packets: (old?.packets ?? 0) + f.packets,
				bytes: (old?.bytes ?? 0) + f.bytes,
				lost: (old?.lost ?? 0) + f.lost,
				jitter_ms: round(mean(f.rows.map(r => r.jitter)) ?? old?.jitter_ms ?? 0),
				rtt_ms: round(mean(f.rows.map(r => r.rtt)) ?? old?.rtt_ms ?? 0),
			};
			if (!isAudio(kind)) {
				m.width = best.width;
				m.height = best.height;
				m.fps = round(best.fps);
			}
			this.totals.set(name, m);
			const all = f.packets + (up ? 0 : f.lost);
			rates.push({
				kind,
				up,
				bps: seconds > 0 ? Math.round((f.bytes * 8) / seconds) : 0,
				loss: all > 0 ? Math.min(1, f.lost / all) : 0,
				packets: all,
			});
		}
		const order = (a: { kind: Kind; up: boolean }, b: { kind: Kind; up: boolean }) =>
			a.kind - b.kind || Number(b.up) - Number(a.up);
		return { media: [...this.totals.values()].sort(order), rates: rates.sort(order) };
	}
}

// biome-ignore lint/suspicious/noExplicitAny: the reports differ by browser, and the types know a few rows only
type Stat = any;

function rowsOf(report: RTCStatsReport, peer: Peer, name: number): Row[] {
	const rows: Row[] = [];
	const remote = new Map<string, Stat>();
	const byPair = new Map<string, number>();
	for (const s of report.values() as Iterable<Stat>) {
		if (s.type === "remote-inbound-rtp") remote.set(s.localId, s);
		if (s.type === "transport" && s.selectedCandidatePairId) {
			const rtt = report.get(s.selectedCandidatePairId)?.currentRoundTripTime;
			if (typeof rtt === "number") byPair.set(s.id, rtt * 1000);
		}
	}
	for (const s of report.values() as Iterable<Stat>) {
		if (s.type === "outbound-rtp") {
			const kind = ownKinds[s.mid ?? ""];
			if (kind === undefined || !(s.packetsSent > 0)) continue;
			const r = remote.get(s.id);
			rows.push({
				key: `${name}:${s.id}`,
				kind,
				up: true,
				packets: s.packetsSent,
				bytes: s.bytesSent ?? 0,
				lost: Math.max(0, r?.packetsLost ?? 0),
				jitter: typeof r?.jitter === "number" ? r.jitter * 1000 : undefined,
				rtt: typeof r?.roundTripTime === "number" ? r.roundTripTime * 1000 : byPair.get(s.transportId),
				width: s.active === false ? 0 : (s.frameWidth ?? 0),
				height: s.active === false ? 0 : (s.frameHeight ?? 0),
				fps: s.framesPerSecond ?? 0,
			});
		} else if (s.type === "inbound-rtp") {
			const slot = peer.table.slots.find(x => x.ssrc === s.ssrc);
			if (!slot || !(s.packetsReceived > 0)) continue;
			rows.push({
				key: `${name}:${s.id}`,
				kind: slot.kind,
				up: false,
				packets: s.packetsReceived,
				bytes: s.bytesReceived ?? 0,
				lost: Math.max(0, s.packetsLost ?? 0),
				jitter: typeof s.jitter === "number" ? s.jitter * 1000 : undefined,
				rtt: byPair.get(s.transportId),
				width: s.frameWidth ?? 0,
				height: s.frameHeight ?? 0,
				fps: s.framesPerSecond ?? 0,
			});
		}
	}
	return rows;
}

function mean(values: readonly (number | undefined)[]): number | undefined {
	const known = values.filter(v => v !== undefined);
	return known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0) / known.length;
}

function round(x: number): number {
	return Math.round(x * 10) / 10;
}
