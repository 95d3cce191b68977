/** Puts the focus on a field of a form by its name: on the first that has a fault. */
export function focusField(form: HTMLFormElement, name: string): void {
	const field = form.elements.namedItem(name);
	if (field instanceof HTMLElement) field.focus();
}
