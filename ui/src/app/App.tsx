import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useState } from "react";
import { newQueryClient } from "../site/queries.ts";
import { Providers } from "./Providers.tsx";
import { newRouter } from "./router.tsx";

/** The whole client. */
export function App({ client }: { client?: QueryClient }) {
	const [query] = useState(() => client ?? newQueryClient());
	const [router] = useState(() => newRouter(query));
	return (
		<QueryClientProvider client={query}>
			<Providers>
				<RouterProvider router={router} />
			</Providers>
		</QueryClientProvider>
	);
}
