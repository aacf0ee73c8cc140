package ofd

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/yinxin/yinxin/shared/sm"
)

// Signatures and sizes of APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.9, 4.3.12 and 4.3.16.
const (
	sigLocal, sizeLocal     = 0x04034b50, 30
	sigCentral, sizeCentral = 0x02014b50, 46
	sigEnd, sizeEnd         = 0x06054b50, 22
	sigDescriptor           = 0x08074b50

	stored, deflated = 0, 8

	flagEncrypted  = 1 << 0
	flagDescriptor = 1 << 3
	flagStrong     = 1 << 6
	flagUTF8       = 1 << 11
	flagMasked     = 1 << 13

	keepContent = 256 << 10 // larger files are inflated again when they are read
	maxDepth    = 32        // folders in folders
)

// entry is one file or folder of the archive.
type entry struct {
	name          string // as in the archive: no leading slash
	method, flags uint16
	time, date    uint16
	crc           uint32
	size          int
	packed        []byte // the compressed data, part of the input
	sum           [sm.DigestSize]byte
	content       []byte // nil if larger than keepContent

	offset    int // of the local header, in the input
	packedLen int
	extra     []byte // of the central header
}

func (e *entry) folder() bool { return strings.HasSuffix(e.name, "/") }

// readZip returns the entries of an archive in the order of its directory. It accepts an archive in one shape only:
// local entries one after another from byte 0, then the directory that repeats them, then the end record, then nothing.
func readZip(data []byte) ([]*entry, error) {
	list, directory, err := readDirectory(data)
	if err != nil {
		return nil, err
	}
	if err := checkNames(list); err != nil {
		return nil, err
	}
	if err := readLocals(data[:directory], list); err != nil {
		return nil, err
	}
	u := unpacker{}
	for _, e := range list {
		if err := e.inflate(&u); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// unpacker keeps the decompressor's memory from one entry to the next; the zero value is ready.
type unpacker struct{ r io.ReadCloser }

func (u *unpacker) reader(source io.Reader) io.Reader {
	if u.r == nil {
		u.r = flate.NewReader(source)
	} else if r, ok := u.r.(flate.Resetter); !ok || r.Reset(source, nil) != nil {
		return flate.NewReader(source)
	}
	return u.r
}

// readDirectory reads the end record and the central directory, and returns where the directory begins.
func readDirectory(data []byte) ([]*entry, int, error) {
	if len(data) < sizeEnd || uint64(len(data)) > 1<<32-2 {
		return nil, 0, refuse(ZipMalformed, "", "no archive")
	}
	end := data[len(data)-sizeEnd:]
	le := binary.LittleEndian
	if le.Uint32(end) != sigEnd {
		if bytes.Contains(data, []byte{'P', 'K', 5, 6}) {
			return nil, 0, refuse(ZipTrailingData, "", "the end record is not at the end")
		}
		return nil, 0, refuse(ZipMalformed, "", "no end record")
	}
	count, size, start := int(le.Uint16(end[10:])), uint64(le.Uint32(end[12:])), uint64(le.Uint32(end[16:]))
	switch {
	case le.Uint16(end[20:]) != 0:
		return nil, 0, refuse(ZipTrailingData, "", "the end record announces a comment")
	case count == 1<<16-1 || size == 1<<32-1 || start == 1<<32-1:
		return nil, 0, refuse(ZipUnsupported, "", "ZIP64")
	case le.Uint16(end[4:]) != 0 || le.Uint16(end[6:]) != 0 || int(le.Uint16(end[8:])) != count:
		return nil, 0, refuse(ZipUnsupported, "", "several disks")
	case count > MaxEntries:
		return nil, 0, refuse(ZipTooManyEntries, "", "%d entries", count)
	case start+size < uint64(len(data)-sizeEnd):
		return nil, 0, refuse(ZipHiddenData, "", "bytes between directory and end record")
	case start+size != uint64(len(data)-sizeEnd):
		return nil, 0, refuse(ZipMalformed, "", "the directory is not where the end record says")
	}
	list := make([]*entry, 0, count)
	total := 0
	rest := data[start : len(data)-sizeEnd]
	for range count {
		e, n, err := readCentral(rest)
		if err != nil {
			return nil, 0, err
		}
		if total += e.size; total > MaxTotal {
			return nil, 0, refuse(ZipTooLarge, e.name, "more than %d bytes", MaxTotal)
		}
		list, rest = append(list, e), rest[n:]
	}
	if len(rest) != 0 {
		return nil, 0, refuse(ZipHiddenData, "", "the directory holds more than its entries")
	}
	return list, int(start), nil
}

// readCentral reads one header of the central directory and returns its length.
func readCentral(b []byte) (*entry, int, error) {
	le := binary.LittleEndian
	if len(b) < sizeCentral || le.Uint32(b) != sigCentral {
		return nil, 0, refuse(ZipMalformed, "", "directory")
	}
	nameLen, extraLen, commentLen := int(le.Uint16(b[28:])), int(le.Uint16(b[30:])), int(le.Uint16(b[32:]))
	n := sizeCentral + nameLen + extraLen + commentLen
	if len(b) < n {
		return nil, 0, refuse(ZipMalformed, "", "directory")
	}
	e := &entry{
		name:  string(b[sizeCentral : sizeCentral+nameLen]),
		flags: le.Uint16(b[8:]), method: le.Uint16(b[10:]), time: le.Uint16(b[12:]), date: le.Uint16(b[14:]),
		crc: le.Uint32(b[16:]), size: int(le.Uint32(b[24:])), offset: int(le.Uint32(b[42:])),
		extra: b[sizeCentral+nameLen : sizeCentral+nameLen+extraLen],
	}
	packed := int(le.Uint32(b[20:]))
	switch {
	case e.flags&(flagEncrypted|flagStrong|flagMasked) != 0:
		return nil, 0, refuse(ZipUnsupported, e.name, "encrypted")
	case e.method != stored && e.method != deflated:
		return nil, 0, refuse(ZipUnsupported, e.name, "compression method %d", e.method)
	case packed == 1<<32-1 || e.size == 1<<32-1 || e.offset == 1<<32-1:
		return nil, 0, refuse(ZipUnsupported, e.name, "ZIP64")
	case le.Uint16(b[34:]) != 0:
		return nil, 0, refuse(ZipUnsupported, e.name, "several disks")
	case e.method == stored && packed != e.size:
		return nil, 0, refuse(ZipMalformed, e.name, "stored with two sizes")
	case e.size > MaxTotal:
		return nil, 0, refuse(ZipTooLarge, e.name, "%d bytes", e.size)
	case e.size > 64<<10 && e.size/MaxRatio > packed:
		return nil, 0, refuse(ZipRatio, e.name, "%d bytes from %d", e.size, packed)
	case e.folder() && e.size != 0:
		return nil, 0, refuse(ZipMalformed, e.name, "a folder with contents")
	}
	e.packedLen = packed
	return e, n, nil
}

// checkNames refuses names on which two readers, or two file systems, could disagree.
func checkNames(list []*entry) error {
	exact := make(map[string]bool, len(list))
	folded := make(map[string]string, len(list))
	for _, e := range list {
		if reason := badName(e.name); reason != "" {
			return refuse(ZipBadName, e.name, "%s", reason)
		}
		if other, ok := unicodePath(e.extra); ok && other != e.name {
			return refuse(ZipBadName, e.name, "a second name %q in an extra field", other)
		}
		if exact[e.name] {
			return refuse(ZipDuplicateName, e.name, "")
		}
		exact[e.name] = true
		key := fold(strings.TrimSuffix(e.name, "/"))
		if other, ok := folded[key]; ok {
			return refuse(ZipNameCollision, e.name, "and %q", other)
		}
		folded[key] = e.name
	}
	for _, e := range list { // a file may not also be the folder of another
		for i := len(e.name) - 2; i > 0; i-- {
			if e.name[i] != '/' {
				continue
			}
			parent := e.name[:i]
			if other, ok := folded[fold(parent)]; ok && other != parent+"/" {
				return refuse(ZipNameCollision, e.name, "and %q", other)
			}
		}
	}
	return nil
}

func badName(name string) string {
	switch {
	case name == "" || len(name) > 1024:
		return "empty or too long"
	case !utf8.ValidString(name):
		return "not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < 0x20 || r == 0x7f }):
		return "control character"
	case strings.ContainsAny(name, `\:`):
		return "backslash or colon"
	case strings.HasPrefix(name, "/"):
		return "absolute"
	case strings.Count(name, "/") > maxDepth:
		return "too deep"
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		if segment == "" || segment == "." || segment == ".." {
			return "empty, . or .. segment"
		}
	}
	return ""
}

// unicodePath returns the name in an Info-ZIP Unicode Path extra field (APPNOTE 4.6.9).
func unicodePath(extra []byte) (string, bool) {
	for len(extra) >= 4 {
		id, n := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if len(extra) < 4+n {
			return "", false
		}
		if id == 0x7075 && n >= 5 {
			return string(extra[9 : 4+n]), true
		}
		extra = extra[4+n:]
	}
	return "", false
}

// fold maps names that a file system without case or with normalised Unicode takes for one to one string.
func fold(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return norm.NFC.String(strings.ToLower(strings.ToUpper(norm.NFC.String(name))))
		}
	}
	return strings.ToLower(name)
}

