package ofd

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"strings"
	"testing"
)

func newEntry(name string, content []byte) *entry { return new(packer).entry(name, content) }

func code(err error) Code {
	var fe *FormatError
	if errors.As(err, &fe) {
		return fe.Code
	}
	return ""
}

// patch returns data with the last (directory) or first (local) occurrence of from replaced.
func patch(data []byte, last bool, from, to string) []byte {
	out := bytes.Clone(data)
	i := bytes.Index(out, []byte(from))
	if last {
		i = bytes.LastIndex(out, []byte(from))
	}
	copy(out[i:], to)
	return out
}

// small is a package with stored entries, so that every byte of it is plain to see.
func small(names ...string) []byte {
	list := []*entry{newEntry("OFD.xml", []byte(`<OFD/>`))}
	for _, name := range names {
		list = append(list, newEntry(name, []byte("x")))
	}
	return writeZip(list)
}

func TestZipTricksAreRefusedByName(t *testing.T) {
	base := small("Doc_0/a.xml")
	end := len(base) - sizeEnd
	start := int(binary.LittleEndian.Uint32(base[end+16:]))
	le := binary.LittleEndian
	// moved inserts bytes at a place and corrects the end record, and the directory's offsets from there on.
	moved := func(at int, insert string, offsets bool) []byte {
		out := append(append(bytes.Clone(base[:at]), insert...), base[at:]...)
		n := len(insert)
		le.PutUint32(out[end+n+16:], uint32(start+n))
		if !offsets {
			return out
		}
		for i := start + n; le.Uint32(out[i:]) == sigCentral; {
			if offset := le.Uint32(out[i+42:]); int(offset) >= at {
				le.PutUint32(out[i+42:], offset+uint32(n))
			}
			i += sizeCentral + int(le.Uint16(out[i+28:]))
		}
		return out
	}
	set16 := func(at int, v uint16) []byte { out := bytes.Clone(base); le.PutUint16(out[at:], v); return out }
	set32 := func(at int, v uint32) []byte { out := bytes.Clone(base); le.PutUint32(out[at:], v); return out }
	second := start + sizeCentral + len("OFD.xml") // directory header of the second entry
	bomb := func(size int) []byte {
		return writeZip([]*entry{newEntry("OFD.xml", bytes.Repeat([]byte{' '}, size))})
	}
	hidden := newEntry("OFD.xml", bytes.Repeat([]byte{' '}, 100))
	hidden.packed = append(bytes.Clone(hidden.packed), "behind"...)
	many := make([]string, MaxEntries)
	for i := range many {
		many[i] = "f" + number(float64(i))
	}
	total := make([]*entry, 0, 5)
	for i := range 5 {
		e := newEntry("f"+number(float64(i)), nil)
		e.size, e.method, e.packed = 50<<20, deflated, make([]byte, 300<<10)
		total = append(total, e)
	}
	for name, c := range map[string]struct {
		data []byte
		want Code
	}{
		"empty":                        {nil, ZipMalformed},
		"no archive":                   {[]byte(strings.Repeat("x", 100)), ZipMalformed},
		"two entries of one name":      {small("a", "a"), ZipDuplicateName},
		"case collision":               {small("Doc_0/a.xml", "Doc_0/A.xml"), ZipNameCollision},
		"case collision of OFD.xml":    {small("ofd.XML"), ZipNameCollision},
		"case collision beyond ASCII":  {small("Doc_0/é.xml", "Doc_0/É.xml"), ZipNameCollision},
		"two Unicode forms":            {small("Doc_0/\u00e9", "Doc_0/e\u0301"), ZipNameCollision},
		"file and folder at once":      {small("Doc_0", "Doc_0/a"), ZipNameCollision},
		"backslash":                    {small(`Doc_0\a`), ZipBadName},
		"parent":                       {small("Doc_0/../OFD.xml"), ZipBadName},
		"parent at the front":          {small("../a"), ZipBadName},
		"dot":                          {small("./OFD.xml"), ZipBadName},
		"empty segment":                {small("Doc_0//a"), ZipBadName},
		"absolute":                     {small("/OFD.xml"), ZipBadName},
		"drive":                        {small("C:a"), ZipBadName},
		"NUL":                          {small("a\x00b"), ZipBadName},
		"no UTF-8":                     {small("\xce\xc4"), ZipBadName},
		"33 folders":                   {small(strings.Repeat("a/", 33) + "a"), ZipBadName},
		"no name":                      {small(""), ZipBadName},
		"bytes behind the end":         {append(bytes.Clone(base), 0), ZipTrailingData},
		"comment":                      {append(set16(end+20, 3), "abc"...), ZipTrailingData},
		"announced comment":            {set16(end+20, 3), ZipTrailingData},
		"bytes in front":               {moved(0, "MZ", true), ZipPrefixData},
		"bytes in front, old offsets":  {append([]byte("MZ"), base...), ZipHiddenData},
		"bytes between entries":        {moved(sizeLocal+len("OFD.xml")+6, "??", true), ZipHiddenData},
		"bytes before the directory":   {moved(start, "??", true), ZipHiddenData},
		"bytes behind the directory":   {func() []byte { d := moved(end, "??", false); le.PutUint32(d[len(d)-6:], uint32(start)); return d }(), ZipHiddenData},
		"bytes behind deflated data":   {writeZip([]*entry{hidden}), ZipHiddenData},
		"directory with one more":      {set16x2(base, end+8, end+10, 1), ZipHiddenData},
		"directory with one less":      {set16x2(base, end+8, end+10, 3), ZipMalformed},
		"counts differ":                {set16(end+8, 1), ZipUnsupported},
		"local name differs":           {patch(base, false, "Doc_0/a.xml", "Doc_0/b.xml"), ZipHeaderMismatch},
		"directory name differs":       {patch(base, true, "Doc_0/a.xml", "Doc_0/b.xml"), ZipHeaderMismatch},
		"local method differs":         {set16(8, deflated), ZipHeaderMismatch},
		"local CRC differs":            {set32(14, 1), ZipHeaderMismatch},
		"local size differs":           {set32(22, 5), ZipHeaderMismatch},
		"overlap":                      {set32(second+42, 0), ZipHeaderMismatch},
		"offset into the data":         {set32(second+42, uint32(sizeLocal+len("OFD.xml")+2)), ZipHeaderMismatch},
		"wrong CRC everywhere":         {func() []byte { d := set32(14, 1); le.PutUint32(d[start+16:], 1); return d }(), ZipCorrupt},
		"encrypted":                    {set16(start+8, flagEncrypted), ZipUnsupported},
		"unknown method":               {set16(start+10, 12), ZipUnsupported},
		"ZIP64 size":                   {set32(start+24, 1<<32-1), ZipUnsupported},
		"ZIP64 count":                  {func() []byte { d := set16(end+8, 1<<16-1); le.PutUint16(d[end+10:], 1<<16-1); return d }(), ZipUnsupported},
		"entry on another disk":        {set16(start+34, 1), ZipUnsupported},
		"stored with two sizes":        {set32(start+20, 5), ZipMalformed},
		"bomb":                         {bomb(4 << 20), ZipRatio},
		"one file too large":           {set32(start+24, MaxTotal+1), ZipMalformed},
		"together too large":           {writeZip(total), ZipTooLarge},
		"too many":                     {small(many...), ZipTooManyEntries},
		"folder with contents":         {small("Doc_0/"), ZipMalformed},
		"second name in extra field":   {withExtra("Doc_0/a.xml", "Doc_0/b.xml"), ZipBadName},
		"second name in extra, equal":  {withExtra("Doc_0/a.xml", "Doc_0/a.xml"), ""},
		"entries with data descriptor": {withDescriptors(), ""},
	} {
		_, err := readZip(c.data)
		if got := code(err); got != c.want || c.want == "" && err != nil {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if p, err := Open(c.data); (p == nil) == (err == nil) {
			t.Errorf("%s: package %v and error %v", name, p, err)
		}
	}
}

func set16x2(base []byte, a, b int, v uint16) []byte {
	out := bytes.Clone(base)
	binary.LittleEndian.PutUint16(out[a:], v)
	binary.LittleEndian.PutUint16(out[b:], v)
	return out
}

// withExtra makes an archive with an Info-ZIP Unicode Path field, by archive/zip.
func withExtra(name, other string) []byte {
	extra := binary.LittleEndian.AppendUint16(nil, 0x7075)
	extra = binary.LittleEndian.AppendUint16(extra, uint16(5+len(other)))
	extra = binary.LittleEndian.AppendUint32(append(extra, 1), crc32.ChecksumIEEE([]byte(name)))
	extra = append(extra, other...)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	_, _ = w.CreateHeader(&zip.FileHeader{Name: name, Extra: extra})
	_ = w.Close()
	return b.Bytes()
}

// withDescriptors makes an archive as archive/zip and Java write it: sizes behind the data, a folder entry.
func withDescriptors() []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	_, _ = w.Create("Doc_0/")
	f, _ := w.Create("Doc_0/a.xml")
	_, _ = f.Write(bytes.Repeat([]byte("content "), 100))
	_ = w.Close()
	return b.Bytes()
}

