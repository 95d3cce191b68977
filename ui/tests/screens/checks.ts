// What every screen is checked for.
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";

/** By how many pixels the page can be scrolled sideways. */
export function sideways(page: Page): Promise<number> {
	return page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
}

/** What axe finds: the rule and where. */
export async function violations(page: Page): Promise<string[]> {
	const axe = new AxeBuilder({ page });
	// Focus guards of menus and dialogs send the focus on; nothing stays on them.
	axe.exclude("[data-base-ui-focus-guard]");
	// Menus stand beside the landmarks of the page, on purpose: nothing clips them.
	if ((await page.locator("[role=menu]").count()) > 0) axe.disableRules("region");
	const { violations: found } = await axe.analyze();
	return found.map(v => `${v.id}: ${v.nodes.map(n => n.target.join(" ")).join(", ")}`);
}
