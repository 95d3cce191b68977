#!/bin/bash
# Debian packages the tests use. What can't be had makes its tests skip, and is said here loudly.
set -u

missing=()
for tool in ffmpeg chromium firefox-esr; do
	command -v "$tool" >/dev/null || missing+=("$tool")
done
# The web client's reactions are emoji.
[ -e /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf ] || missing+=(fonts-noto-color-emoji)
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
	root=(sudo -n)
fi
if command -v apt-get >/dev/null && "${root[@]}" true 2>/dev/null; then
	export DEBIAN_FRONTEND=noninteractive
	"${root[@]}" apt-get update -qq
	"${root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
for tool in "${missing[@]}"; do
	[ "$tool" = fonts-noto-color-emoji ] || command -v "$tool" >/dev/null || echo "!!! $tool is not installed and could not be: tests that need it WILL BE SKIPPED" >&2
done
exit 0
