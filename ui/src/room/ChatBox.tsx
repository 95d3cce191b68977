import { type KeyboardEvent, useState } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { cx } from "../components/cx.ts";
import { fieldStyle } from "../components/fieldStyle.ts";
import { IconButton } from "../components/IconButton.tsx";
import { Select } from "../components/Select.tsx";
import { useT } from "../i18n/useT.ts";

/** Characters in one message; the router refuses more. */
export const longest = 4000;
/** From here on the room left is shown. */
const nearly = 200;

/** Says something to everyone or to one person. Enter sends, Shift and Enter makes a new line. */
export function ChatBox() {
	const t = useT();
	const people = useCall(s => s.people);
	const order = useCall(s => s.order);
	const { say } = useActions();
	const [text, setText] = useState("");
	const [to, setTo] = useState("all");
	const others = order.flatMap(id => {
		const p = people.get(id);
		return p && !p.isSelf ? [{ value: String(id), label: p.name }] : [];
	});
	// Who left can't be written to; what was meant for them must not go to everyone.
	const gone = to !== "all" && !others.some(o => o.value === to);
	const left = longest - [...text].length;
	const ready = say !== undefined && text.trim() !== "" && left >= 0 && !gone;
	const send = () => {
		if (!ready) return;
		say(text, to === "all" ? undefined : Number(to));
		setText("");
	};
	const onKeyDown = (e: KeyboardEvent) => {
		// While a word is being composed (Chinese, Japanese), Enter chooses it.
		if (e.key !== "Enter" || e.shiftKey || e.nativeEvent.isComposing) return;
		e.preventDefault();
		send();
	};
	return (
		<form
			className="grid gap-2 border-line border-t p-3 pb-[max(0.75rem,env(safe-area-inset-bottom))]"
			onSubmit={e => {
				e.preventDefault();
				send();
			}}
		>
			<Select
				hideLabel
				icon={to === "all" ? "people" : "lock"}
				label={t("room.chat.to")}
				onChange={setTo}
				options={[
					{ value: "all", label: t("room.chat.everyone") },
					...others,
					...(gone ? [{ value: to, label: t("room.chat.gone") }] : []),
				]}
				value={to}
			/>
			<div className="flex items-end gap-2">
				<textarea
					aria-describedby="chat-room-left"
					aria-invalid={left < 0 || undefined}
					aria-label={t("room.chat.text")}
					className={cx(fieldStyle, "field-sizing-content h-auto! max-h-40 min-h-11 resize-none py-2.5 leading-snug")}
					data-autofocus
					dir="auto"
					onChange={e => setText(e.target.value)}
					onKeyDown={onKeyDown}
					placeholder={t("room.chat.text")}
					rows={1}
					value={text}
				/>
				<IconButton
					className="size-11!"
					disabled={!ready}
					icon="send"
					label={t("room.chat.send")}
					tone="primary"
					type="submit"
				/>
			</div>
			<p
				className={cx("text-xs", left < 0 ? "text-danger-ink" : "text-muted", left >= nearly && "sr-only")}
				id="chat-room-left"
			>
				{t(left < 0 ? "room.chat.tooLong" : "room.chat.left", { n: Math.abs(left) })}
			</p>
		</form>
	);
}
