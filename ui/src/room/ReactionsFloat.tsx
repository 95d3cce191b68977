import { useCall } from "../call/useCall.ts";
import { useT } from "../i18n/useT.ts";

/** Where one after another rises: neighbours in time are not neighbours in place. */
const lanes = [0, 3, 1, 4, 2, 5];

/** Reactions rise over the stage, each in a lane of its own, with the name of whom it comes from. */
export function ReactionsFloat() {
	const t = useT();
	const reactions = useCall(s => s.reactions);
	const people = useCall(s => s.people);
	return (
		<ul
			aria-label={t("room.reactions")}
			aria-live="polite"
			className="pointer-events-none absolute inset-x-0 bottom-0 h-2/3 overflow-hidden"
		>
			{reactions.slice(-20).map(r => (
				<li
					className="float-up absolute w-[15%] bottom-2 flex flex-col items-center"
					key={r.id}
					style={{ left: `${2 + (lanes[r.id % lanes.length] ?? 0) * 16}%` }}
				>
					<span className="emoji text-4xl leading-tight drop-shadow-md">{r.emoji}</span>
					<span className="max-w-full truncate rounded-full bg-black/65 px-2 text-white text-xs" dir="auto">
						{people.get(r.from)?.name}
					</span>
				</li>
			))}
		</ul>
	);
}
