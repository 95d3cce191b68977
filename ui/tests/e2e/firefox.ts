// Debian's Firefox, driven over WebDriver BiDi, with devices that are not there.
import puppeteer, { type Browser } from "puppeteer-core";

export function launchFirefox(): Promise<Browser> {
	return puppeteer.launch({
		browser: "firefox",
		executablePath: process.env["FIREFOX"] ?? "/usr/bin/firefox-esr",
		headless: true,
		acceptInsecureCerts: true,
		extraPrefsFirefox: {
			"media.navigator.streams.fake": true,
			"media.navigator.permission.disabled": true,
			"media.autoplay.default": 0,
			"media.autoplay.blocking_policy": 0,
			// Pages on loopback may gather the machine's addresses.
			"media.peerconnection.ice.loopback": true,
			"media.peerconnection.ice.obfuscate_host_addresses": false,
		},
	});
}
