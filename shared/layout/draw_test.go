package layout

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

func sealPage(tb testing.TB, f *Fonts, spec SealSpec) Page {
	tb.Helper()
	p, err := SealPicture(spec, f)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

func facePage(tb testing.TB, f *Fonts, name, qr string) Page {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		tb.Fatal(err)
	}
	face, err := ParseTemplate(data)
	if err != nil {
		tb.Fatal(err)
	}
	p, err := face.Page(f, sampleValues, qr)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

const sampleLink = "http://localhost:8080/s/2f6c1f0e8b1d4f6a9e77"

var contractSeal = SealSpec{Name: "示例家政服务有限公司", Line: "合同专用章", Diameter: 42, Color: SealRed, Sample: true}

// drawnItems puts everything the model has on one page: transparent ground, text, curves, an image.
func drawnItems(tb testing.TB, f *Fonts) Page {
	tb.Helper()
	img := image.NewNRGBA(image.Rect(0, 0, 8, 8))
	for i := range 64 {
		img.Set(i%8, i/8, color.NRGBA{0, 90, 200, 255})
	}
	var data bytes.Buffer
	if err := png.Encode(&data, img); err != nil {
		tb.Fatal(err)
	}
	p := Page{W: 80, H: 60}
	p.Items = append(p.Items,
		Path{Fill: Color{255, 255, 255}, Ops: appendRect(nil, 0, 0, 80, 60)},
		Image{X: 60, Y: 8, W: 12, H: 9, PNG: data.Bytes()},
		Text{X: 5, Y: 55, Size: 6, Face: Bold, Color: Color{20, 20, 120}, S: "张䶮𬱖 Ag8（示例）"},
	)
	seal := sealPage(tb, f, contractSeal).Items[0].(Path)
	seal.Ops = Transform{A: 1, D: 1, E: 5, F: 4}.Apply(seal.Ops)
	p.Items = append(p.Items, seal)
	return p
}

// difference compares two pictures over white: the mean absolute difference of a channel in 1/255, and the largest
// difference of a 4×4 block's mean, which a shifted or missing stroke would raise and rounding at an edge does not.
func difference(tb testing.TB, a, b image.Image) (mean, block float64) {
	tb.Helper()
	if a.Bounds().Size() != b.Bounds().Size() {
		tb.Fatalf("sizes %v and %v", a.Bounds(), b.Bounds())
	}
	size := a.Bounds().Size()
	over := func(m image.Image, x, y int) [3]float64 {
		r, g, b, alpha := m.At(m.Bounds().Min.X+x, m.Bounds().Min.Y+y).RGBA()
		white := 0xFFFF - float64(alpha)
		return [3]float64{(float64(r) + white) / 257, (float64(g) + white) / 257, (float64(b) + white) / 257}
	}
	var sum float64
	for by := 0; by < size.Y; by += 4 {
		for bx := 0; bx < size.X; bx += 4 {
			var d [3]float64
			for y := by; y < min(by+4, size.Y); y++ {
				for x := bx; x < min(bx+4, size.X); x++ {
					p, q := over(a, x, y), over(b, x, y)
					for c := range d {
						d[c] += (p[c] - q[c]) / 16
						sum += math.Abs(p[c] - q[c])
					}
				}
			}
			block = max(block, math.Abs(d[0]), math.Abs(d[1]), math.Abs(d[2]))
		}
	}
	return sum / float64(3*size.X*size.Y), block
}

func decodePNG(tb testing.TB, data []byte) image.Image {
	tb.Helper()
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	return img
}

func pagePNG(tb testing.TB, p Page, f *Fonts, dpi float64) []byte {
	tb.Helper()
	data, err := PNG(p, f, dpi)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func pageSVG(tb testing.TB, p Page, f *Fonts) []byte {
	tb.Helper()
	data, err := SVG(p, f)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

var svgPath = regexp.MustCompile(`<path fill="#([0-9a-f]{6})" d="([^"]*)"/>`)

// TestSVGAndPNGShowTheSame reads our SVG's paths back and draws them.
func TestSVGAndPNGShowTheSame(t *testing.T) {
	f := embedded(t)
	for name, p := range map[string]Page{
		"seal": sealPage(t, f, contractSeal), "face": facePage(t, f, "home-service", sampleLink),
	} {
		back := Page{W: p.W, H: p.H}
		found := svgPath.FindAllStringSubmatch(string(pageSVG(t, p, f)), -1)
		if len(found) != len(p.Items) {
			t.Fatalf("%s: %d paths for %d items", name, len(found), len(p.Items))
		}
		for _, m := range found {
			fill, err := parseColor("fill", "#"+m[1], Black)
			if err != nil {
				t.Fatal(err)
			}
			spaced := regexp.MustCompile(`[MLQCZ]`).ReplaceAllString(m[2], " $0 ")
			ops, err := parsePath(spaced, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			back.Items = append(back.Items, Path{Ops: ops, Fill: fill})
		}
		ours := decodePNG(t, pagePNG(t, p, f, 150))
		mean, block := difference(t, ours, decodePNG(t, pagePNG(t, back, f, 150)))
		if mean > 0.2 || block > 12 {
			t.Errorf("%s: mean difference %.3f, worst block %.1f", name, mean, block)
		}
	}
}

// needTool returns the path of a program, or skips the test; where YINXIN_REQUIRE_TOOLS is set its absence fails.
func needTool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("YINXIN_REQUIRE_TOOLS") != "" {
			t.Fatalf("needs %s", name)
		}
		t.Skipf("needs %s", name)
	}
	return path
}

// TestABrowserShowsWhatThePNGShows compares our rasteriser with Chromium's drawing of our SVG.
func TestABrowserShowsWhatThePNGShows(t *testing.T) {
	chromium := needTool(t, "chromium")
	f := embedded(t)
	p := drawnItems(t, f)
	const scale = 8 // pixels per millimetre
	dir := t.TempDir()
	millimetres, pixels := []byte(`width="80mm" height="60mm"`), []byte(`width="640" height="480"`)
	picture := bytes.Replace(pageSVG(t, p, f), millimetres, pixels, 1)
	if err := os.WriteFile(filepath.Join(dir, "page.svg"), picture, 0o600); err != nil {
		t.Fatal(err)
	}
	shot := filepath.Join(dir, "shot.png")
	cmd := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
		"--force-device-scale-factor=1", "--window-size=640,480", "--user-data-dir="+filepath.Join(dir, "profile"),
		"--screenshot="+shot, "file://"+filepath.Join(dir, "page.svg"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, out)
	}
	theirs, err := os.ReadFile(shot)
	if err != nil {
		t.Fatal(err)
	}
	mean, block := difference(t, decodePNG(t, pagePNG(t, p, f, 25.4*scale)), decodePNG(t, theirs))
	t.Logf("mean difference %.3f, worst block %.1f of 255", mean, block)
	if mean > 1 || block > 40 {
		t.Errorf("mean difference %.3f, worst block %.1f of 255", mean, block)
	}
}

func TestTheSameInputsGiveTheSameBytes(t *testing.T) {
	build := func() string {
		f := embedded(t)
		p := facePage(t, f, "business-licence", sampleLink)
		p.Items = append(p.Items, sealPage(t, f, contractSeal).Items...)
		return string(pagePNG(t, p, f, 96)) + string(pageSVG(t, p, f))
	}
	if first := build(); first != build() {
		t.Error("two runs gave different bytes")
	}
}

func TestTheQRCodeOfAPrintedFaceDecodes(t *testing.T) {
	f := embedded(t)
	links := []string{sampleLink, "https://yinxin.example/s/张䶮𬱖示例", strings.Repeat("0123456789abcdef", 30)}
	for _, link := range links {
		img := decodePNG(t, pagePNG(t, facePage(t, f, "business-licence", link), f, 200))
		bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
		if err != nil {
			t.Fatal(err)
		}
		hints := map[gozxing.DecodeHintType]interface{}{gozxing.DecodeHintType_CHARACTER_SET: "UTF-8"}
		got, err := qrcode.NewQRCodeReader().Decode(bitmap, hints)
		if err != nil || got.GetText() != link {
			t.Errorf("decoded %v, %v, want %q", got, err, link)
		}
	}
	if _, err := QR(strings.Repeat("长", 2000), 0, 0, 30); err == nil {
		t.Error("a text longer than any QR code was accepted")
	}
	if _, err := QR("", 0, 0, 30); err == nil {
		t.Error("an empty text was accepted")
	}
}

func TestPagesOutOfBoundsAreRefused(t *testing.T) {
	f := embedded(t)
	square := func(v float64) []Item { return []Item{Path{Ops: appendRect(nil, v, 0, 1, 1)}} }
	for name, p := range map[string]Page{
		"no size": {}, "not a number": {W: math.NaN(), H: 10}, "huge": {W: 1e9, H: 10},
		"far item": {W: 10, H: 10, Items: square(1e30)}, "NaN item": {W: 10, H: 10, Items: square(math.NaN())},
		"bad image": {W: 10, H: 10, Items: []Item{Image{W: 5, H: 5, PNG: []byte("GIF89a")}}},
	} {
		if img, err := PNG(p, f, 100); err == nil || img != nil {
			t.Errorf("%s: PNG = %d bytes, %v", name, len(img), err)
		}
		if name == "bad image" {
			continue // the SVG carries images as they are
		}
		if svg, err := SVG(p, f); err == nil || svg != nil {
			t.Errorf("%s: SVG = %d bytes, %v", name, len(svg), err)
		}
	}
	if _, err := PNG(Page{W: 210, H: 297}, f, 5000); err == nil {
		t.Error("A4 at 5000 dpi was accepted")
	}
}

func TestAMissingCharacterStopsEveryWriter(t *testing.T) {
	f := embedded(t)
	p := Page{W: 50, H: 20, Items: []Item{Text{X: 2, Y: 10, Size: 5, S: "张\U00020000"}}}
	_, asPNG := PNG(p, f, 96)
	_, asSVG := SVG(p, f)
	_, asSeal := SealPicture(SealSpec{Name: "示例\U00020000中心", Diameter: 42}, f)
	_, asLine := SealPicture(SealSpec{Name: "示例中心", Line: "\U00020000章", Diameter: 42}, f)
	for _, err := range []error{asPNG, asSVG, asSeal, asLine} {
		var missing *MissingGlyphError
		if !errors.As(err, &missing) || missing.Rune != '\U00020000' {
			t.Errorf("error %v", err)
		}
	}
}

// TestSealCharactersKeepClearOfEachOther draws every character of a seal by itself and looks for a pixel that two of
// them, or one and the ring or star, both cover. Characters that fill their square are the hard case.
func TestSealCharactersKeepClearOfEachOther(t *testing.T) {
	f := embedded(t)
	const dpi = 300
	for n := minSealName; n <= maxSealName; n++ {
		for _, line := range []string{"", "行政许可电子专用章"} {
			g := newSealGeometry(n, line != "")
			parts := [][]Op{appendCircle(appendCircle(nil, sealRadius, true), sealRadius-sealRing, false),
				appendStar(nil, sealStar)}
			for i := range n {
				ops, err := g.appendOnArc(nil, f, []rune("国疆圆鼎")[i%4], -g.arc/2+float64(i)*g.step)
				if err != nil {
					t.Fatal(err)
				}
				parts = append(parts, ops)
			}
			top := float64(sealLineTop)
			var ops []Op
			var err error
			if line != "" {
				if ops, top, err = g.appendLine(nil, f, line, top, sealMaxHeight*sealLineFactor); err != nil {
					t.Fatal(err)
				}
				parts = append(parts, ops)
			}
			if ops, _, err = g.appendLine(nil, f, "示例", top, sealSampleSize); err != nil {
				t.Fatal(err)
			}
			parts = append(parts, ops)
			if at, clear := overlap(t, f, parts, dpi); !clear {
				t.Errorf("%d characters, line %q: two parts overlap at %v", n, line, at)
			}
			if g.width < 0.6*g.height || g.height < 2 {
				t.Errorf("%d characters: %.1f × %.1f mm are illegible", n, g.width, g.height)
			}
		}
	}
}

// overlap finds a pixel more than half covered by two parts.
func overlap(t *testing.T, f *Fonts, parts [][]Op, dpi float64) (image.Point, bool) {
	t.Helper()
	var seen []bool
	for _, ops := range parts {
		moved := Transform{A: 1, D: 1, E: sealRadius, F: sealRadius}.Apply(ops)
		img, err := raster(Page{W: sealUnit, H: sealUnit, Items: []Item{Path{Ops: moved}}}, f, dpi)
		if err != nil {
			t.Fatal(err)
		}
		if seen == nil {
			seen = make([]bool, len(img.Pix)/4)
		}
		for i := range seen {
			if img.Pix[4*i+3] > 127 {
				if seen[i] {
					return image.Pt(i%img.Rect.Dx(), i/img.Rect.Dx()), false
				}
				seen[i] = true
			}
		}
	}
	return image.Point{}, true
}

func TestASealHasItsMeasures(t *testing.T) {
	f := embedded(t)
	for _, d := range []float64{42, 45, 50} {
		p := sealPage(t, f, SealSpec{Name: "示例省财政厅", Diameter: d, Color: SealRed})
		if p.W != d || p.H != d {
			t.Errorf("page of %v × %v mm for %v", p.W, p.H, d)
		}
		// 4 pixels per millimetre; along the horizontal radius: ring, nothing, then the star's arm.
		img := decodePNG(t, pagePNG(t, p, f, 25.4*4))
		if got, want := img.Bounds().Dx(), int(4*d); got != want {
			t.Fatalf("%d pixels wide, want %d", got, want)
		}
		at := func(x, y float64) color.NRGBA {
			k := d / 42 * 4
			return color.NRGBAModel.Convert(img.At(int(d*2+x*k), int(d*2+y*k))).(color.NRGBA)
		}
		red, clear := color.NRGBA{255, 0, 0, 255}, uint8(0)
		if got := at(0, 20.4); got != red {
			t.Errorf("ring at the bottom is %v", got)
		}
		if got := at(0, -6); got != red {
			t.Errorf("point of the star is %v", got)
		}
		if got := at(0, 15); got.A != clear {
			t.Errorf("ground is %v, not transparent", got)
		}
	}
}

func TestSealsThatCannotBeEngravedAreRefused(t *testing.T) {
	f := embedded(t)
	for _, spec := range []SealSpec{
		{Name: "", Diameter: 42}, {Name: "章", Diameter: 42}, {Name: strings.Repeat("示", 27), Diameter: 42},
		{Name: "示例中心", Line: strings.Repeat("章", 11), Diameter: 42},
	} {
		if p, err := SealPicture(spec, f); !errors.Is(err, ErrSealText) || p.Items != nil {
			t.Errorf("%+v: %v", spec, err)
		}
	}
	for _, d := range []float64{0, -1, 19, 61, math.NaN(), math.Inf(1)} {
		if _, err := SealPicture(SealSpec{Name: "示例中心", Diameter: d}, f); err == nil {
			t.Errorf("diameter %v was accepted", d)
		}
	}
}

func TestNumbersHaveThreeDecimalsAtMost(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", -1: "-1", 0.5: "0.5", 1.25: "1.25", 2.0004: "2", 2.0005001: "2.001", -0.0001: "0", 10.05: "10.05",
		-3.125: "-3.125", 100: "100", 0.001: "0.001", -0.02: "-0.02", 9999.9996: "10000",
	} {
		if got := string(AppendNumber(nil, v)); got != want {
			t.Errorf("AppendNumber(%v) = %s, want %s", v, got, want)
		}
	}
}

