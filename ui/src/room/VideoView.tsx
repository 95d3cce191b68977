import { useEffect, useRef } from "react";
import { cx } from "../components/cx.ts";

export type VideoViewProps = { stream: MediaStream; mirrored?: boolean; contain?: boolean };

/** A picture without its sound: src/media plays that, so that it outlives every tile. */
export function VideoView({ stream, mirrored, contain }: VideoViewProps) {
	const ref = useRef<HTMLVideoElement>(null);
	useEffect(() => {
		const video = ref.current;
		if (!video) return;
		video.srcObject = stream;
		// Playing is refused while the page is hidden or not yet touched; the next change tries again.
		video.play().catch(() => undefined);
		return () => {
			video.srcObject = null;
		};
	}, [stream]);
	return (
		<video
			aria-hidden="true"
			autoPlay
			className={cx(
				"absolute inset-0 size-full",
				contain ? "object-contain" : "object-cover",
				mirrored && "-scale-x-100",
			)}
			disablePictureInPicture
			muted
			playsInline
			ref={ref}
			tabIndex={-1}
		/>
	);
}