// readLocals finds the data of each entry and checks that the local headers, taken by offset, fill area without gaps
// and say what the directory says.
func readLocals(area []byte, list []*entry) error {
	byOffset := slices.Clone(list)
	slices.SortStableFunc(byOffset, func(a, b *entry) int { return a.offset - b.offset })
	at := 0
	for i, e := range byOffset {
		switch {
		case e.offset < at:
			return refuse(ZipHeaderMismatch, e.name, "entries overlap")
		case e.offset > at && i == 0:
			return refuse(ZipPrefixData, "", "%d bytes before the first entry", e.offset)
		case e.offset > at:
			return refuse(ZipHiddenData, e.name, "%d bytes before the entry", e.offset-at)
		}
		n, err := e.readLocal(area[at:])
		if err != nil {
			return err
		}
		at += n
	}
	if at != len(area) {
		if at == 0 {
			return refuse(ZipPrefixData, "", "%d bytes before the directory", len(area))
		}
		return refuse(ZipHiddenData, "", "%d bytes before the directory", len(area)-at)
	}
	return nil
}

// readLocal reads the local header at the start of b, sets the entry's data and returns how many bytes the entry takes.
func (e *entry) readLocal(b []byte) (int, error) {
	le := binary.LittleEndian
	if len(b) < sizeLocal || le.Uint32(b) != sigLocal {
		return 0, refuse(ZipHeaderMismatch, e.name, "no local header")
	}
	nameLen, extraLen, packed := int(le.Uint16(b[26:])), int(le.Uint16(b[28:])), e.packedLen
	start := sizeLocal + nameLen + extraLen
	if len(b) < start+packed {
		return 0, refuse(ZipMalformed, e.name, "cut off")
	}
	extra := b[sizeLocal+nameLen : start]
	if string(b[sizeLocal:sizeLocal+nameLen]) != e.name {
		return 0, refuse(ZipHeaderMismatch, e.name, "local name")
	}
	if other, ok := unicodePath(extra); ok && other != e.name {
		return 0, refuse(ZipBadName, e.name, "a second name %q in an extra field", other)
	}
	const decisive = flagEncrypted | flagDescriptor | flagStrong | flagMasked
	if (le.Uint16(b[6:])^e.flags)&decisive != 0 || le.Uint16(b[8:]) != e.method {
		return 0, refuse(ZipHeaderMismatch, e.name, "local flags or method")
	}
	crc, packedLocal, size := le.Uint32(b[14:]), le.Uint32(b[18:]), le.Uint32(b[22:])
	agrees := crc == e.crc && int(packedLocal) == packed && int(size) == e.size
	e.packed = b[start : start+packed : start+packed]
	n := start + packed
	if e.flags&flagDescriptor == 0 {
		if !agrees {
			return 0, refuse(ZipHeaderMismatch, e.name, "local sizes or CRC")
		}
		return n, nil
	}
	zeroOr := func(local uint32, central int) bool { return local == 0 || int(local) == central }
	if !zeroOr(crc, int(e.crc)) || !zeroOr(packedLocal, packed) || !zeroOr(size, e.size) {
		return 0, refuse(ZipHeaderMismatch, e.name, "local sizes or CRC")
	}
	d := b[n:]
	if len(d) >= 16 && le.Uint32(d) == sigDescriptor {
		d, n = d[4:], n+4
	}
	if len(d) < 12 || le.Uint32(d) != e.crc || int(le.Uint32(d[4:])) != packed || int(le.Uint32(d[8:])) != e.size {
		return 0, refuse(ZipHeaderMismatch, e.name, "data descriptor")
	}
	return n + 12, nil
}

