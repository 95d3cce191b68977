#!/bin/bash
# Debian packages the tests use. What can't be had makes its tests skip, and is said here loudly.
set -u

# What to look for, and the package that has it. The laboratory of network namespaces (make lab) takes ip, nft,
# squid and haproxy; the web client's reactions are emoji.
tools=(
	"ffmpeg ffmpeg" "chromium chromium" "firefox-esr firefox-esr"
	"ip iproute2" "nft nftables" "squid squid" "haproxy haproxy"
	"/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf fonts-noto-color-emoji"
)
have() { command -v "$1" >/dev/null || [ -e "$1" ]; }

missing=()
for t in "${tools[@]}"; do
	have "${t% *}" || missing+=("${t#* }")
done
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
	root=(sudo -n)
fi
if command -v apt-get >/dev/null && "${root[@]}" true 2>/dev/null; then
	export DEBIAN_FRONTEND=noninteractive
	"${root[@]}" apt-get update -qq
	"${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
	# The laboratory starts its own, where nobody else sees them.
	for s in squid haproxy; do
		case " ${missing[*]} " in *" $s "*) "${root[@]}" systemctl disable --now "$s" 2>/dev/null ;; esac
	done
fi
for t in "${tools[@]}"; do
	have "${t% *}" || echo "!!! ${t#* } is not installed and could not be: tests that need it WILL BE SKIPPED" >&2
done
exit 0
