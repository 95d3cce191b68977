import type { ReactNode } from "react";

/** A page that is one form under its heading. */
export function FormFrame({ title, children }: { title: string; children: ReactNode }) {
	return (
		<div className="rise mx-auto w-full max-w-2xl pt-4 sm:pt-8">
			<h1 className="mb-6 font-semibold text-2xl tracking-tight sm:text-3xl">{title}</h1>
			{children}
		</div>
	);
}
