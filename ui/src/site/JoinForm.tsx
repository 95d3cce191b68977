import { useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { Banner } from "../components/Banner.tsx";
import { Button } from "../components/Button.tsx";
import { focusField } from "../components/focusField.ts";
import { TextField } from "../components/TextField.tsx";
import { useT } from "../i18n/useT.ts";
import { keepSecret } from "./invitation.ts";
import { readNumber, showNumber } from "./number.ts";

export type JoinFormProps = {
	number?: string;
	/** Why it did not work before. */
	fault?: string;
	autoFocus?: boolean;
	/** Called with the number, once what lets one in is kept; else the form goes to the lobby. */
	onGo?: (number: string) => void;
};

/** A meeting by its number and passcode, or by a pasted link. */
export function JoinForm({ number: given = "", fault, autoFocus = false, onGo }: JoinFormProps) {
	const t = useT();
	const navigate = useNavigate();
	const [text, setText] = useState(given && showNumber(given));
	const [passcode, setPasscode] = useState("");
	const [tried, setTried] = useState(false);
	const named = readNumber(text);

	const submit = (e: FormEvent<HTMLFormElement>) => {
		e.preventDefault();
		setTried(true);
		if (!named) return focusField(e.currentTarget, "number");
		if (named.pwd && passcode === "") keepSecret(named.number, { pwd: named.pwd });
		else keepSecret(named.number, { passcode: passcode.trim() });
		if (onGo) onGo(named.number);
		else void navigate({ to: "/j/$number", params: { number: named.number } });
	};

	return (
		<form className="grid gap-5" noValidate onSubmit={submit}>
			{fault && <Banner tone="danger">{fault}</Banner>}
			<TextField
				autoComplete="off"
				autoFocus={autoFocus && given === ""}
				error={tried && !named ? t("site.join.numberFault") : undefined}
				hint={t("site.join.numberHint")}
				inputMode="text"
				inputClassName="tabular-nums"
				label={t("site.join.number")}
				name="number"
				onBlur={() => named && !named.pwd && setText(showNumber(named.number))}
				onChange={setText}
				placeholder="123 4567 8901"
				value={text}
			/>
			{!named?.pwd && (
				<TextField
					autoCapitalize="off"
					autoComplete="off"
					autoFocus={autoFocus && given !== ""}
					hint={t("site.join.passcodeHint")}
					label={t("site.join.passcode")}
					maxLength={64}
					onChange={setPasscode}
					spellCheck={false}
					value={passcode}
				/>
			)}
			<Button icon="arrow-right" size="lg" tone="primary" type="submit" wide>
				{t("site.join.continue")}
			</Button>
		</form>
	);
}
