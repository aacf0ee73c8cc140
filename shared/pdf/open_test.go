package pdf

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/layout"
)

// TestEveryKindOfFileCanBeSigned signs hand-made files of each structure twice.
func TestEveryKindOfFileCanBeSigned(t *testing.T) {
	a, b := newAuthority(t, "示例省财政厅"), newAuthority(t, "示例省商务厅")
	annots := onePage("/Annots 6 0 R")
	annots[6] = "[7 0 R]"
	annots[7] = "<</Type/Annot/Subtype/Text/Contents(note)/Rect[10 10 20 20]/AP<</N 8 0 R>>>>"
	annots[8] = streamOf("/Type/XObject/Subtype/Form/BBox[0 0 10 10]", "")
	direct := onePage("")
	direct[1] = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[]/DA(/F 0 Tf)>>>>"
	for name, data := range map[string][]byte{
		"classic":             onePage("").classic(),
		"no end of line":      bytes.TrimSuffix(onePage("").classic(), []byte("\n")),
		"streams":             onePage("").streamed(),
		"hybrid":              onePage("").hybrid(),
		"form":                form().classic(),
		"form in streams":     form().streamed(),
		"indirect annots":     annots.classic(),
		"annots in streams":   annots.streamed(),
		"direct form":         direct.classic(),
		"incremental":         revise(t, onePage("").classic(), handmade{4: streamOf("", "q Q")}, ""),
		"our own":             notice(t),
		"white space at end":  append(onePage("").classic(), "\n\n  "...),
		"PDF 2.0":             bytes.Replace(onePage("").classic(), []byte("%PDF-1.7"), []byte("%PDF-2.0"), 1),
		"no identifier":       bytes.Replace(onePage("").classic(), []byte(fileID), nil, 1),
		"rotated":             onePage("/Rotate 90").classic(),
		"rotated, in streams": onePage("/Rotate 270/CropBox[10 10 190 290]").streamed(),
	} {
		t.Run(name, func(t *testing.T) {
			first := visible(t, "示例省财政厅", 2, 2)
			second := visible(t, "示例省商务厅", 5, 40)
			second.Rect.W, second.Rect.H = 20, 20
			signed := stamp(t, stamp(t, data, first, a), second, b)
			wantIntact(t, signed, 2)
			wantAccepted(t, signed, b)
		})
	}
}

// TestASealStandsWhereItWasPut compares the ink of a rendered page with the rectangle that was asked for, on pages
// that are turned, cropped and moved.
func TestASealStandsWhereItWasPut(t *testing.T) {
	tool(t, "pdftoppm")
	a := newAuthority(t, "示例省财政厅")
	// The left half of the appearance is red, its upper right quarter blue: so turns and mirrors show.
	flag := layout.Page{W: 20, H: 10, Items: []layout.Item{
		layout.Path{Fill: layout.Color{R: 255}, Ops: rectangle(0, 0, 10, 10)},
		layout.Path{Fill: layout.Color{B: 255}, Ops: rectangle(10, 0, 10, 5)},
	}}
	for _, extra := range []string{
		"", "/Rotate 90", "/Rotate 180", "/Rotate 270", "/Rotate -90", "/MediaBox[-50 100 250 500]",
		"/MediaBox[-50 100 250 500]/Rotate 90", "/CropBox[30 40 190 280]", "/CropBox[30 40 190 280]/Rotate 270",
		"/UserUnit 2",
	} {
		h := onePage(extra)
		delete(h, 4)
		h[4] = streamOf("", "")
		data := h.classic()
		f, err := Open(data)
		check(t, err)
		w, _, err := f.PageSize(1)
		check(t, err)
		want := Rect{X: 12, Y: 30, W: 20, H: 10}
		signed := stamp(t, data, Signature{Page: 1, Rect: want, Appearance: flag, Time: signedAt}, a)
		got := examine(t, signed).Signatures[0].Rect
		if math.Abs(got.X-want.X)+math.Abs(got.Y-want.Y)+math.Abs(got.W-want.W)+math.Abs(got.H-want.H) > 0.01 {
			t.Errorf("%q: Rect %+v, want %+v", extra, got, want)
		}
		pixels := render(t, signed)
		perMM := float64(len(pixels[0])) / w
		at := func(x, y float64) [3]byte { return pixels[int(y*perMM)][int(x*perMM)] }
		red, blue, white := [3]byte{255, 0, 0}, [3]byte{0, 0, 255}, [3]byte{255, 255, 255}
		for _, c := range []struct {
			x, y float64
			want [3]byte
		}{
			{13, 31, red}, {13, 39, red}, {21, 35, red}, {23, 31, blue}, {31, 34, blue}, {23, 36, white}, {31, 39, white},
			{11, 35, white}, {33, 32, white}, {15, 29, white}, {15, 41, white},
		} {
			if got := at(c.x, c.y); got != c.want {
				t.Errorf("%q: at %v, %v mm the page is %v, want %v", extra, c.x, c.y, got, c.want)
			}
		}
	}
}

