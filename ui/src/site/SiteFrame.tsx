import { Link, useRouterState } from "@tanstack/react-router";
import { type ReactNode, useEffect, useRef } from "react";
import { buttonStyle } from "../components/Button.tsx";
import { cx } from "../components/cx.ts";
import { Logo } from "../components/Logo.tsx";
import { useT } from "../i18n/useT.ts";
import { AccountMenu } from "./AccountMenu.tsx";
import { PreferencesMenu } from "./PreferencesMenu.tsx";
import { useSession } from "./queries.ts";

const navLink =
	"inline-flex min-h-10 items-center rounded-md px-2 font-medium sm:px-3 text-muted text-sm hover:bg-hover hover:text-ink aria-[current=page]:text-accent-ink";

/** What stands around every page but a call: the head with the ways to go. */
export function SiteFrame({ children }: { children: ReactNode }) {
	const t = useT();
	const user = useSession().data;
	const path = useRouterState({ select: s => s.location.pathname });
	const main = useRef<HTMLElement>(null);
	const before = useRef(path);
	useEffect(() => {
		// A new page is announced by its heading: focus goes to where it begins.
		if (before.current !== path) main.current?.focus({ preventScroll: true });
		before.current = path;
	}, [path]);
	return (
		<>
			<a
				className="sr-only focus:not-sr-only focus:absolute focus:z-30 focus:m-3 focus:rounded-md focus:bg-accent focus:px-4 focus:py-2 focus:text-on-accent"
				href="#main"
			>
				{t("site.skip")}
			</a>
			<header className="mx-auto flex w-full max-w-6xl items-center gap-1 px-4 py-3 sm:gap-2 sm:px-8">
				<Link aria-label={t("site.home")} className="mr-auto inline-flex rounded-md" to="/">
					<Logo />
				</Link>
				<nav aria-label={t("site.nav")} className="flex items-center">
					{user && (
						<Link className={navLink} to="/meetings">
							{t("site.nav.meetings")}
						</Link>
					)}
					{(user || (path !== "/" && path !== "/join")) && (
						<Link className={cx(navLink, !user && path !== "/signin" && "max-sm:hidden")} to="/join">
							{t("site.nav.join")}
						</Link>
					)}
				</nav>
				{user ? (
					<div className="ml-1 flex">
						<AccountMenu user={user} />
					</div>
				) : (
					<>
						<PreferencesMenu />
						{user === null && path !== "/signin" && (
							<Link className={`${buttonStyle("secondary")} whitespace-nowrap`} to="/signin">
								{t("site.signIn")}
							</Link>
						)}
					</>
				)}
			</header>
			<main
				className="mx-auto flex w-full max-w-6xl grow flex-col px-4 pb-16 outline-none sm:px-8"
				id="main"
				ref={main}
				tabIndex={-1}
			>
				{children}
			</main>
		</>
	);
}
