package page

import "strings"

// words says one thing in Chinese and in English.
type words struct{ zh, en string }

func (w words) both() HTML { return Both(w.zh, w.en) }

// table writes a table. Where the screen is narrow each row is a card, and each cell says what it is; the roles keep it
// a table for screen readers, which forget that when CSS changes how it is displayed.
func table(b *strings.Builder, id string, heads []words, rows [][]HTML) {
	b.WriteString(string(`<table id="` + Escape(id) + `" role="table"><thead role="rowgroup"><tr role="row">`))
	for _, h := range heads {
		b.WriteString(string(`<th scope="col" role="columnheader">` + h.both() + `</th>`))
	}
	b.WriteString(`</tr></thead><tbody role="rowgroup">` + "\n")
	for _, cells := range rows {
		b.WriteString(`<tr role="row">`)
		for i, c := range cells {
			class := HTML("")
			if c == "" {
				class = ` class="empty"`
			}
			b.WriteString(string(`<td role="cell" data-label="` + Escape(heads[i].zh+" "+heads[i].en) + `"` + class + `>` +
				c + `</td>`))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</tbody></table>\n")
}

// code is text for machines.
func code(text string) HTML {
	if text == "" {
		return ""
	}
	return `<code>` + Escape(text) + `</code>`
}

// roles says what a person may do for an organisation; of a role it does not know it gives the name.
func roles(names []string) HTML {
	known := map[string]words{
		"seal.request": {"申请印章", "request seals"}, "seal.approve": {"审批印章", "approve seals"},
		"seal.make": {"制作印章", "make seals"}, "seal.stamp": {"用印", "stamp documents"},
		"licence.issue": {"签发证照", "issue licences"},
		"licence.read":  {"查看证照", "read licences"}, "licence.show": {"出示证照", "show licences"},
	}
	var zh, en []string
	for _, name := range names {
		w, ok := known[name]
		if !ok {
			w = words{name, name}
		}
		zh, en = append(zh, w.zh), append(en, w.en)
	}
	if len(zh) == 0 {
		return ""
	}
	return `<span class="note">` + Both(strings.Join(zh, "、"), strings.Join(en, ", ")) + `</span>`
}
