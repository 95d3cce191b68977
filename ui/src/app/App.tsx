import { Providers } from "./Providers.tsx";

export function App() {
	return (
		<Providers>
			<main>
				<h1>Parley</h1>
			</main>
		</Providers>
	);
}
