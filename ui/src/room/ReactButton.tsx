import { Popover } from "@base-ui/react/popover";
import { useState } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { useT } from "../i18n/useT.ts";
import { Reactions } from "../proto/messages.gen.ts";
import { BarButton } from "./BarButton.tsx";

/** Raises and lowers one's hand, and shows a reaction to all. */
export function ReactButton() {
	const t = useT();
	const [open, setOpen] = useState(false);
	const up = useCall(s => s.hand > 0);
	const { react, hand } = useActions();
	const names: Record<(typeof Reactions)[number], string> = {
		"👍": t("room.react.thumb"),
		"👏": t("room.react.clap"),
		"❤️": t("room.react.heart"),
		"😂": t("room.react.laugh"),
		"😮": t("room.react.wow"),
		"🎉": t("room.react.party"),
	};
	return (
		<Popover.Root onOpenChange={setOpen} open={open}>
			<Popover.Trigger
				render={
					<BarButton
						caption={t("room.react.short")}
						icon={up ? "hand" : "smile"}
						label={t(up ? "room.react.handUp" : "room.react")}
						noTooltip
						onClick={() => undefined}
						tone={up ? "on" : "plain"}
					/>
				}
			/>
			<Popover.Portal>
				<Popover.Positioner className="z-50" side="top" sideOffset={8}>
					<Popover.Popup
						aria-label={t("room.react")}
						className="pop max-w-[calc(100vw-1rem)] rounded-xl border border-line bg-raised p-2 shadow-pop outline-none"
					>
						<div className="flex gap-0.5">
							{Reactions.map(emoji => (
								<button
									aria-label={names[emoji]}
									className="emoji size-11 rounded-lg text-2xl leading-none hover:bg-hover disabled:opacity-45"
									disabled={!react}
									key={emoji}
									onClick={() => {
										react?.(emoji);
										setOpen(false);
									}}
									type="button"
								>
									{emoji}
								</button>
							))}
						</div>
						<Button
							className="mt-2"
							icon="hand"
							onClick={
								hand &&
								(() => {
									hand(!up);
									setOpen(false);
								})
							}
							tone={up ? "primary" : "secondary"}
							wide
						>
							{t(up ? "room.hand.lower" : "room.hand.raise")}
						</Button>
					</Popover.Popup>
				</Popover.Positioner>
			</Popover.Portal>
		</Popover.Root>
	);
}
