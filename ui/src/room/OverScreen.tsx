import { useEffect, useRef } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { cx } from "../components/cx.ts";
import { Icon } from "../components/Icon.tsx";
import { useT } from "../i18n/useT.ts";
import { readWishes } from "../lobby/wishes.ts";
import { triedLines } from "./attemptText.ts";
import { overWords } from "./overText.ts";
import { Plate } from "./Plate.tsx";

/** It is over: why, and what one can do now. */
export function OverScreen({ onHome }: { onHome: () => void }) {
	const t = useT();
	const over = useCall(s => s.over);
	const target = useCall(s => s.target);
	const topic = useCall(s => s.meeting?.topic);
	const attempts = useCall(s => s.connection.attempts);
	const { openLobby, reset } = useActions();
	const heading = useRef<HTMLHeadingElement>(null);
	// What had the focus is gone; a screen reader starts here.
	useEffect(() => heading.current?.focus(), []);
	if (!over) return null;
	const { icon, bad, title, text, ways } = overWords(t, over);
	// Only where nothing could be reached is there anything to tell of the way.
	const tried = over.tried.length > 0 ? triedLines(t, attempts) : [];
	const home = () => {
		reset();
		onHome();
	};
	return (
		<Plate>
			<span
				className={cx(
					"mb-5 inline-flex size-16 items-center justify-center rounded-full",
					bad ? "bg-danger-soft text-danger-ink" : "bg-accent-soft text-accent-ink",
				)}
			>
				<Icon name={icon} size={30} />
			</span>
			<h1 className="font-semibold text-xl outline-none" ref={heading} tabIndex={-1}>
				{title}
			</h1>
			<p className="mt-2 text-muted">{text}</p>
			{topic && (
				<p className="mt-4 max-w-full truncate rounded-full bg-sunken px-4 py-1 font-medium text-sm" dir="auto">
					{topic}
				</p>
			)}
			{tried.length > 0 && (
				<details className="mt-5 w-full text-left text-sm">
					<summary className="cursor-pointer text-center font-medium text-accent-ink">{t("room.over.tried")}</summary>
					<ul className="wrap-anywhere mt-2 max-h-60 list-disc overflow-y-auto rounded-lg bg-sunken py-3 pr-3 pl-8 text-muted">
						{tried.map(line => (
							<li key={line}>{line}</li>
						))}
					</ul>
				</details>
			)}
			<div className="mt-8 flex flex-wrap justify-center gap-2">
				{ways.includes("again") && target && (
					<Button icon="refresh" onClick={() => openLobby(target, readWishes())} tone="primary">
						{t(over.code === "left" ? "room.over.rejoin" : "room.over.again")}
					</Button>
				)}
				<Button onClick={home} tone={ways.includes("again") && target ? "secondary" : "primary"}>
					{t("room.over.home")}
				</Button>
			</div>
		</Plate>
	);
}
