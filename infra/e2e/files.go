package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/pdf"
)

// Commands that make documents and spoil them.

// make: make FILE TITLE LINE… [-pages N] [-attach N]: a document, PDF or OFD by its name; an OFD with an attachment of
// N random bytes.
func (p *play) make(_ context.Context, a args) error {
	if err := a.need(2, -1, "pages", "attach"); err != nil {
		return err
	}
	fonts, err := layout.Embedded()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(a.one("pages", "1"))
	if err != nil {
		return err
	}
	var pages []layout.Page
	for range n {
		page := layout.Page{W: 210, H: 297}
		for i, line := range a.at[1:] {
			page.Items = append(page.Items, layout.Text{X: 30, Y: 40 + 12*float64(i), Size: 5, S: line})
		}
		pages = append(pages, page)
	}
	now := time.Now()
	var data []byte
	switch mediaOf(a.at[0]) {
	case "application/pdf":
		data, err = pdf.Write(pdf.Document{Pages: pages, Title: a.at[1], Created: now, Lang: "zh-CN"}, fonts)
	case "application/ofd":
		var id [16]byte
		_, _ = rand.Read(id[:]) // never fails (crypto/rand)
		d := ofd.Document{Pages: pages, Title: a.at[1], Created: now, DocID: hex.EncodeToString(id[:])}
		if n, _ := strconv.Atoi(a.one("attach", "0")); n > 0 {
			content := make([]byte, n)
			_, _ = rand.Read(content) // never fails
			d.Attachments = []ofd.Attachment{{Name: "annex.bin", Data: content}}
		}
		data, err = ofd.Write(d, fonts)
	default:
		return fmt.Errorf("%q is neither a PDF nor an OFD", a.at[0])
	}
	p.files[a.at[0]] = data
	return err
}

// alter: alter FILE -after TEXT -skip N -> FILE flips a bit; alter FILE [-entry PART] -from TEXT -to TEXT -> FILE
// replaces text, in the entries of a package whose names have PART.
func (p *play) alter(_ context.Context, a args) error {
	if err := a.need(1, 1, "after", "skip", "from", "to", "entry"); err != nil {
		return err
	}
	data, err := p.file(a.at[0])
	if err != nil {
		return err
	}
	if a.to == "" {
		return errors.New("the altered file needs a name")
	}
	if after := strings.ReplaceAll(a.one("after", ""), `\n`, "\n"); after != "" {
		skip, err := strconv.Atoi(a.one("skip", "0"))
		at := bytes.Index(data, []byte(after)) + len(after) + skip
		if err != nil || at < len(after)+skip || at >= len(data) {
			return errors.New("there is nothing to alter")
		}
		forged := bytes.Clone(data)
		forged[at] ^= 1
		p.files[a.to] = forged
		return nil
	}
	edit := func(b []byte) []byte { return bytes.Replace(b, []byte(a.one("from", "")), []byte(a.one("to", "")), 1) }
	forged := edit(data)
	if entry := a.one("entry", ""); entry != "" {
		if forged, err = editPackage(data, entry, edit); err != nil {
			return err
		}
	}
	if bytes.Equal(forged, data) {
		return errors.New("there is nothing to alter")
	}
	p.files[a.to] = forged
	return nil
}

// editPackage rewrites the entries of a ZIP package whose names have part. Where nothing changes it returns the
// package.
func editPackage(data []byte, part string, edit func([]byte) []byte) ([]byte, error) {
	in, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	changed := false
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(io.LimitReader(r, maxAnswer))
		if err != nil {
			return nil, err
		}
		if strings.Contains(f.Name, part) {
			edited := edit(content)
			changed = changed || !bytes.Equal(edited, content)
			content = edited
		}
		entry, err := w.Create(f.Name)
		if err != nil {
			return nil, err
		}
		if _, err := entry.Write(content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if !changed {
		return data, nil
	}
	return out.Bytes(), nil
}

// fill: fill FILE N: a file of N bytes, all of them "x".
func (p *play) fill(_ context.Context, a args) error {
	if err := a.need(2, 2); err != nil {
		return err
	}
	n, err := strconv.Atoi(a.at[1])
	if err != nil || n < 0 || n > maxAnswer {
		return fmt.Errorf("a file of %q bytes", a.at[1])
	}
	p.files[a.at[0]] = bytes.Repeat([]byte("x"), n)
	return nil
}

// digest: digest FILE -> NAME: its SHA-256 in hexadecimal; NAME_size is its length.
func (p *play) digest(_ context.Context, a args) error {
	if err := a.need(1, 1); err != nil {
		return err
	}
	data, err := p.file(a.at[0])
	if err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	p.vars[a.to], p.vars[a.to+"_size"] = hex.EncodeToString(sum[:]), strconv.Itoa(len(data))
	return nil
}
