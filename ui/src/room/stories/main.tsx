// The call screen in every situation, without a meeting: `npm run dev`, then /src/room/stories/.
// Query: story=<name>, lang=<tag>, theme=light|dark. Not part of the product's build.
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Providers } from "../../app/Providers.tsx";
import { setTheme } from "../../app/theme.ts";
import { actionsFor } from "../../call/actions.ts";
import type { CallState } from "../../call/state.ts";
import { createStore } from "../../call/store.ts";
import { type Call, CallContext } from "../../call/useCall.ts";
import { locales } from "../../i18n/locales.ts";
import { Room } from "../Room.tsx";
import { stories as names } from "./names.ts";
import { stories } from "./stories.ts";
import "../../app/app.css";

const query = new URLSearchParams(location.search);
const name = names.find(n => n === query.get("story"));
const theme = query.get("theme");
setTheme(theme === "light" || theme === "dark" ? theme : "system");
const locale = locales.find(l => l.tag === query.get("lang"))?.tag ?? "en";

function callOf(state: CallState): Call {
	const store = createStore(() => undefined, state);
	return { store, actions: actionsFor(store.dispatch) };
}

const root = document.getElementById("root");
if (!root) throw new Error("index.html has no #root");
createRoot(root).render(
	<StrictMode>
		<Providers locale={locale}>
			{name ? (
				<CallContext value={callOf(stories[name]())}>
					<Room onHome={() => location.assign("?")} />
				</CallContext>
			) : (
				<main className="p-8">
					<h1 className="mb-4 font-semibold text-xl">Stories</h1>
					<ul className="list-disc pl-6">
						{names.map(name => (
							<li key={name}>
								<a className="text-accent-ink underline" href={`?story=${name}`}>
									{name}
								</a>
							</li>
						))}
					</ul>
				</main>
			)}
		</Providers>
	</StrictMode>,
);