// inflate checks size and CRC, takes the SM3 digest and keeps the content if it is small.
func (e *entry) inflate(u *unpacker) error {
	if e.folder() {
		if e.crc != 0 || len(e.packed) > 2 { // an empty deflate stream has two bytes
			return refuse(ZipHiddenData, e.name, "a folder with data")
		}
		return nil
	}
	digest, crc := sm.New3(), crc32.NewIEEE()
	if e.size <= keepContent {
		content, err := e.readWith(u)
		if err != nil {
			return err
		}
		e.content = content
		crc.Write(content)
		digest.Write(content)
	} else {
		in, check := e.open(u)
		n, err := io.Copy(io.MultiWriter(crc, digest), in)
		if err != nil || n != int64(e.size) {
			return refuse(ZipCorrupt, e.name, "size")
		}
		if err := check(); err != nil {
			return err
		}
	}
	if crc.Sum32() != e.crc {
		return refuse(ZipCorrupt, e.name, "CRC")
	}
	digest.Sum(e.sum[:0])
	return nil
}

// open returns the uncompressed data, at most one byte more than the entry's size, and a check to call after the end:
// compressed bytes that are left over would be data that nobody sees.
func (e *entry) open(u *unpacker) (io.Reader, func() error) {
	source := bytes.NewReader(e.packed)
	var in io.Reader = source
	if e.method == deflated {
		in = u.reader(source)
	}
	return io.LimitReader(in, int64(e.size)+1), func() error {
		if source.Len() != 0 {
			return refuse(ZipHiddenData, e.name, "%d bytes behind the compressed data", source.Len())
		}
		return nil
	}
}

