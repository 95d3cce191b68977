import type { QueryClient } from "@tanstack/react-query";
import {
	createRootRouteWithContext,
	createRoute,
	createRouter,
	lazyRouteComponent,
	Outlet,
	redirect,
} from "@tanstack/react-router";
import { EditMeetingPage } from "../site/EditMeetingPage.tsx";
import { FaultPage } from "../site/FaultPage.tsx";
import { HomePage } from "../site/HomePage.tsx";
import { JoinPage } from "../site/JoinPage.tsx";
import { MeetingsPage } from "../site/MeetingsPage.tsx";
import { NewMeetingPage } from "../site/NewMeetingPage.tsx";
import { NotFoundPage } from "../site/NotFoundPage.tsx";
import { isNumber } from "../site/number.ts";
import { sessionQuery } from "../site/queries.ts";
import { SignInPage } from "../site/SignInPage.tsx";
import { SiteFrame } from "../site/SiteFrame.tsx";
import { localPath } from "./localPath.ts";

type Context = { client: QueryClient };

const root = createRootRouteWithContext<Context>()({
	component: Outlet,
	notFoundComponent: () => (
		<SiteFrame>
			<NotFoundPage />
		</SiteFrame>
	),
});

// The site proper: all pages with its head. A call has the window to itself.
const site = createRoute({
	getParentRoute: () => root,
	id: "site",
	component: () => (
		<SiteFrame>
			<Outlet />
		</SiteFrame>
	),
	loader: ({ context }) => void context.client.prefetchQuery(sessionQuery),
});

const home = createRoute({
	getParentRoute: () => site,
	path: "/",
	beforeLoad: async ({ context }) => {
		// A guest's home is the door, also while the server is out of reach.
		const user = await context.client.ensureQueryData(sessionQuery).catch(() => null);
		if (user) throw redirect({ to: "/meetings", replace: true });
	},
	component: HomePage,
});

const join = createRoute({
	getParentRoute: () => site,
	path: "/join",
	validateSearch: (q: Record<string, unknown>) => {
		const number = String(q["number"] ?? "");
		return isNumber(number) ? { number } : {};
	},
	component: function Join() {
		return <JoinPage {...join.useSearch()} />;
	},
});

const signIn = createRoute({
	getParentRoute: () => site,
	path: "/signin",
	validateSearch: (q: Record<string, unknown>) => (typeof q["to"] === "string" ? { to: localPath(q["to"]) } : {}),
	component: function SignIn() {
		return <SignInPage to={signIn.useSearch().to ?? "/meetings"} />;
	},
});

// What only people with an account see; others sign in first and come back.
const own = createRoute({
	getParentRoute: () => site,
	id: "own",
	beforeLoad: async ({ context, location }) => {
		const user = await context.client.ensureQueryData(sessionQuery);
		if (!user) throw redirect({ to: "/signin", search: { to: location.href } });
		return { user };
	},
});

const meetings = createRoute({
	getParentRoute: () => own,
	path: "/meetings",
	component: function Meetings() {
		return <MeetingsPage user={meetings.useRouteContext().user} />;
	},
});

const newMeeting = createRoute({ getParentRoute: () => own, path: "/meetings/new", component: NewMeetingPage });

const editMeeting = createRoute({
	getParentRoute: () => own,
	path: "/meetings/$number",
	component: function EditMeeting() {
		const { number } = editMeeting.useParams();
		return isNumber(number) ? <EditMeetingPage number={Number(number)} /> : <NotFoundPage />;
	},
});

const call = createRoute({
	getParentRoute: () => root,
	path: "/j/$number",
	component: lazyRouteComponent(() => import("../lobby/CallPage.tsx"), "CallPage"),
});

const tree = root.addChildren([
	site.addChildren([home, join, signIn, own.addChildren([meetings, newMeeting, editMeeting])]),
	call,
]);

export function newRouter(client: QueryClient) {
	return createRouter({
		routeTree: tree,
		context: { client },
		defaultPreload: "intent",
		defaultPendingMs: 300,
		scrollRestoration: true,
		defaultNotFoundComponent: NotFoundPage,
		defaultErrorComponent: ({ error, reset }) => <FaultPage error={error} retry={reset} />,
	});
}

declare module "@tanstack/react-router" {
	interface Register {
		router: ReturnType<typeof newRouter>;
	}
}
