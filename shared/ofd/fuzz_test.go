package ofd

import (
	"bytes"
	"errors"
	"testing"
)

// FuzzOpen feeds containers. The seeds are this package's own documents and those of foreigners, stamped and not.
func FuzzOpen(f *testing.F) {
	a := newAgency(f, "示例省财政厅")
	for _, data := range foreigners(f) {
		f.Add(data)
		s := sampleStamp(a)
		s.Placements[0] = Placement{X: 150, Y: 80, W: 42, H: 42}
		f.Add(stampWith(f, data, a, s))
	}
	f.Add(withDescriptors())
	f.Add(small("Doc_0/a.xml"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Open(data)
		var refused *FormatError
		switch {
		case (p == nil) == (err == nil):
			t.Fatalf("package %v and error %v", p, err)
		case err != nil && !errors.As(err, &refused):
			t.Fatalf("error of no kind: %v", err)
		case err != nil:
			return
		}
		judge(p)
		// What was opened, written again, opens to the same files and findings.
		again, err := Open(writeZip(p.entries))
		if err != nil {
			t.Fatalf("written again: %v", err)
		}
		for i, e := range p.entries {
			if again.entries[i].name != e.name || again.entries[i].sum != e.sum {
				t.Fatalf("written again: %s differs", e.name)
			}
		}
		if len(again.findings) != len(p.findings) || len(again.signatures) != len(p.signatures) {
			t.Fatal("written again: other findings")
		}
	})
}

// FuzzStampForeign feeds the two files that stamping edits as text, and a description of a signature.
func FuzzStampForeign(f *testing.F) {
	a := newAgency(f, "示例省财政厅")
	for _, data := range foreigners(f) {
		p := open(f, data)
		list := []byte(nil)
		if name := p.Bodies()[0].Signatures; name != "" {
			list = mustFile(p, name)
		}
		f.Add(mustFile(p, "/OFD.xml"), list, []byte(nil))
	}
	stamped := stamp(f, writeSample(f), a)
	f.Add([]byte(file(f, stamped, "OFD.xml")), []byte(file(f, stamped, list0)), []byte(file(f, stamped, signature0)))
	f.Fuzz(func(t *testing.T, root, list, description []byte) {
		entries := []*entry{
			newEntry("OFD.xml", root), newEntry("Doc_0/Document.xml", []byte(bareDocument)),
			newEntry("Doc_0/Pages/Page_0/Content.xml", []byte(foreignPage)), newEntry("Doc_0/Signs/Signatures.xml", list),
			newEntry(signature0, description), newEntry(value0, []byte("value")),
		}
		p, err := Open(writeZip(entries))
		if err != nil {
			return
		}
		judge(p)
		before := len(p.signatures)
		s := sampleStamp(a)
		s.Placements[0] = Placement{X: 150, Y: 80, W: 42, H: 42}
		prepared, err := p.PrepareStamp(s)
		if err != nil {
			return
		}
		out, err := prepared.Assemble(bytes.Join([][]byte{prepared.seal, []byte(prepared.path), sum(prepared)}, nil))
		if err != nil {
			t.Fatal(err)
		}
		after, err := Open(out)
		if err != nil || len(after.signatures) != before+1 {
			t.Fatalf("the stamped package: %v", err)
		}
		if found := after.CheckReferences(after.signatures[before]); len(found) > 0 {
			t.Fatalf("the new signature: %+v", found)
		}
	})
}

func sum(s *PreparedStamp) []byte { digest := s.Digest(); return digest[:] }
