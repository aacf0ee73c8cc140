package ofd

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"strings"
)

// The namespaces of GB/T 33190-2016 and of files made before its final text.
const (
	namespace    = "http://www.ofdspec.org/2016"
	namespaceOld = "http://www.ofdspec.org"
)

const (
	maxXMLDepth = 64
	maxXMLNodes = 200_000
	maxXMLSize  = 8 << 20  // of one part
	maxXMLTotal = 64 << 20 // of all parts of a package, as far as they are read
	maxXMLAttrs = 64
)

// node is an element of an OFD part. Names are local; all elements of a part are in the OFD namespaces.
type node struct {
	name       string
	attrs      []xml.Attr
	children   []*node
	text       []byte // character data of the element itself
	start, end int    // of the whole element, in the file
	opened     int    // end of the start tag
	closing    int    // of the end tag; equal to end for an empty-element tag
}

// readXML reads a part whose root has one of the names. It refuses what readers of XML disagree on: document type
// declarations, entities beyond the five of XML, attributes that stand twice, elements of other namespaces, several
// roots. The contents of elements called leaf are not read: everything after the first is left to those who draw.
//
// What is read is taken from budget.
func readXML(file string, data []byte, budget *int, leaf string, roots ...string) (*node, error) {
	most := max(0, min(maxXMLSize, *budget))
	tooLarge := len(data) > most
	d := xml.NewDecoder(bytes.NewReader(data[:min(len(data), most)]))
	defer func() { *budget -= int(d.InputOffset()) }()
	var root *node
	var open []*node
	nodes := 0
	for {
		start := int(d.InputOffset())
		token, err := d.Token()
		if errors.Is(err, io.EOF) && root != nil && len(open) == 0 && !tooLarge {
			return root, nil
		}
		if err != nil && tooLarge {
			return nil, refuse(XMLTooLarge, file, "%d bytes", len(data))
		}
		if err != nil {
			return nil, refuse(XMLMalformed, file, "%v", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, refuse(XMLDTD, file, "<!%.20s", t)
		case xml.StartElement:
			n, err := newNode(file, t)
			if err != nil {
				return nil, err
			}
			n.start, n.opened = start, int(d.InputOffset())
			if nodes++; nodes > maxXMLNodes || len(open) >= maxXMLDepth {
				return nil, refuse(XMLTooLarge, file, "elements")
			}
			if len(open) > 0 {
				parent := open[len(open)-1]
				parent.children = append(parent.children, n)
			} else if err := checkRoot(file, root, n, roots); err != nil {
				return nil, err
			} else {
				root = n
			}
			if leaf != "" && n.name == leaf {
				return root, nil
			}
			open = append(open, n)
		case xml.EndElement:
			n := open[len(open)-1]
			n.closing, n.end = start, int(d.InputOffset())
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				n := open[len(open)-1]
				n.text = append(n.text, t...)
			} else if strings.Trim(string(t), "\ufeff \t\r\n") != "" {
				return nil, refuse(XMLMalformed, file, "text outside the root")
			}
		}
	}
}

func checkRoot(file string, root, n *node, names []string) error {
	if root != nil {
		return refuse(XMLMalformed, file, "two roots")
	}
	for _, name := range names {
		if n.name == name {
			return nil
		}
	}
	return refuse(XMLMalformed, file, "root %s instead of %s", n.name, strings.Join(names, " or "))
}

func newNode(file string, t xml.StartElement) (*node, error) {
	if t.Name.Space != namespace && t.Name.Space != namespaceOld {
		return nil, refuse(XMLNamespace, file, "element %s in namespace %q", t.Name.Local, t.Name.Space)
	}
	if len(t.Attr) > maxXMLAttrs {
		return nil, refuse(XMLTooLarge, file, "attributes")
	}
	for i, a := range t.Attr {
		for _, b := range t.Attr[:i] {
			if a.Name == b.Name {
				return nil, refuse(XMLDuplicate, file, "attribute %s", a.Name.Local)
			}
		}
	}
	return &node{name: t.Name.Local, attrs: t.Attr}, nil
}

// attr returns the value of an unqualified attribute without surrounding space.
func (n *node) attr(name string) string {
	for _, a := range n.attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return strings.TrimSpace(a.Value)
		}
	}
	return ""
}

func (n *node) has(name string) bool {
	for _, a := range n.attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return true
		}
	}
	return false
}

// value returns the character data without surrounding space.
func (n *node) value() string { return strings.TrimSpace(string(n.text)) }

// all returns the children of a name.
func (n *node) all(name string) []*node {
	var list []*node
	for _, c := range n.children {
		if c.name == name {
			list = append(list, c)
		}
	}
	return list
}

// optional returns the child of a name, or nil. Two of them are refused.
func (n *node) optional(file, name string) (*node, error) {
	list := n.all(name)
	switch len(list) {
	case 0:
		return nil, nil
	case 1:
		return list[0], nil
	default:
		return nil, refuse(XMLDuplicate, file, "%d elements %s in %s", len(list), name, n.name)
	}
}

// optionalValue returns the text of the child of a name, or "".
func (n *node) optionalValue(file, name string) (string, error) {
	c, err := n.optional(file, name)
	if err != nil || c == nil {
		return "", err
	}
	return c.value(), nil
}

// one returns the child of a name, of which there must be exactly one.
func (n *node) one(file, name string) (*node, error) {
	c, err := n.optional(file, name)
	if err == nil && c == nil {
		err = refuse(XMLMissing, file, "no %s in %s", name, n.name)
	}
	return c, err
}

// prefix returns the namespace prefix with its colon that the element is written with, from its place in the file.
func (n *node) prefix(data []byte) string {
	tag := data[n.start+1:]
	if i := bytes.IndexAny(tag, " \t\r\n/>:"); i > 0 && tag[i] == ':' {
		return string(tag[:i+1])
	}
	return ""
}

// resolve returns the entry name that a location (ST_Loc) in a file means: absolute from the package's root, else
// from the folder of the file.
func resolve(folder, file, location string) (string, error) {
	location = strings.TrimSpace(location)
	if location == "" || strings.ContainsAny(location, "\\:\x00") {
		return "", refuse(BadPath, file, "location %q", location)
	}
	if !strings.HasPrefix(location, "/") {
		location = folder + "/" + location
	}
	clean := strings.TrimLeft(location, "/")
	depth := 0
	for segment := range strings.SplitSeq(clean, "/") {
		switch segment {
		case "..":
			depth--
		case "", ".":
		default:
			depth++
		}
		if depth < 0 {
			return "", refuse(BadPath, file, "location %q leaves the package", location)
		}
	}
	clean = path.Clean(clean)
	if clean == "." {
		return "", refuse(BadPath, file, "location %q", location)
	}
	return clean, nil
}

// dir returns the folder of an entry name, without slash at either end.
func dir(name string) string {
	d := path.Dir(name)
	if d == "." {
		return ""
	}
	return d
}
