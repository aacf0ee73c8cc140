package layout

import (
	"strings"
	"unicode"
)

// Characters that may not begin or end a line (禁则).
const (
	noLineStart = "，。、；：？！）】》〉」』〕〗”’…—～·％‰℃々ー,.;:?!)]}%"
	noLineEnd   = "（【《〈「『〔〖“‘￥＄([{¥$"
)

// Lines breaks text into lines no wider than width, in the unit of size. Chinese breaks between any two characters,
// except before those that may not begin a line and after those that may not end one (禁则); words and numbers of other
// scripts stay whole. A piece that does not fit on a line of its own is broken where it must be. A newline always
// breaks; spaces at a break are dropped.
//
// It returns a [*MissingGlyphError] for a character that no font has.
func (f *Fonts) Lines(face Face, s string, size, width float64) ([]string, error) {
	var lines []string
	for _, paragraph := range strings.Split(s, "\n") {
		runes := []rune(paragraph)
		widths := make([]float64, len(runes))
		for i, r := range runes {
			w, err := f.Width(face, string(r), size)
			if err != nil {
				return nil, err
			}
			widths[i] = w
		}
		lines = appendLines(lines, runes, widths, width)
	}
	return lines, nil
}

// appendLines fills each line to the last place where it may break.
func appendLines(lines []string, runes []rune, widths []float64, width float64) []string {
	const tolerance = 1e-9
	start := 0
	for {
		var sum float64
		end, last := start, start // end of what fits, last allowed break in it
		for end < len(runes) && (sum+widths[end] <= width+tolerance || runes[end] == ' ') {
			sum += widths[end]
			end++
			if end < len(runes) && mayBreak(runes[end-1], runes[end]) {
				last = end
			}
		}
		if end == len(runes) {
			return append(lines, strings.TrimRight(string(runes[start:]), " "))
		}
		if last == start {
			last = max(end, start+1)
		}
		lines = append(lines, strings.TrimRight(string(runes[start:last]), " "))
		for start = last; start < len(runes) && runes[start] == ' '; start++ {
			continue
		}
	}
}

func mayBreak(a, b rune) bool {
	switch {
	case strings.ContainsRune(noLineStart, b) || strings.ContainsRune(noLineEnd, a) || b == ' ':
		return false
	case a == ' ':
		return true
	}
	return breaksAnywhere(a) || breaksAnywhere(b)
}

// breaksAnywhere reports whether a character belongs to a script written without spaces.
func breaksAnywhere(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo) ||
		r >= 0x3000 && r <= 0x303F || r >= 0xFF00 && r <= 0xFF60 || r >= 0x2010 && r <= 0x2027
}
