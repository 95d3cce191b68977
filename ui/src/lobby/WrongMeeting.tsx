import { Link } from "@tanstack/react-router";
import { Logo } from "../components/Logo.tsx";
import { useT } from "../i18n/useT.ts";
import { JoinPage } from "../site/JoinPage.tsx";
import { PreferencesMenu } from "../site/PreferencesMenu.tsx";

/** Number or passcode were wrong: the server does not say which. Both can be put right here. */
export function WrongMeeting({ number, onGo }: { number: string; onGo: (number: string) => void }) {
	const t = useT();
	return (
		<>
			<header className="mx-auto flex w-full max-w-6xl items-center px-4 py-3 sm:px-8">
				<Link aria-label={t("site.home")} className="mr-auto inline-flex rounded-md" to="/">
					<Logo />
				</Link>
				<PreferencesMenu />
			</header>
			<main className="mx-auto w-full max-w-6xl grow px-4 sm:px-8">
				<JoinPage fault={t("site.join.wrong")} number={number} onGo={onGo} />
			</main>
		</>
	);
}