func rectangle(x, y, w, h float64) []layout.Op {
	return []layout.Op{
		{Kind: 'M', X: x, Y: y}, {Kind: 'L', X: x + w, Y: y}, {Kind: 'L', X: x + w, Y: y + h}, {Kind: 'L', X: x, Y: y + h},
		{Kind: 'Z'},
	}
}

// render returns the pixels of the first page.
func render(t *testing.T, data []byte) [][][3]byte {
	t.Helper()
	dir := t.TempDir()
	prefix := filepath.Join(dir, "page")
	if out, err := run(t, data, "pdftoppm", "-r", "100", "-cropbox", "-singlefile", "FILE", prefix); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ppm, err := os.ReadFile(prefix + ".ppm")
	check(t, err)
	var w, h, top int
	if _, err := fmt.Sscanf(string(ppm[:min(len(ppm), 40)]), "P6\n%d %d\n%d", &w, &h, &top); err != nil {
		t.Fatal(err)
	}
	body := ppm[len(ppm)-3*w*h:]
	pixels := make([][][3]byte, h)
	for y := range pixels {
		pixels[y] = make([][3]byte, w)
		for x := range pixels[y] {
			pixels[y][x] = [3]byte(body[3*(y*w+x):])
		}
	}
	return pixels
}

// TestForeignFilesCanBeSigned signs what qpdf, MuPDF and Chromium write.
func TestForeignFilesCanBeSigned(t *testing.T) {
	a, b := newAuthority(t, "示例省财政厅"), newAuthority(t, "示例省商务厅")
	convert := func(t *testing.T, command string, args ...string) []byte {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out.pdf")
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "OUT", out)
		}
		if s, err := run(t, notice(t), command, args...); err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
		data, err := os.ReadFile(out)
		check(t, err)
		return data
	}
	for name, make := range map[string]func(*testing.T) []byte{
		"qpdf": func(t *testing.T) []byte { return convert(t, "qpdf", "FILE", "OUT") },
		"qpdf object streams": func(t *testing.T) []byte {
			return convert(t, "qpdf", "--object-streams=generate", "FILE", "OUT")
		},
		"qpdf linearised": func(t *testing.T) []byte {
			return convert(t, "qpdf", "--linearize", "FILE", "OUT")
		},
		"qpdf linearised streams": func(t *testing.T) []byte {
			return convert(t, "qpdf", "--linearize", "--object-streams=generate", "FILE", "OUT")
		},
		"qpdf QDF": func(t *testing.T) []byte {
			return convert(t, "qpdf", "--qdf", "FILE", "OUT")
		},
		"mutool":         func(t *testing.T) []byte { return convert(t, "mutool", "clean", "-gggg", "FILE", "OUT") },
		"mutool convert": func(t *testing.T) []byte { return convert(t, "mutool", "convert", "-o", "OUT", "FILE") },
		"chromium":       chromium,
	} {
		t.Run(name, func(t *testing.T) {
			data := make(t)
			signed := stamp(t, data, visible(t, "示例省财政厅", 20, 20), a)
			signed = stamp(t, signed, visible(t, "示例省商务厅", 80, 20), b)
			wantIntact(t, signed, 2)
			wantAccepted(t, signed, b)
		})
	}
}

