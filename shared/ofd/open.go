package ofd

import (
	"strconv"
	"strings"
)

// Kind says what a file of a package is.
type Kind string

// The kinds of files.
const (
	KindPackage     Kind = "package" // OFD.xml
	KindVersion     Kind = "version"
	KindDocument    Kind = "document"
	KindPage        Kind = "page"
	KindTemplate    Kind = "template"
	KindResources   Kind = "resources"
	KindFont        Kind = "font"
	KindProfile     Kind = "colour profile"
	KindMedia       Kind = "media"
	KindAnnotations Kind = "annotations"
	KindCustomTags  Kind = "custom tags"
	KindAttachments Kind = "attachments"
	KindAttachment  Kind = "attachment"
	KindExtensions  Kind = "extensions"
	KindSchema      Kind = "schema"
	KindCover       Kind = "cover"
	KindSignatures  Kind = "signatures" // the list of signatures
	KindSignature   Kind = "signature"  // Signature.xml
	KindSignedValue Kind = "signed value"
	KindSeal        Kind = "seal" // Seal.esl, or a picture beside it
)

// Part is a file that can be reached from OFD.xml.
type Part struct {
	Path    string // absolute, with leading slash
	Kind    Kind
	From    string // the file that names it; empty for OFD.xml
	Missing bool
}

// Body is one document of a package (DocBody).
type Body struct {
	DocID       string
	Title       string
	Root        string            // absolute path of Document.xml
	CustomData  map[string]string // CustomDatas
	Pages       []Page
	Attachments []AttachmentRef
	Signatures  string // absolute path of the list of signatures; empty if OFD.xml names none
}

// Page is a page of a document.
type Page struct {
	ID   string
	Path string  // absolute
	W, H float64 // millimetres; zero if the document does not say
}

// AttachmentRef names an attachment of a document.
type AttachmentRef struct {
	ID, Name, Path string
}

// Package is an opened OFD package. It may be used by one goroutine at a time; nothing in it changes.
type Package struct {
	entries    []*entry // in the order of the archive
	byName     map[string]*entry
	parts      []Part
	seen       map[string]int // entry name → index in parts
	bodies     []Body
	bodyNodes  []*node
	findings   []Finding // about the package, found while walking
	signatures []Signature
	lists      map[string]bool // entry names of lists of signatures
	maxSignID  map[string]string
	xmlBudget  int // bytes of XML that may still be read
}

// Open reads a package. It returns a *[FormatError] for a container that two programs could read differently, for one
// above the bounds, and for one whose documents cannot be found. What is wrong with signatures, or missing in a
// document that can still be shown, becomes a [Finding]. Time and memory are linear in MaxTotal at most.
//
// The package keeps data; do not change it.
func Open(data []byte) (*Package, error) {
	entries, err := readZip(data)
	if err != nil {
		return nil, err
	}
	p := &Package{
		entries: entries, byName: make(map[string]*entry, len(entries)),
		seen: map[string]int{}, lists: map[string]bool{}, maxSignID: map[string]string{},
		xmlBudget: maxXMLTotal,
	}
	for _, e := range entries {
		if !e.folder() {
			p.byName[e.name] = e
		}
	}
	if err := p.walk(); err != nil {
		return nil, err
	}
	return p, nil
}

// Bodies returns the documents of the package; the first is the one that readers show.
func (p *Package) Bodies() []Body { return p.bodies }

// Parts returns every file that can be reached from OFD.xml, OFD.xml first, and those that are named but missing.
func (p *Package) Parts() []Part { return p.parts }

// Files returns the absolute paths of all files in the order of the archive.
func (p *Package) Files() []string {
	var list []string
	for _, e := range p.entries {
		if !e.folder() {
			list = append(list, "/"+e.name)
		}
	}
	return list
}

// File returns the content of the file with the absolute path, and whether there is one. Do not change it.
func (p *Package) File(path string) ([]byte, bool) {
	name, absolute := strings.CutPrefix(path, "/")
	e := p.byName[name]
	if e == nil || !absolute {
		return nil, false
	}
	content, err := e.read()
	return content, err == nil
}

// Digest returns the SM3 digest of the file with the absolute path, and whether there is one.
func (p *Package) Digest(path string) ([32]byte, bool) {
	name, absolute := strings.CutPrefix(path, "/")
	e := p.byName[name]
	if e == nil || !absolute {
		return [32]byte{}, false
	}
	return e.sum, true
}

