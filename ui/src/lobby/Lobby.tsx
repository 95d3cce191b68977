import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useCall } from "../call/useCall.ts";
import { Banner } from "../components/Banner.tsx";
import { Logo } from "../components/Logo.tsx";
import { useT } from "../i18n/useT.ts";
import { overWords } from "../room/overText.ts";
import { PreferencesMenu } from "../site/PreferencesMenu.tsx";
import { useSession } from "../site/queries.ts";
import { useTitle } from "../site/useTitle.ts";
import { DeviceChoice } from "./DeviceChoice.tsx";
import { JoinCard } from "./JoinCard.tsx";
import { Preview } from "./Preview.tsx";
import { Troubles } from "./Troubles.tsx";
import { useLobbyKeys } from "./useLobbyKeys.ts";

/** Before the meeting: how one looks and sounds, under which name, and in. */
export function Lobby({ number, elsewhere = false }: { number: string; elsewhere?: boolean }) {
	const t = useT();
	useTitle(t("lobby.title"));
	useLobbyKeys();
	const remembered = useCall(s => s.name);
	const found = useCall(s => s.obstacle);
	const obstacle = found && overWords(t, { ...found, tried: [] });
	const user = useSession().data;
	const [typed, setTyped] = useState<string>();
	const name = typed ?? (remembered || user?.display_name || "");
	return (
		<>
			<header className="mx-auto flex w-full max-w-6xl items-center px-4 py-3 sm:px-8">
				<Link aria-label={t("site.home")} className="mr-auto inline-flex rounded-md" to="/">
					<Logo />
				</Link>
				<PreferencesMenu />
			</header>
			<main className="rise mx-auto grid w-full max-w-6xl grow content-start items-start gap-6 px-4 pb-10 sm:px-8 lg:grid-cols-[1.5fr_1fr] lg:content-center lg:gap-12">
				<section aria-label={t("lobby.devices")} className="grid min-w-0 gap-5 max-lg:contents">
					<Preview name={name} />
					<Troubles />
					<div className="max-lg:order-3">
						<DeviceChoice />
					</div>
				</section>
				<div className="grid min-w-0 gap-4 max-lg:order-2">
					{obstacle && (
						<Banner title={obstacle.title} tone="danger">
							{obstacle.text}
						</Banner>
					)}
					{elsewhere && <Banner title={t("lobby.elsewhere")}>{t("lobby.elsewhere.help")}</Banner>}
					<JoinCard name={name} number={number} onName={setTyped} signedIn={Boolean(user)} />
				</div>
			</main>
		</>
	);
}