// Flipping any bit of an archive makes it another: refused, or read with another content, never read the same but for
// what no reader looks at (times, versions, attributes).
func TestEveryFlippedBitOfAnArchiveIsSeen(t *testing.T) {
	base := small("Doc_0/a.xml")
	before, err := readZip(base)
	if err != nil {
		t.Fatal(err)
	}
	unseen := 0
	for i := range base {
		for bit := range 8 {
			changed := bytes.Clone(base)
			changed[i] ^= 1 << bit
			after, err := readZip(changed)
			if err != nil {
				continue
			}
			if len(after) != len(before) {
				t.Errorf("byte %d: %d entries without an error", i, len(after))
				continue
			}
			for j := range after {
				if after[j].name != before[j].name || after[j].sum != before[j].sum {
					t.Errorf("byte %d: another content without an error", i)
				}
			}
			unseen++
		}
	}
	// Per entry: version, flags without meaning, time and date, local and central, and in the directory 10 bytes of
	// attributes and the writer's version.
	if most := 2 * 8 * (2 + 2 + 4 + 2 + 2 + 2 + 4 + 8); unseen > most {
		t.Errorf("%d bits are not looked at, want at most %d", unseen, most)
	}
}

func TestPathsResolveInsideThePackage(t *testing.T) {
	for _, c := range []struct{ folder, location, want string }{
		{"Doc_0", "Pages/Page_0/Content.xml", "Doc_0/Pages/Page_0/Content.xml"},
		{"Doc_0", "/Doc_0/a", "Doc_0/a"}, {"Doc_0/Res", "../a", "Doc_0/a"}, {"", "a", "a"}, {"Doc_0", " ./a ", "Doc_0/a"},
		{"Doc_0", "../../a", ""}, {"", "../a", ""}, {"", "/../a", ""}, {"", "", ""}, {"", "/", ""}, {"Doc_0", "..", ""},
		{"", `a\b`, ""}, {"", "http://x/y", ""}, {"a/b", "../../../a/b/c", ""}, {"", "a\x00", ""},
	} {
		got, err := resolve(c.folder, "f", c.location)
		if got != c.want || (err == nil) != (c.want != "") || err != nil && code(err) != BadPath {
			t.Errorf("resolve(%q, %q) = %q, %v, want %q", c.folder, c.location, got, err, c.want)
		}
	}
}

