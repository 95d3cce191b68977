/** The device does not work: the button's label says why. */
export function ProblemMark() {
	return (
		<span
			aria-hidden="true"
			className="absolute top-0.5 right-0.5 size-4 rounded-full bg-[#f0b35a] text-center font-bold text-[#2b1a00] text-[0.6875rem] leading-4 before:content-['!'] xl:right-3"
		/>
	);
}
