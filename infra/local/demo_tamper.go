package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// The forgeries of the story. Each changes a copy in one way that a forger would; none needs a key.

// editOFD rewrites the entries of a package: edit returns an entry's new content, and extra entries are added.
func editOFD(document []byte, edit func(name string, content []byte) []byte, extra map[string]string) ([]byte, error) {
	in, err := zip.NewReader(bytes.NewReader(document), int64(len(document)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	changed := len(extra) > 0
	for _, f := range in.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		edited := edit(f.Name, content)
		changed = changed || !bytes.Equal(edited, content)
		if err := addEntry(w, f.Name, edited); err != nil {
			return nil, err
		}
	}
	for name, content := range extra {
		if err := addEntry(w, name, []byte(content)); err != nil {
			return nil, err
		}
	}
	if !changed {
		return nil, errors.New("the forgery found nothing to change")
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func addEntry(w *zip.Writer, name string, content []byte) error {
	f, err := w.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return err
}

func unchanged(_ string, content []byte) []byte { return content }

// changedAmount alters text on a page of an OFD.
func changedAmount(document []byte, from, to string) ([]byte, error) {
	return editOFD(document, func(name string, content []byte) []byte {
		if !strings.Contains(name, "/Pages/") {
			return content
		}
		return bytes.Replace(content, []byte(from), []byte(to), 1)
	}, nil)
}

// smuggledFile adds a file that no signature covers.
func smuggledFile(document []byte) ([]byte, error) {
	return editOFD(document, unchanged, map[string]string{"Doc_0/Attachs/more.xml": "<more/>"})
}

var reference = regexp.MustCompile(`(?s)<ofd:Reference FileRef="[^"]*/Pages/[^"]*">.*?</ofd:Reference>`)

// droppedReference takes a page out of the list of what the first signature protects.
func droppedReference(document []byte) ([]byte, error) {
	return editOFD(document, func(name string, content []byte) []byte {
		if strings.Contains(name, "Sign_0/") || strings.Contains(name, "Sign_1/") {
			if at := reference.FindIndex(content); at != nil {
				return append(bytes.Clone(content[:at[0]]), content[at[1]:]...)
			}
		}
		return content
	}, nil)
}

// changedByte flips one bit of a PDF inside what its signatures protect: in the middle of the first stream.
func changedByte(document []byte) ([]byte, error) {
	at := bytes.Index(document, []byte("stream\n"))
	if at < 0 {
		return nil, errors.New("the document has no stream")
	}
	forged := bytes.Clone(document)
	forged[at+len("stream\n")+8] ^= 1
	return forged, nil
}

var (
	lastStartXref = regexp.MustCompile(`startxref\s+(\d+)\s+%%EOF\s*$`)
	pageObject    = regexp.MustCompile(`(\d+) 0 obj\n(<<[^\n]*/Type /Page>>)`)
	pageContents  = regexp.MustCompile(`/Contents \d+ 0 R`)
	trailer       = regexp.MustCompile(`/Root (\d+ 0 R)/Size (\d+)`)
)

// appendedRevision adds a revision in which the page has lost its text and kept its seals: an incremental saving attack.
func appendedRevision(document []byte) ([]byte, error) {
	previous := lastStartXref.FindSubmatch(document)
	pages := pageObject.FindAllSubmatch(document, -1)
	trailers := trailer.FindAllSubmatch(document, -1)
	if previous == nil || pages == nil || trailers == nil {
		return nil, errors.New("the document is not of the form that the forger expects")
	}
	page, last := pages[len(pages)-1], trailers[len(trailers)-1]
	out := bytes.NewBuffer(bytes.Clone(document))
	out.WriteByte('\n')
	object := out.Len()
	fmt.Fprintf(out, "%s 0 obj\n%s\nendobj\n", page[1], pageContents.ReplaceAll(page[2], nil))
	xref := out.Len()
	fmt.Fprintf(out, "xref\n%s 1\n%010d 00000 n \ntrailer\n<</Root %s/Size %s/Prev %s>>\nstartxref\n%d\n%%%%EOF\n",
		page[1], object, last[1], last[2], previous[1], xref)
	return out.Bytes(), nil
}

// changedDisclosure replaces the value of one disclosure of an SD-JWT by another.
func changedDisclosure(sdjwt string) (string, error) {
	parts := strings.Split(sdjwt, "~")
	if len(parts) < 3 {
		return "", errors.New("the licence has no disclosure")
	}
	plain, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	forged := bytes.Replace(plain, []byte(`",`), []byte(`x",`), 1)
	parts[1] = base64.RawURLEncoding.EncodeToString(forged)
	return strings.Join(parts, "~"), nil
}