func TestXMLTricksAreRefused(t *testing.T) {
	const ns = ` xmlns="http://www.ofdspec.org/2016"`
	for name, c := range map[string]struct {
		xml  string
		want Code
	}{
		"plain":                 {`<OFD` + ns + `/>`, ""},
		"byte order mark":       {"\ufeff" + `<OFD` + ns + `/>`, ""},
		"old namespace":         {`<o:OFD xmlns:o="http://www.ofdspec.org"/>`, ""},
		"document type":         {`<!DOCTYPE OFD><OFD` + ns + `/>`, XMLDTD},
		"entity declared":       {`<!DOCTYPE OFD [<!ENTITY a "b">]><OFD` + ns + `>&a;</OFD>`, XMLDTD},
		"entity undeclared":     {`<OFD` + ns + `>&a;</OFD>`, XMLMalformed},
		"HTML entity":           {`<OFD` + ns + `>&nbsp;</OFD>`, XMLMalformed},
		"no namespace":          {`<OFD/>`, XMLNamespace},
		"other namespace":       {`<OFD` + ns + `><x xmlns="urn:x"/></OFD>`, XMLNamespace},
		"undeclared prefix":     {`<ofd:OFD/>`, XMLNamespace},
		"attribute twice":       {`<OFD` + ns + ` a="1" a="2"/>`, XMLDuplicate},
		"two roots":             {`<OFD` + ns + `/><OFD` + ns + `/>`, XMLMalformed},
		"text behind":           {`<OFD` + ns + `/>x`, XMLMalformed},
		"other root":            {`<Document` + ns + `/>`, XMLMalformed},
		"not closed":            {`<OFD` + ns + `>`, XMLMalformed},
		"empty":                 {``, XMLMalformed},
		"other encoding":        {`<?xml version="1.0" encoding="GBK"?><OFD` + ns + `/>`, XMLMalformed},
		"UTF-16":                {"\xff\xfe<\x00O\x00", XMLMalformed},
		"65 levels":             {`<OFD` + ns + `>` + strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65) + `</OFD>`, XMLTooLarge},
		"65 attributes":         {`<OFD` + ns + strings.Repeat(` a="1"`, 65) + `/>`, XMLTooLarge},
		"too many elements":     {`<OFD` + ns + `>` + strings.Repeat("<a/>", maxXMLNodes) + `</OFD>`, XMLTooLarge},
		"too many bytes":        {`<OFD` + ns + `>` + strings.Repeat(" ", maxXMLSize) + `</OFD>`, XMLTooLarge},
		"one long comment":      {`<OFD` + ns + `/><!--` + strings.Repeat(" ", maxXMLSize) + `-->`, XMLTooLarge},
		"text in many segments": {`<OFD` + ns + `>` + strings.Repeat("x<!-- -->", 100_000) + `</OFD>`, ""},
	} {
		budget := maxXMLTotal
		n, err := readXML("f", []byte(c.xml), &budget, "", "OFD")
		if got := code(err); got != c.want || (n == nil) != (c.want != "") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
