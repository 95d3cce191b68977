import type { ReactNode } from "react";

/** One thing in the middle of an otherwise empty page. */
export function Plate({ children }: { children: ReactNode }) {
	return (
		<main className="flex min-h-dvh grow items-center justify-center bg-stage p-4">
			<div className="card rise flex w-full max-w-md flex-col items-center px-6 py-10 text-center sm:px-10">
				{children}
			</div>
		</main>
	);
}