// reach notes that a file is part of the document and tells whether this is new and the file is there.
func (p *Package) reach(name string, kind Kind, from string) bool {
	if _, ok := p.seen[name]; ok {
		return false
	}
	missing := p.byName[name] == nil
	p.seen[name] = len(p.parts)
	part := Part{Path: "/" + name, Kind: kind, Missing: missing}
	if from != "" {
		part.From = "/" + from
	}
	p.parts = append(p.parts, part)
	if missing {
		level := Warn
		if kind == KindPage || kind == KindTemplate || kind == KindDocument || kind == KindSignatures {
			level = Fail
		}
		p.find(MissingFile, level, "", name, "named in /%s", from)
	}
	return !missing
}

func (p *Package) parse(name, leaf string, roots ...string) (*node, error) {
	content, err := p.byName[name].read()
	if err != nil {
		return nil, err
	}
	return readXML(name, content, &p.xmlBudget, leaf, roots...)
}

// follow reaches the file at a location in file and reads it, if it is there and new. The node is nil otherwise.
func (p *Package) follow(folder, file, location string, kind Kind, leaf string, roots ...string) (
	string, *node, error) {
	name, err := resolve(folder, file, location)
	if err != nil {
		return "", nil, err
	}
	if !p.reach(name, kind, file) || len(roots) == 0 {
		return name, nil, nil
	}
	n, err := p.parse(name, leaf, roots...)
	return name, n, err
}

// leafs reaches the files that the elements name, without reading them.
func (p *Package) leafs(folder, file string, kind Kind, elements []*node) error {
	for _, e := range elements {
		if _, _, err := p.follow(folder, file, e.value(), kind, ""); err != nil {
			return err
		}
	}
	return nil
}

const rootName = "OFD.xml"

// walk builds the graph of everything that can be reached from OFD.xml (GB/T 33190-2016, 7.2 to 7.4).
func (p *Package) walk() error {
	if p.byName[rootName] == nil {
		return refuse(NotOFD, "", "no OFD.xml")
	}
	p.reach(rootName, KindPackage, "")
	root, err := p.parse(rootName, "", "OFD")
	if err != nil {
		return err
	}
	p.bodyNodes = root.all("DocBody")
	if len(p.bodyNodes) == 0 || len(p.bodyNodes) > MaxBodies {
		return refuse(NotOFD, rootName, "%d elements DocBody", len(p.bodyNodes))
	}
	for _, n := range p.bodyNodes {
		if err := p.walkBody(n); err != nil {
			return err
		}
	}
	for i := range p.bodies {
		if err := p.walkSignatures(&p.bodies[i], i); err != nil {
			return err
		}
	}
	return nil
}

func (p *Package) walkBody(n *node) error {
	var body Body
	info, err := n.one(rootName, "DocInfo")
	if err != nil {
		return err
	}
	if err := p.readInfo(&body, info); err != nil {
		return err
	}
	rootNode, err := n.one(rootName, "DocRoot")
	if err != nil {
		return err
	}
	name, doc, err := p.follow("", rootName, rootNode.value(), KindDocument, "", "Document")
	if err != nil {
		return err
	}
	body.Root = "/" + name
	if p.byName[name] == nil {
		return refuse(NotOFD, rootName, "DocRoot %s is missing", body.Root)
	}
	if doc == nil {
		return refuse(XMLDuplicate, rootName, "two bodies with one DocRoot %s", body.Root)
	}
	if err := p.walkVersions(n); err != nil {
		return err
	}
	list, err := n.optional(rootName, "Signatures")
	if err != nil {
		return err
	}
	if list != nil {
		name, err := resolve("", rootName, list.value())
		if err != nil {
			return err
		}
		body.Signatures = "/" + name
	}
	if err := p.walkDocument(&body, name, doc); err != nil {
		return err
	}
	p.bodies = append(p.bodies, body)
	return nil
}

