import { useState } from "react";
import { useT } from "../i18n/useT.ts";
import { IconButton } from "./IconButton.tsx";
import { TextField, type TextFieldProps } from "./TextField.tsx";

/** A password, hidden until one asks to see it. */
export function PasswordField(props: Omit<TextFieldProps, "type" | "end">) {
	const t = useT();
	const [seen, setSeen] = useState(false);
	return (
		<TextField
			{...props}
			end={
				<IconButton
					aria-pressed={seen}
					icon={seen ? "eye-off" : "eye"}
					label={t("ui.showPassword")}
					onClick={() => setSeen(!seen)}
				/>
			}
			spellCheck={false}
			type={seen ? "text" : "password"}
		/>
	);
}
