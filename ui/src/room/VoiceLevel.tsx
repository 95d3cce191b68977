import { useCall } from "../call/useCall.ts";
import { LevelMeter } from "../components/LevelMeter.tsx";

/** How loud one is, while one can be heard. */
export function VoiceLevel() {
	const on = useCall(s => s.mine.audio.on && !s.mine.audio.muted);
	const level = useCall(s => s.mine.audio.level ?? 0);
	return on ? <LevelMeter className="-mt-3" level={level} /> : null;
}
