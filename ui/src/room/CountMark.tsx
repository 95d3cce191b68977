import { cx } from "../components/cx.ts";

/** A count at the corner of a button; beyond 99 there is no room to be exact. */
export function CountMark({ n, urgent }: { n: number; urgent?: boolean }) {
	if (n <= 0) return null;
	return (
		<span
			aria-hidden="true"
			className={cx(
				"before:content-[attr(data-count)] absolute top-0.5 right-0.5 min-w-4.5 rounded-full px-1 text-center font-semibold text-[0.6875rem] leading-4.5 xl:right-2.5",
				urgent ? "bg-danger text-on-danger" : "bg-sunken text-ink ring-1 ring-line",
			)}
			data-count={n > 99 ? "99+" : n}
		/>
	);
}
