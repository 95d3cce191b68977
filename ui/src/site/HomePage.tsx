import { Link } from "@tanstack/react-router";
import { Icon, type IconName } from "../components/Icon.tsx";
import type { MessageID } from "../i18n/locales.ts";
import { useT } from "../i18n/useT.ts";
import { JoinForm } from "./JoinForm.tsx";
import { useTitle } from "./useTitle.ts";

const points: readonly (readonly [IconName, MessageID])[] = [
	["link", "site.home.noInstall"],
	["lock", "site.home.private"],
	["signal", "site.home.anyNetwork"],
];

/** The door for guests: join, or sign in to host. */
export function HomePage() {
	const t = useT();
	useTitle("");
	return (
		<div className="rise my-auto grid items-center gap-10 py-8 lg:grid-cols-[1.1fr_1fr] lg:gap-20">
			<div className="max-lg:order-2">
				<h1 className="text-balance font-semibold text-3xl leading-tight tracking-tight sm:text-5xl">
					{t("site.home.title")}
				</h1>
				<p className="mt-4 max-w-md text-lg text-muted">{t("site.home.lead")}</p>
				<ul className="mt-8 grid gap-4">
					{points.map(([icon, words]) => (
						<li className="flex items-center gap-3" key={words}>
							<span className="inline-flex size-9 items-center justify-center rounded-full bg-accent-soft text-accent-ink">
								<Icon name={icon} size={18} />
							</span>
							{t(words)}
						</li>
					))}
				</ul>
			</div>
			<section aria-labelledby="join" className="card w-full p-5 max-lg:mx-auto max-lg:max-w-lg sm:p-8">
				<h2 className="mb-5 font-semibold text-xl" id="join">
					{t("site.join.title")}
				</h2>
				<JoinForm />
				<p className="mt-6 border-line border-t pt-5 text-muted text-sm">
					{t("site.home.host")}{" "}
					<Link className="font-semibold text-accent-ink underline-offset-2 hover:underline" to="/signin">
						{t("site.home.signIn")}
					</Link>
				</p>
			</section>
		</div>
	);
}
