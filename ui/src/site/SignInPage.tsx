import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { Banner } from "../components/Banner.tsx";
import { Button } from "../components/Button.tsx";
import { focusField } from "../components/focusField.ts";
import { PasswordField } from "../components/PasswordField.tsx";
import { TextField } from "../components/TextField.tsx";
import { useT } from "../i18n/useT.ts";
import { faultText } from "./faultText.ts";
import { useSignIn } from "./queries.ts";
import { useTitle } from "./useTitle.ts";

/** Address and password; then on to where one wanted to go, a path of this site. */
export function SignInPage({ to }: { to: string }) {
	const t = useT();
	useTitle(t("site.signIn"));
	const navigate = useNavigate();
	const signIn = useSignIn();
	const [email, setEmail] = useState("");
	const [password, setPassword] = useState("");
	const [tried, setTried] = useState(false);
	const missing = { email: !email.includes("@"), password: password === "" };

	const submit = (e: FormEvent<HTMLFormElement>) => {
		e.preventDefault();
		setTried(true);
		if (missing.email) return focusField(e.currentTarget, "email");
		if (missing.password) return focusField(e.currentTarget, "password");
		signIn.mutate({ email: email.trim(), password }, { onSuccess: () => void navigate({ href: to, replace: true }) });
	};

	return (
		<div className="rise mx-auto mt-6 w-full max-w-md sm:mt-16">
			<h1 className="mb-1 font-semibold text-2xl tracking-tight">{t("site.signIn.title")}</h1>
			<p className="mb-6 text-muted">{t("site.signIn.lead")}</p>
			<form className="card grid gap-5 p-5 sm:p-8" noValidate onSubmit={submit}>
				{signIn.error && <Banner tone="danger">{faultText(t, signIn.error)}</Banner>}
				<TextField
					autoComplete="username"
					autoFocus
					error={tried && missing.email ? t("site.signIn.emailFault") : undefined}
					label={t("site.signIn.email")}
					onChange={setEmail}
					name="email"
					type="email"
					value={email}
				/>
				<PasswordField
					autoComplete="current-password"
					error={tried && missing.password ? t("site.signIn.passwordFault") : undefined}
					label={t("site.signIn.password")}
					name="password"
					onChange={setPassword}
					value={password}
				/>
				<Button busy={signIn.isPending} size="lg" tone="primary" type="submit" wide>
					{t("site.signIn")}
				</Button>
			</form>
			<p className="mt-6 text-center text-muted text-sm">
				{t("site.signIn.guest")}{" "}
				<Link className="font-semibold text-accent-ink underline-offset-2 hover:underline" to="/join">
					{t("site.signIn.join")}
				</Link>
			</p>
		</div>
	);
}
