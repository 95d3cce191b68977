import { useNavigate } from "@tanstack/react-router";
import { Avatar } from "../components/Avatar.tsx";
import { Menu, MenuItem, MenuSeparator } from "../components/Menu.tsx";
import { toasts } from "../components/toasts.ts";
import { useT } from "../i18n/useT.ts";
import type { User } from "./api.ts";
import { faultText } from "./faultText.ts";
import { Preferences } from "./Preferences.tsx";
import { useSignOut } from "./queries.ts";

/** Who is signed in, what they like, and the way out. */
export function AccountMenu({ user }: { user: User }) {
	const t = useT();
	const navigate = useNavigate();
	const signOut = useSignOut();
	const leave = () =>
		signOut.mutate(undefined, {
			onSuccess: () => void navigate({ to: "/" }),
			onError: e => toasts.add({ type: "error", title: faultText(t, e) }),
		});
	return (
		<Menu
			trigger={
				<button className="rounded-full" type="button">
					<span className="sr-only">{t("site.account", { name: user.display_name })}</span>
					<Avatar name={user.display_name} />
				</button>
			}
		>
			<div className="px-3 py-2">
				<p className="truncate font-semibold">{user.display_name}</p>
				<p className="truncate text-muted text-sm">{user.email}</p>
			</div>
			<MenuSeparator />
			<Preferences />
			<MenuSeparator />
			<MenuItem icon="sign-out" onClick={leave}>
				{t("site.signOut")}
			</MenuItem>
		</Menu>
	);
}