func chromium(t *testing.T) []byte {
	t.Helper()
	command := tool(t, "chromium")
	dir := t.TempDir()
	page := filepath.Join(dir, "page.html")
	check(t, os.WriteFile(page, []byte("<meta charset=utf-8><h1>Notice 公告</h1><input value=x>"), 0o600))
	out := filepath.Join(dir, "out.pdf")
	c := exec.CommandContext(t.Context(), command, "--headless", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+filepath.Join(dir, "profile"), "--print-to-pdf="+out, page)
	c.WaitDelay = time.Second
	timer := time.AfterFunc(40*time.Second, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	if s, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	data, err := os.ReadFile(out)
	check(t, err)
	return data
}

func TestEncryptedFilesAreRefusedByName(t *testing.T) {
	h := onePage("")
	h[6] = "<</Filter/Standard/V 1/R 2>>"
	data := bytes.Replace(h.classic(), []byte(fileID), []byte(fileID+"/Encrypt 6 0 R"), 1)
	if _, err := Open(data); refusal(err) != Encrypted {
		t.Error(err)
	}
	out := filepath.Join(t.TempDir(), "out.pdf")
	if s, err := run(t, notice(t), "qpdf", "--encrypt", "", "owner", "256", "--", "FILE", out); err != nil {
		t.Fatalf("%v\n%s", err, s)
	}
	data, err := os.ReadFile(out)
	check(t, err)
	if _, err := Open(data); refusal(err) != Encrypted {
		t.Error(err)
	}
}

func TestDamagedFilesAreRefused(t *testing.T) {
	classic := string(onePage("").classic())
	replaced := func(old, new string) string {
		if !strings.Contains(classic, old) {
			t.Fatalf("the file has no %q", old)
		}
		return strings.Replace(classic, old, new, 1)
	}
	start := strings.LastIndex(classic, "startxref\n")
	circle := func() string {
		data := revise(t, []byte(classic), handmade{5: "(x)"}, "")
		f, err := Open(data)
		check(t, err)
		at := strings.LastIndex(string(data), "xref\n5 1") // the section of the second revision
		return strings.Replace(string(data), fmt.Sprintf("/Prev %d", f.sections[1].offset), fmt.Sprintf("/Prev %d", at),
			1)
	}
	for name, data := range map[string]string{
		"empty":                 "",
		"header only":           "%PDF-1.7\n",
		"no header":             classic[1:],
		"no startxref":          classic[:start],
		"startxref off by one":  replaced("startxref\n", "startxref\n9"),
		"no end-of-file marker": replaced("%%EOF", "%%EO"),
		"a section in a circle": circle(),
		"no catalog":            replaced("/Type/Catalog", "/Type/Catalug"),
		"no pages":              replaced("/Kids[3 0 R]", "/Kids[     ]"),
		"page tree in a circle": replaced("/Kids[3 0 R]", "/Kids[2 0 R]"),
		"page twice":            replaced("/Kids[3 0 R]/Count 1", "/Kids[3 0 R 3 0 R]"),
		"key twice":             replaced("/Type/Pages", "/Type/Pages/Type/Pages"),
		"object elsewhere":      replaced("3 0 obj", "8 0 obj"),
		"open dictionary":       replaced("/Count 1", "/Count<<"),
		"deep nesting":          replaced("/Count 1", "/Count "+strings.Repeat("[", 100)),
	} {
		f, err := Open([]byte(data))
		if got := refusal(err); f != nil || got != Damaged && got != TooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
	hybrid := string(onePage("").hybrid())
	at := strings.Index(hybrid, "1 1\n00000000")
	hybrid = hybrid[:at] + "5 1\n0000000020 00000 n \n" + hybrid[at:]
	i := strings.LastIndex(hybrid, "startxref\n")
	if _, err := Open([]byte(hybrid)); refusal(err) != Damaged {
		t.Errorf("two places for one object in a hybrid file: %v (%s)", err, hybrid[i:])
	}
	bomb := onePage("")
	b := bytes.NewBufferString("%PDF-1.7\n")
	places := map[int]entry{}
	for num, offset := range bomb.write(b, nil) {
		places[num] = entry{1, offset, 0}
	}
	rows := "/Type/XRef/W[1 3 2]/Size 10/Root 1 0 R/Filter/FlateDecode"
	at = b.Len()
	zeros := deflate(strings.Repeat("\x00", 80<<20))
	fmt.Fprintf(b, "9 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n", streamOf(rows, zeros), at)
	if _, err := Open(b.Bytes()); refusal(err) != TooLarge {
		t.Errorf("a stream that grows to 80 MiB: %v", err)
	}
}

// Each of these took quadratic time or a deep stack in one reader or another. What bounds them is refused by name; what is
// only large is read.
func TestHostileFilesMeetTheirBounds(t *testing.T) {
	const n = 20000
	long := onePage("")
	lengths := onePage("")
	for i := range n { // each stream has its length in the next one
		lengths[10+i] = fmt.Sprintf("<</Length %d 0 R>>\nstream\n\nendstream", 11+i)
	}
	lengths[3] = "<</Type/Page/Parent 2 0 R/Annots 10 0 R>>"
	open := onePage("")
	for i := range n {
		open[10+i] = "(/ByteRange 1 0 obj"
	}
	outlines := onePage("")
	outlines[1] = "<</Type/Catalog/Pages 2 0 R/Outlines 10 0 R>>"
	for i := range n {
		outlines[10+i] = fmt.Sprintf("<</Next %d 0 R>>", 11+i)
	}
	long[6] = streamOf("", strings.Repeat("/ByteRange 1 0 obj<</Contents<00>/ByteRange[0]", n))
	tree := onePage("")
	for i := range 70 {
		tree[10+i] = fmt.Sprintf("<</Type/Pages/Kids[%d 0 R]>>", 11+i)
	}
	tree[2] = "<</Type/Pages/Kids[10 0 R]>>"
	a := newAuthority(t, "示例")
	for name, test := range map[string]struct {
		file  handmade
		bound Code
	}{
		"marks in a stream": {long, ""}, "lengths": {lengths, Damaged}, "open strings": {open, TooLarge}, "outlines": {outlines, ""},
		"page tree": {tree, TooLarge},
	} {
		h := test.file
		f, err := Open(h.classic())
		if err == nil {
			if test.bound == "" { // nothing wrong: signed, changed and compared
				signed := revise(t, stamp(t, h.classic(), Signature{Page: 1, Time: signedAt}, a), handmade{1: h[1]}, "")
				f, err = Open(signed)
				check(t, err)
			}
			_, err = f.Examine()
		}
		if refusal(err) != test.bound {
			t.Errorf("%s: %v, want the bound %q", name, err, test.bound)
		}
	}
	big := append(onePage("").classic(), bytes.Repeat([]byte("/ByteRange"), 1<<19)...)
	f, err := Open(big)
	check(t, err)
	if _, err := f.Examine(); err != nil {
		t.Error(err)
	}
}

func TestBadRequestsAreRefusedByName(t *testing.T) {
	f, err := Open(notice(t))
	check(t, err)
	good := visible(t, "示例", 20, 20)
	for name, c := range map[string]struct {
		change func(*Signature)
		want   Code
	}{
		"page 0":               {func(s *Signature) { s.Page = 0 }, NoSuchPage},
		"page 3 of 2":          {func(s *Signature) { s.Page = 3 }, NoSuchPage},
		"beside the page":      {func(s *Signature) { s.Rect.X = 200 }, OutsidePage},
		"above the page":       {func(s *Signature) { s.Rect.Y = -5 }, OutsidePage},
		"no size":              {func(s *Signature) { s.Appearance.W = 0 }, InvalidAppearance},
		"picture without room": {func(s *Signature) { s.Rect = Rect{} }, InvalidAppearance},
		"text without fonts": {func(s *Signature) {
			s.Appearance.Items = []layout.Item{layout.Text{Size: 5, S: "x"}}
		}, InvalidAppearance},
		"no image":    {func(s *Signature) { s.Appearance.Items = []layout.Item{layout.Image{W: 5, H: 5}} }, InvalidImage},
		"no time":     {func(s *Signature) { s.Time = time.Time{} }, InvalidTime},
		"broken text": {func(s *Signature) { s.Name = "\xff" }, InvalidText},
	} {
		s := good
		c.change(&s)
		if _, err := f.Prepare(s); refusal(err) != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	small := good
	small.Reserve = 100
	p, err := f.Prepare(small)
	check(t, err)
	if _, err := p.Embed(message(t, p, newAuthority(t, "示例"))); refusal(err) != ReserveTooSmall {
		t.Error(err)
	}
	if _, err := p.Embed([]byte{0x30, 5, 0}); refusal(err) != InvalidSignature {
		t.Error(err)
	}
	xfa := form()
	xfa[6] = "<</Fields[7 0 R]/XFA(x)>>"
	if f, err = Open(xfa.classic()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Prepare(Signature{Page: 1, Time: signedAt}); refusal(err) != XFAForm {
		t.Error(err)
	}
}

// TestTextStringsSurvive reads back what was written into the signature dictionary, with every byte that a literal
// string would have to escape.
func TestTextStringsSurvive(t *testing.T) {
	a := newAuthority(t, "示例")
	s := Signature{Page: 1, Name: "局(\\)", Reason: "張䶮 𬱖𫖯𬭎 \r\n", Location: "⠨⤩⡜", ContactInfo: "a", Time: signedAt}
	data := stamp(t, notice(t), s, a)
	got := examine(t, data).Signatures[0]
	if got.Name != s.Name || got.Reason != s.Reason || got.Location != s.Location || got.ContactInfo != s.ContactInfo ||
		!got.Time.Equal(s.Time) || got.SubFilter != SubFilterCAdES || got.Page != 0 && got.Page != 1 {
		t.Errorf("%+v", got)
	}
}

func TestDatesAreReadWithTheirZone(t *testing.T) {
	for s, want := range map[string]string{
		"D:20260314083000Z": "2026-03-14T08:30:00Z", "D:20260314163000+08'00'": "2026-03-14T08:30:00Z",
		"D:20260314163000+08'00": "2026-03-14T08:30:00Z", "D:20260314083000": "2026-03-14T08:30:00Z",
		"20260314083000": "0001-01-01T00:00:00Z", "D:2026": "0001-01-01T00:00:00Z",
		"D:20261314083000Z": "0001-01-01T00:00:00Z",
	} {
		if got := parseDate(s).UTC().Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}

// FuzzOpen: a value or a refusal; what opens has pages, is examined in bounded time, and what can be prepared keeps
// every byte that was there.
func FuzzOpen(f *testing.F) {
	a := newAuthority(f, "示例")
	f.Add(onePage("").classic())
	f.Add(onePage("/Rotate 90").streamed())
	f.Add(onePage("").hybrid())
	f.Add(form().streamed())
	signed := signedForm(f, a, true)
	f.Add(signed)
	f.Add(revise(f, signed, handmade{7: with(f, signed, 7, "/V(2)")}, ""))
	f.Fuzz(func(t *testing.T, data []byte) {
		before := bytes.Clone(data)
		file, err := Open(data)
		if (file == nil) == (err == nil) || err != nil && refusal(err) == "" {
			t.Fatalf("value and error, neither, or an error of another kind: %v", err)
		}
		if err != nil {
			return
		}
		if file.Pages() < 1 {
			t.Fatal("no pages")
		}
		report, err := file.Examine()
		if err != nil {
			if refusal(err) == "" {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		for _, s := range report.Signatures {
			end := s.ByteRange[2] + s.ByteRange[3]
			if s.Coverage == WholeFile && (end != len(data) || s.Contents == nil && len(s.Findings) == 0) {
				t.Fatalf("a coverage that is not there: %+v", s)
			}
		}
		p, err := file.Prepare(Signature{Page: 1, Time: signedAt, Reserve: 64})
		if !bytes.Equal(data, before) {
			t.Fatal("the input was changed")
		}
		if err == nil && !bytes.HasPrefix(p.data, data) {
			t.Fatal("bytes of the file were changed")
		}
	})
}

func BenchmarkSign(b *testing.B) {
	a := newAuthority(b, "示例省财政厅")
	data, s := notice(b), visible(b, "示例省财政厅", 60, 180)
	b.Run("bare ECDSA", func(b *testing.B) {
		digest := make([]byte, 32)
		for b.Loop() {
			_, err := a.SignDigest(b.Context(), digest)
			check(b, err)
		}
	})
	b.Run("stamp", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			stamp(b, data, s, a)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	a := newAuthority(b, "示例省财政厅")
	one := stamp(b, notice(b), visible(b, "示例省财政厅", 60, 180), a)
	two := stamp(b, one, visible(b, "示例省商务厅", 120, 180), a)
	b.Run("bare ECDSA", func(b *testing.B) {
		digest := make([]byte, 32)
		signature, err := a.SignDigest(b.Context(), digest)
		check(b, err)
		for b.Loop() {
			if !ecdsaVerify(a, digest, signature) {
				b.Fatal("refused")
			}
		}
	})
	for name, data := range map[string][]byte{"one signature": one, "two signatures": two} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				for _, s := range examine(b, data).Signatures {
					check(b, messageIntact(s))
				}
			}
		})
	}
}

func BenchmarkWrite(b *testing.B) {
	for b.Loop() {
		notice(b)
	}
}