func (p *Package) readInfo(body *Body, info *node) error {
	var err error
	if body.DocID, err = info.optionalValue(rootName, "DocID"); err != nil {
		return err
	}
	if body.Title, err = info.optionalValue(rootName, "Title"); err != nil {
		return err
	}
	cover, err := info.optional(rootName, "Cover")
	if err != nil {
		return err
	}
	if cover != nil {
		if _, _, err := p.follow("", rootName, cover.value(), KindCover, ""); err != nil {
			return err
		}
	}
	custom, err := info.optional(rootName, "CustomDatas")
	if err != nil || custom == nil {
		return err
	}
	body.CustomData = map[string]string{}
	for _, d := range custom.all("CustomData") {
		key := d.attr("Name")
		if _, ok := body.CustomData[key]; ok {
			return refuse(XMLDuplicate, rootName, "CustomData %q", key)
		}
		body.CustomData[key] = d.value()
	}
	return nil
}

// walkVersions reaches the files of earlier versions (ch. 19).
func (p *Package) walkVersions(body *node) error {
	versions, err := body.optional(rootName, "Versions")
	if err != nil || versions == nil {
		return err
	}
	for _, v := range versions.all("Version") {
		name, n, err := p.follow("", rootName, v.attr("BaseLoc"), KindVersion, "", "DocVersion")
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		if err := p.leafs(dir(name), name, KindVersion, n.all("DocRoot")); err != nil {
			return err
		}
		for _, list := range n.all("FileList") {
			if err := p.leafs(dir(name), name, KindVersion, list.all("File")); err != nil {
				return err
			}
		}
	}
	return nil
}

// walkDocument reads Document.xml (7.5) and everything it names.
func (p *Package) walkDocument(body *Body, file string, doc *node) error {
	common, err := doc.one(file, "CommonData")
	if err != nil {
		return err
	}
	area, err := common.optional(file, "PageArea")
	if err != nil {
		return err
	}
	w, h := physicalBox(area)
	for _, kind := range []string{"PublicRes", "DocumentRes"} {
		if err := p.walkResources(file, common.all(kind)); err != nil {
			return err
		}
	}
	for _, t := range common.all("TemplatePage") {
		if _, err := p.walkPage(file, t.attr("BaseLoc"), KindTemplate); err != nil {
			return err
		}
	}
	pages, err := doc.one(file, "Pages")
	if err != nil {
		return err
	}
	ids := map[string]bool{}
	for _, n := range pages.all("Page") {
		page, err := p.walkPage(file, n.attr("BaseLoc"), KindPage)
		if err != nil {
			return err
		}
		page.ID = n.attr("ID")
		if page.ID == "" || ids[page.ID] {
			return refuse(XMLDuplicate, file, "page ID %q", page.ID)
		}
		ids[page.ID] = true
		if page.W == 0 {
			page.W, page.H = w, h
		}
		body.Pages = append(body.Pages, page)
	}
	return p.walkExtras(body, file, doc)
}

// walkPage reaches a page or template and reads what stands before its content.
func (p *Package) walkPage(file, location string, kind Kind) (Page, error) {
	name, n, err := p.follow(dir(file), file, location, kind, "Content", "Page")
	page := Page{Path: "/" + name}
	if err != nil || n == nil {
		return page, err
	}
	area, err := n.optional(name, "Area")
	if err != nil {
		return page, err
	}
	page.W, page.H = physicalBox(area)
	return page, p.walkResources(name, n.all("PageRes"))
}

// physicalBox returns the size in a PageArea, or zeros.
func physicalBox(area *node) (w, h float64) {
	if area == nil {
		return 0, 0
	}
	boxes := area.all("PhysicalBox")
	if len(boxes) != 1 {
		return 0, 0
	}
	box, ok := parseBox(boxes[0].value())
	if !ok {
		return 0, 0
	}
	return box.W, box.H
}

// walkResources reads resource files (7.9): fonts, colour profiles, media.
func (p *Package) walkResources(from string, refs []*node) error {
	for _, ref := range refs {
		file, res, err := p.follow(dir(from), from, ref.value(), KindResources, "", "Res")
		if err != nil {
			return err
		}
		if res == nil {
			continue
		}
		folder := dir(file)
		if base := res.attr("BaseLoc"); base != "" {
			if folder, err = resolveFolder(dir(file), file, base); err != nil {
				return err
			}
		}
		if err := p.walkRes(folder, file, res); err != nil {
			return err
		}
	}
	return nil
}