func BenchmarkSealPicture(b *testing.B) {
	f := embedded(b)
	b.Run("picture", func(b *testing.B) {
		for b.Loop() {
			sealPage(b, f, contractSeal)
		}
	})
	p := sealPage(b, f, contractSeal)
	b.Run("svg", func(b *testing.B) {
		for b.Loop() {
			pageSVG(b, p, f)
		}
	})
	for _, dpi := range []float64{300, 600} {
		b.Run(fmt.Sprintf("png-%.0fdpi", dpi), func(b *testing.B) {
			for b.Loop() {
				pagePNG(b, p, f, dpi)
			}
		})
	}
}

func BenchmarkFace(b *testing.B) {
	f := embedded(b)
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			facePage(b, f, "business-licence", sampleLink)
		}
	})
	p := facePage(b, f, "business-licence", sampleLink)
	b.Run("svg", func(b *testing.B) {
		for b.Loop() {
			pageSVG(b, p, f)
		}
	})
	b.Run("png-a4-150dpi", func(b *testing.B) {
		for b.Loop() {
			pagePNG(b, p, f, 150)
		}
	})
	b.Run("raster-a4-150dpi", func(b *testing.B) {
		for b.Loop() {
			if _, err := raster(p, f, 150); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkQR(b *testing.B) {
	for b.Loop() {
		if _, err := QR(sampleLink, 0, 0, 30); err != nil {
			b.Fatal(err)
		}
	}
}
