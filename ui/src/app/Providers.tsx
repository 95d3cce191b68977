import { CSPProvider } from "@base-ui/react/csp-provider";
import { Tooltip } from "@base-ui/react/tooltip";
import type { ReactNode } from "react";
import { Toaster } from "../components/Toast.tsx";
import { LanguageProvider } from "../i18n/Language.tsx";
import type { Locale } from "../i18n/locales.ts";

/** What every page stands on, stories and tests too: words, tooltips, toasts. */
export function Providers({ children, locale }: { children: ReactNode; locale?: Locale }) {
	return (
		<CSPProvider disableStyleElements>
			<LanguageProvider {...(locale ? { initial: locale } : {})}>
				<Tooltip.Provider delay={500}>
					{children}
					<Toaster />
				</Tooltip.Provider>
			</LanguageProvider>
		</CSPProvider>
	);
}
