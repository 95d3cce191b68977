import { type FormEvent, useId, useState } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { focusField } from "../components/focusField.ts";
import { TextField } from "../components/TextField.tsx";
import { useT } from "../i18n/useT.ts";
import { keepSecret } from "../site/invitation.ts";
import { showNumber } from "../site/number.ts";
import { keepWishes } from "./wishes.ts";

export type JoinCardProps = { number: string; name: string; onName: (name: string) => void; signedIn: boolean };

/** Under which name, with which passcode, and the button. */
export function JoinCard({ number, name, onName, signedIn }: JoinCardProps) {
	const t = useT();
	const title = useId();
	const mine = useCall(s => s.mine);
	const target = useCall(s => s.target);
	const meeting = useCall(s => s.meeting);
	const { join } = useActions();
	const [passcode, setPasscode] = useState("");
	const [tried, setTried] = useState(false);
	const asksPasscode = !target?.pwd && !target?.passcode;
	const missing = { name: name.trim() === "", passcode: asksPasscode && passcode.trim() === "" && !signedIn };
	const silent = !mine.audio.on || mine.audio.muted;
	const unseen = !mine.video.on;

	const submit = (e: FormEvent<HTMLFormElement>) => {
		e.preventDefault();
		setTried(true);
		if (missing.name) return focusField(e.currentTarget, "name");
		if (missing.passcode) return focusField(e.currentTarget, "passcode");
		if (!join) return;
		keepWishes({ audio: mine.audio.wanted, video: mine.video.wanted, muted: mine.audio.muted });
		const typed = passcode.trim();
		if (asksPasscode && typed) keepSecret(number, { passcode: typed });
		join(name.trim(), asksPasscode && typed ? typed : undefined);
	};

	return (
		<form aria-labelledby={title} className="card grid gap-5 p-5 sm:p-8" noValidate onSubmit={submit}>
			<div>
				<h1 className="font-semibold text-2xl tracking-tight" id={title}>
					{t("lobby.title")}
				</h1>
				<p className="mt-1 text-muted">
					{meeting?.topic && <span className="block truncate">{meeting.topic}</span>}
					<span className="tabular-nums">{t("lobby.number", { number: showNumber(number) })}</span>
				</p>
			</div>
			<TextField
				autoComplete="name"
				error={tried && missing.name ? t("lobby.nameFault") : undefined}
				label={t("lobby.name")}
				name="name"
				maxLength={64}
				onChange={onName}
				value={name}
			/>
			{asksPasscode && (
				<TextField
					autoCapitalize="off"
					autoComplete="off"
					error={tried && missing.passcode ? t("lobby.passcodeFault") : undefined}
					label={t("lobby.passcode")}
					name="passcode"
					maxLength={64}
					onChange={setPasscode}
					spellCheck={false}
					value={passcode}
					{...(signedIn ? { hint: t("lobby.passcodeHost") } : {})}
				/>
			)}
			<Button disabled={!join} size="lg" tone="primary" type="submit" wide>
				{t("lobby.join")}
			</Button>
			<p className="-mt-1 text-center text-muted text-sm" role="status">
				{t(
					silent && unseen ? "lobby.asNeither" : silent ? "lobby.asMuted" : unseen ? "lobby.asUnseen" : "lobby.asBoth",
				)}
			</p>
		</form>
	);
}
