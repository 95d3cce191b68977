import { useCall } from "../call/useCall.ts";
import { VideoView } from "./VideoView.tsx";

/** One's own picture as one knows it from mirrors. */
export function SelfPreview() {
	const stream = useCall(s => (s.mine.video.on ? s.mine.video.stream : undefined));
	if (!stream) return null;
	return (
		<div className="relative -mt-3 aspect-video w-full overflow-hidden rounded-lg bg-tile">
			<VideoView mirrored stream={stream} />
		</div>
	);
}
