#!/bin/sh
# Rebuilds serif-regular.ttf and serif-bold.ttf from their origin: sh recipe.sh
#
# Needs npm, apt-get, dpkg-deb, bzip2, python3 and fontTools 4.38.0 (Debian package fonttools), and reaches the npm
# and Debian registries that these tools are set up for. The result is the same, byte for byte, on every run.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# The origin: Noto Serif SC, static instances with glyf outlines, OFL-1.1.
npm pack --silent @expo-google-fonts/noto-serif-sc@0.4.3 >/dev/null
tar xzf expo-google-fonts-noto-serif-sc-0.4.3.tgz
sha256sum -c <<'SUMS'
c358a69de3df5f423a8946a7b03e3126fb6ba116f1130a463455b4e39e1f0742  package/400Regular/NotoSerifSC_400Regular.ttf
9c6a2ba736e4b499c84f65ce366bd3625c0401885fd3e585ace50fb738b96ff6  package/700Bold/NotoSerifSC_700Bold.ttf
SUMS

# The characters: the table of general standard characters (通用规范汉字表, Unihan field kTGH, 8,105 characters),
# GB 2312 (7,445), 〇 (U+3007, for years in Chinese numerals), ASCII, Latin-1 and general punctuation.
apt-get download --quiet unicode-data
dpkg-deb -x unicode-data_*.deb unihan
python3 - <<'PY'
import bz2
chars = set()
with bz2.open('unihan/usr/share/unicode/Unihan_OtherMappings.txt.bz2', 'rt', encoding='utf-8') as lines:
    for line in lines:
        field = line.split('\t')
        if len(field) == 3 and field[1] == 'kTGH':
            chars.add(chr(int(field[0][2:], 16)))
assert len(chars) == 8105, len(chars)
gb2312 = set()
for row in range(0xA1, 0xF8):
    for cell in range(0xA1, 0xFF):
        try:
            gb2312.add(bytes([row, cell]).decode('gb2312'))
        except UnicodeDecodeError:
            pass
assert len(gb2312) == 7445, len(gb2312)
chars |= gb2312
chars |= {chr(c) for c in range(0x20, 0x7F)}
chars |= {chr(c) for c in range(0xA0, 0x100)}
chars |= set('〇‐–—‘’“”•…‰′″‹›€℃№™')
with open('chars.txt', 'w', encoding='utf-8') as out:
    out.write(''.join(sorted(chars)))
print(len(chars), 'characters')
PY

export SOURCE_DATE_EPOCH=0
for face in 400Regular:serif-regular 700Bold:serif-bold; do
	pyftsubset "package/${face%%:*}/NotoSerifSC_${face%%:*}.ttf" --text-file=chars.txt --no-hinting --layout-features= \
		--drop-tables+=GSUB,GPOS,GDEF,BASE,vhea,vmtx,VORG,STAT --name-IDs='*' --notdef-outline \
		--no-recalc-timestamp --output-file="$here/${face##*:}.ttf"
done
ls -l "$here"/*.ttf
sha256sum "$here"/*.ttf