// read returns the uncompressed data. Do not change it.
func (e *entry) read() ([]byte, error) { return e.readWith(new(unpacker)) }

func (e *entry) readWith(u *unpacker) ([]byte, error) {
	if e.content != nil {
		return e.content, nil
	}
	if e.method == stored {
		return e.packed, nil
	}
	in, check := e.open(u)
	content := make([]byte, 0, e.size+1)
	for {
		n, err := in.Read(content[len(content):cap(content)])
		content = content[:len(content)+n]
		if err == io.EOF {
			break
		}
		if err != nil || len(content) > e.size {
			return nil, refuse(ZipCorrupt, e.name, "size")
		}
	}
	if len(content) != e.size {
		return nil, refuse(ZipCorrupt, e.name, "size")
	}
	return content, check()
}

// packer makes entries. It keeps the compressor's memory from one to the next; the zero value is ready.
type packer struct{ w *flate.Writer }

// entry packs content. The time is the first that the format knows, so that equal contents make equal archives.
func (p *packer) entry(name string, content []byte) *entry {
	e := &entry{
		name: name, method: deflated, flags: flagUTF8, date: 1<<5 | 1, crc: crc32.ChecksumIEEE(content),
		size: len(content), sum: sm.Sum3(content), content: content,
	}
	var packed bytes.Buffer
	var err error
	if p.w == nil {
		p.w, err = flate.NewWriter(&packed, flate.DefaultCompression)
	} else {
		p.w.Reset(&packed)
	}
	if err == nil {
		_, err = p.w.Write(content)
	}
	if err == nil {
		err = p.w.Close()
	}
	if err != nil || packed.Len() >= len(content) { // writing to a buffer does not fail
		e.method, e.packed = stored, content
		return e
	}
	e.packed = packed.Bytes()
	return e
}

// writeZip makes an archive of the entries in their order, the compressed data as it is.
func writeZip(list []*entry) []byte {
	size := sizeEnd
	for _, e := range list {
		size += sizeLocal + sizeCentral + 2*len(e.name) + len(e.packed)
	}
	le := binary.LittleEndian
	out := make([]byte, 0, size)
	var directory []byte
	for _, e := range list {
		var fixed []byte // what both headers hold, from "version needed" on
		fixed = le.AppendUint16(fixed, 20)
		fixed = le.AppendUint16(fixed, e.flags&^flagDescriptor)
		fixed = le.AppendUint16(fixed, e.method)
		fixed = le.AppendUint16(fixed, e.time)
		fixed = le.AppendUint16(fixed, e.date)
		fixed = le.AppendUint32(fixed, e.crc)
		fixed = le.AppendUint32(fixed, uint32(len(e.packed)))
		fixed = le.AppendUint32(fixed, uint32(e.size))
		fixed = le.AppendUint16(fixed, uint16(len(e.name)))
		fixed = le.AppendUint16(fixed, 0)

		directory = le.AppendUint32(directory, sigCentral)
		directory = le.AppendUint16(directory, 20)
		directory = append(directory, fixed...)
		directory = append(directory, make([]byte, 10)...) // comment, disk, attributes
		directory = le.AppendUint32(directory, uint32(len(out)))
		directory = append(directory, e.name...)

		out = le.AppendUint32(out, sigLocal)
		out = append(out, fixed...)
		out = append(out, e.name...)
		out = append(out, e.packed...)
	}
	start := len(out)
	out = append(out, directory...)
	out = le.AppendUint32(out, sigEnd)
	out = append(out, 0, 0, 0, 0)
	out = le.AppendUint16(out, uint16(len(list)))
	out = le.AppendUint16(out, uint16(len(list)))
	out = le.AppendUint32(out, uint32(len(directory)))
	out = le.AppendUint32(out, uint32(start))
	return append(out, 0, 0)
}
