import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { useState } from "react";
import { newQueryClient } from "../site/queries.ts";
import { Providers } from "./Providers.tsx";
import { newRouter } from "./router.tsx";

/** The whole client. */
export function App({ client }: { client?: QueryClient }) {
	const [{ query, router }] = useState(() => {
		const query = client ?? newQueryClient(() => void router.invalidate());
		const router = newRouter(query);
		return { query, router };
	});
	return (
		<QueryClientProvider client={query}>
			<Providers>
				<RouterProvider router={router} />
			</Providers>
		</QueryClientProvider>
	);
}