func (p *Package) walkRes(folder, file string, res *node) error {
	for _, group := range res.all("Fonts") {
		for _, font := range group.all("Font") {
			files := font.all("FontFile")
			if len(files) == 0 {
				p.find(FontNotEmbedded, Warn, "", file, "font %.100q", font.attr("FontName"))
			}
			if err := p.leafs(folder, file, KindFont, files); err != nil {
				return err
			}
		}
	}
	for _, group := range res.all("ColorSpaces") {
		for _, space := range group.all("ColorSpace") {
			if profile := space.attr("Profile"); profile != "" {
				if _, _, err := p.follow(folder, file, profile, KindProfile, ""); err != nil {
					return err
				}
			}
		}
	}
	for _, group := range res.all("MultiMedias") {
		for _, media := range group.all("MultiMedia") {
			if err := p.leafs(folder, file, KindMedia, media.all("MediaFile")); err != nil {
				return err
			}
		}
	}
	return nil
}

func resolveFolder(folder, file, location string) (string, error) {
	if c := strings.Trim(location, "./ "); c == "" && !strings.Contains(location, "..") {
		if strings.HasPrefix(location, "/") {
			return "", nil
		}
		return folder, nil
	}
	return resolve(folder, file, location)
}

// walkExtras reaches annotations, custom tags, attachments and extensions (ch. 14 to 17 and 20).
func (p *Package) walkExtras(body *Body, file string, doc *node) error {
	for _, ref := range doc.all("Annotations") {
		name, n, err := p.follow(dir(file), file, ref.value(), KindAnnotations, "", "Annotations")
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		for _, page := range n.all("Page") {
			if err := p.leafs(dir(name), name, KindAnnotations, page.all("FileLoc")); err != nil {
				return err
			}
		}
	}
	for _, ref := range doc.all("CustomTags") {
		name, n, err := p.follow(dir(file), file, ref.value(), KindCustomTags, "", "CustomTags")
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		for _, tag := range n.all("CustomTag") {
			if err := p.leafs(dir(name), name, KindSchema, tag.all("SchemaLoc")); err != nil {
				return err
			}
			if err := p.leafs(dir(name), name, KindCustomTags, tag.all("FileLoc")); err != nil {
				return err
			}
		}
	}
	for _, ref := range doc.all("Attachments") {
		if err := p.walkAttachments(body, file, ref); err != nil {
			return err
		}
	}
	for _, ref := range doc.all("Extensions") {
		name, n, err := p.follow(dir(file), file, ref.value(), KindExtensions, "", "Extensions")
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		for _, x := range n.all("Extension") {
			if err := p.leafs(dir(name), name, KindExtensions, x.all("ExtendData")); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *Package) walkAttachments(body *Body, file string, ref *node) error {
	name, n, err := p.follow(dir(file), file, ref.value(), KindAttachments, "", "Attachments")
	if err != nil || n == nil {
		return err
	}
	for _, a := range n.all("Attachment") {
		loc, err := a.one(name, "FileLoc")
		if err != nil {
			return err
		}
		target, _, err := p.follow(dir(name), name, loc.value(), KindAttachment, "")
		if err != nil {
			return err
		}
		attached := AttachmentRef{ID: a.attr("ID"), Name: a.attr("Name"), Path: "/" + target}
		body.Attachments = append(body.Attachments, attached)
	}
	return nil
}

// Box is a rectangle in millimetres (ST_Box).
type Box struct{ X, Y, W, H float64 }

func parseBox(s string) (Box, bool) {
	fields := strings.Fields(s)
	if len(fields) != 4 {
		return Box{}, false
	}
	var v [4]float64
	for i, f := range fields {
		x, err := strconv.ParseFloat(f, 64)
		if err != nil || !(x > -1e5 && x < 1e5) || strings.ContainsAny(f, "xXpP_") {
			return Box{}, false
		}
		v[i] = x
	}
	return Box{v[0], v[1], v[2], v[3]}, v[2] >= 0 && v[3] >= 0
}

func (b Box) intersect(c Box) Box {
	x, y := max(b.X, c.X), max(b.Y, c.Y)
	return Box{x, y, max(0, min(b.X+b.W, c.X+c.W)-x), max(0, min(b.Y+b.H, c.Y+c.H)-y)}
}

func (b Box) area() float64 { return b.W * b.H }
