package pdf

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// FieldsNamespace is the XMP namespace of the data fields of a document.
const FieldsNamespace = "https://github.com/yinxin/yinxin/ns/fields/1.0/"

// packet writes the XMP metadata (ISO 16684-1) that PDF/A-2 asks for. Properties outside the predefined schemas are
// described in the packet itself (ISO 19005-2, section 6.6.2.3).
func (d Document) packet() ([]byte, error) {
	values := d.fieldValues()
	for key, value := range values {
		if !isFieldName(key) {
			return nil, refuse(InvalidField, "metadata key %q", key)
		}
		if !isXMLText(value) {
			return nil, refuse(InvalidText, "the value of %s has a character that XML cannot hold", key)
		}
	}
	for _, s := range []string{d.Title, d.Author, d.Subject} {
		if !isXMLText(s) {
			return nil, refuse(InvalidText, "a character that XML cannot hold")
		}
	}
	names := slices.Sorted(maps.Keys(values))
	date := d.Created.UTC().Format("2006-01-02T15:04:05Z")
	var b bytes.Buffer
	b.WriteString("<?xpacket begin=\"\ufeff\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n" +
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">` + "\n")
	b.WriteString(`<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">` +
		"<pdfaid:part>2</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance></rdf:Description>\n")
	b.WriteString(`<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">`)
	alternative := func(property, s string) {
		if s != "" {
			fmt.Fprintf(&b, `<dc:%s><rdf:Alt><rdf:li xml:lang="x-default">%s</rdf:li></rdf:Alt></dc:%[1]s>`, property,
				escapeXML(s))
		}
	}
	alternative("title", d.Title)
	alternative("description", d.Subject)
	if d.Author != "" {
		fmt.Fprintf(&b, "<dc:creator><rdf:Seq><rdf:li>%s</rdf:li></rdf:Seq></dc:creator>", escapeXML(d.Author))
	}
	b.WriteString("</rdf:Description>\n")
	fmt.Fprintf(&b, `<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">`+
		"<xmp:CreateDate>%s</xmp:CreateDate><xmp:ModifyDate>%[1]s</xmp:ModifyDate></rdf:Description>\n", date)
	fmt.Fprintf(&b, `<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">`+
		"<pdf:Producer>%s</pdf:Producer></rdf:Description>\n", producer)
	if len(names) > 0 {
		describeFields(&b, names)
		fmt.Fprintf(&b, `<rdf:Description rdf:about="" xmlns:yx="%s">`, FieldsNamespace)
		for _, key := range names {
			fmt.Fprintf(&b, "<yx:%s>%s</yx:%[1]s>", key, escapeXML(values[key]))
		}
		b.WriteString("</rdf:Description>\n")
	}
	b.WriteString("</rdf:RDF></x:xmpmeta>\n<?xpacket end=\"w\"?>")
	return b.Bytes(), nil
}

// describeFields writes the extension schema of the fields.
func describeFields(b *bytes.Buffer, names []string) {
	fmt.Fprintf(b, `<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" `+
		`xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" `+
		`xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#"><pdfaExtension:schemas><rdf:Bag>`+
		`<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Data fields</pdfaSchema:schema>`+
		`<pdfaSchema:namespaceURI>%s</pdfaSchema:namespaceURI><pdfaSchema:prefix>yx</pdfaSchema:prefix>`+
		`<pdfaSchema:property><rdf:Seq>`, FieldsNamespace)
	for _, key := range names {
		fmt.Fprintf(b, `<rdf:li rdf:parseType="Resource"><pdfaProperty:name>%s</pdfaProperty:name>`+
			`<pdfaProperty:valueType>Text</pdfaProperty:valueType><pdfaProperty:category>external</pdfaProperty:category>`+
			`<pdfaProperty:description>data field of the document</pdfaProperty:description></rdf:li>`, key)
	}
	b.WriteString("</rdf:Seq></pdfaSchema:property></rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>\n")
}

func escapeXML(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "\r", "&#13;").Replace(s)
}

// isFieldName tells whether key is an NCName (XML namespaces 1.0) of letters, digits, '.', '-' and '_'.
func isFieldName(key string) bool {
	for i, r := range key {
		first := r == '_' || unicode.IsLetter(r)
		if !first && (i == 0 || r != '.' && r != '-' && !unicode.IsDigit(r)) {
			return false
		}
	}
	return key != "" && len(key) <= 128 && utf8.ValidString(key)
}

// isXMLText tells whether XML 1.0 can hold s.
func isXMLText(s string) bool {
	for _, r := range s {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return false
		}
	}
	return utf8.ValidString(s)
}

const maxPacket = 1 << 20 // bytes of XMP metadata that are read

// dataFields returns the data fields in the XMP metadata of the catalog, as [Write] puts them there. Metadata that cannot
// be read have none.
func (f *File) dataFields() map[string]string {
	catalog, err := f.catalog()
	if err != nil {
		return nil
	}
	v, err := f.resolve(catalog["Metadata"])
	s, ok := v.(*stream)
	if err != nil || !ok {
		return nil
	}
	data, err := f.inflate(s)
	if err != nil || len(data) > maxPacket {
		return nil
	}
	fields := map[string]string{}
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return fields
		}
		if err != nil {
			return nil
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Space != FieldsNamespace {
			continue
		}
		var value string
		if _, twice := fields[start.Name.Local]; twice || d.DecodeElement(&value, &start) != nil {
			return nil
		}
		fields[start.Name.Local] = value
	}
}
