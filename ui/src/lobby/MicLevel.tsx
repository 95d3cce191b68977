import { useCall } from "../call/useCall.ts";
import { LevelMeter } from "../components/LevelMeter.tsx";

/** How loud the microphone is; it alone is drawn anew many times a second. */
export function MicLevel() {
	const level = useCall(s => (s.mine.audio.on && !s.mine.audio.muted ? (s.mine.audio.level ?? 0) : 0));
	return <LevelMeter className="mt-2 h-2!" level={level} />;
}
