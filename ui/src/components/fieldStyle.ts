/** The look of everything one types or chooses in. */
export const fieldStyle =
	"h-11 w-full min-w-0 rounded-md border border-line-strong bg-surface px-3 text-base text-ink transition-colors placeholder:text-muted hover:border-ink focus-visible:outline-offset-0 data-invalid:border-danger sm:text-[0.9375rem]";

export const labelStyle = "mb-1.5 block font-medium text-sm";
