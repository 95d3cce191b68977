// Microphones, cameras, loudspeakers and the screen: opening them, and what keeps them from opening.
import type { Device, Problem } from "../call/state.ts";

export type DeviceLists = { audioIn: Device[]; audioOut: Device[]; videoIn: Device[]; canChooseOutput: boolean };

/** What is there. Labels are empty until the person has given permission once. */
export async function listDevices(): Promise<DeviceLists> {
	const all = await (navigator.mediaDevices?.enumerateDevices() ?? Promise.resolve([])).catch(() => []);
	const of = (kind: MediaDeviceKind) =>
		all
			.filter(d => d.kind === kind && d.deviceId !== "")
			.map(d => ({ id: d.deviceId, label: d.label }))
			// Chromium lists the default device a second time under an alias.
			.filter(d => d.id !== "communications");
	return {
		audioIn: of("audioinput"),
		audioOut: of("audiooutput"),
		videoIn: of("videoinput"),
		canChooseOutput: "setSinkId" in HTMLMediaElement.prototype,
	};
}

/** Opens the microphone. */
export function openMicrophone(device?: string): Promise<MediaStream> {
	const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
	return open(device, id => ({ audio: id ? { ...audio, deviceId: id } : audio }));
}

/** Opens the camera, at 720p where it can. */
export function openCamera(device?: string): Promise<MediaStream> {
	const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30, max: 30 } };
	return open(device, id => ({ video: id ? { ...video, deviceId: id } : video }));
}

/** Opens a device, the one chosen if it is still there. */
async function open(
	device: string | undefined,
	constraints: (id?: ConstrainDOMString) => MediaStreamConstraints,
): Promise<MediaStream> {
	if (!navigator.mediaDevices?.getUserMedia) throw new DOMException("", "NotSupportedError");
	if (!device) return navigator.mediaDevices.getUserMedia(constraints());
	try {
		return await navigator.mediaDevices.getUserMedia(constraints({ exact: device }));
	} catch (err) {
		if (problemOf(err) !== "missing") throw err;
		return navigator.mediaDevices.getUserMedia(constraints());
	}
}

/** Asks the person for a screen or window, with its sound where the browser offers it. */
export async function openScreen(): Promise<MediaStream> {
	if (!navigator.mediaDevices?.getDisplayMedia) throw new DOMException("", "NotSupportedError");
	const stream = await navigator.mediaDevices.getDisplayMedia({
		video: { frameRate: { ideal: 15, max: 30 } },
		audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
	});
	// A sharp picture matters more than a smooth one.
	for (const t of stream.getVideoTracks()) t.contentHint = "detail";
	for (const t of stream.getAudioTracks()) t.contentHint = "music";
	return stream;
}

/** Why a device did not open. */
export function problemOf(err: unknown, screen = false): Problem {
	if (typeof isSecureContext !== "undefined" && !isSecureContext) return "insecure";
	const name = err instanceof Error || err instanceof DOMException ? err.name : "";
	switch (name) {
		case "NotAllowedError":
		case "SecurityError":
			return screen ? "cancelled" : "denied";
		case "NotFoundError":
		case "OverconstrainedError":
		case "DevicesNotFoundError":
			return "missing";
		case "NotReadableError":
		case "TrackStartError":
			return "busy";
		case "AbortError":
			return screen ? "cancelled" : "busy";
		case "NotSupportedError":
			return "unsupported";
		default:
			return "failed";
	}
}
