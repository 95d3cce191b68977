/** The mark and the name. */
export function Logo() {
	return (
		<span className="inline-flex items-center gap-2.5 font-semibold text-lg tracking-tight">
			<svg aria-hidden="true" height="28" viewBox="0 0 32 32" width="28">
				<rect className="fill-accent" height="32" rx="9" width="32" />
				<path
					className="fill-on-accent"
					d="M7 14.5C7 10.4 10.4 7 14.5 7h3c4.1 0 7.5 3.4 7.5 7.5S21.6 22 17.5 22h-1.7l-3.9 3.5c-.6.5-1.4.1-1.4-.6v-3.7A7.5 7.5 0 0 1 7 14.5z"
				/>
				<rect className="fill-accent" height="4" rx="1.1" width="2.2" x="11.2" y="12.6" />
				<rect className="fill-accent" height="7.6" rx="1.1" width="2.2" x="14.9" y="10.8" />
				<rect className="fill-warn" height="4" rx="1.1" width="2.2" x="18.6" y="12.6" />
			</svg>
			<span className="max-[22rem]:hidden">Parley</span>
		</span>
	);
}
