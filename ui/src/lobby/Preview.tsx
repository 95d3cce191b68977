import { useActions, useCall } from "../call/useCall.ts";
import { Avatar } from "../components/Avatar.tsx";
import { Spinner } from "../components/Spinner.tsx";
import { useT } from "../i18n/useT.ts";
import { VideoView } from "../room/VideoView.tsx";
import { RoundSwitch } from "./RoundSwitch.tsx";

/** How one will be seen, with the switches for camera and microphone. */
export function Preview({ name }: { name: string }) {
	const t = useT();
	const audio = useCall(s => s.mine.audio);
	const video = useCall(s => s.mine.video);
	const { toggleAudio, toggleVideo } = useActions();
	const heard = audio.on && !audio.muted;
	const opening = video.wanted && !video.on && !video.problem;
	return (
		<div className="night relative isolate aspect-[4/3] w-full sm:aspect-video overflow-hidden rounded-2xl bg-tile shadow-card">
			{video.on && video.stream ? (
				<VideoView mirrored stream={video.stream} />
			) : (
				<div className="flex h-full flex-col items-center justify-center gap-3 pb-14">
					<Avatar className="size-20! text-2xl! sm:size-24! sm:text-3xl!" name={name} />
					<p className="flex items-center gap-2 text-muted text-sm" role="status">
						{opening && <Spinner size={16} />}
						{t(opening ? "lobby.cameraStarting" : video.problem ? "lobby.cameraNone" : "lobby.cameraOff")}
					</p>
				</div>
			)}
			<div className="absolute inset-x-0 bottom-0 flex items-center justify-center gap-3 bg-linear-to-t from-black/60 to-transparent p-4 pt-10">
				<RoundSwitch
					icon={heard ? "mic" : "mic-off"}
					label={t(heard ? "lobby.mute" : "lobby.unmute")}
					off={!heard}
					onClick={toggleAudio}
					shortcut="M"
				/>
				<RoundSwitch
					icon={video.wanted && !video.problem ? "camera" : "camera-off"}
					label={t(video.wanted && !video.problem ? "lobby.stopVideo" : "lobby.startVideo")}
					off={!video.wanted || video.problem !== undefined}
					onClick={toggleVideo}
					shortcut="V"
				/>
			</div>
		</div>
	);
}
