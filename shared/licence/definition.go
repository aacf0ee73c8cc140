package licence

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/yinxin/yinxin/shared/ident"
	"github.com/yinxin/yinxin/shared/layout"
	"github.com/yinxin/yinxin/shared/redact"
	"github.com/yinxin/yinxin/shared/verdict"
)

// Definition is a licence type as data: from this one source come the checks of a draft, the face, the claims of the
// credential and its type metadata.
type Definition struct {
	Code      string           `json:"typeCode"` // 21 characters: code of the defining authority and three digits
	Version   int              `json:"version"`  // of the definition; one more where verifiers must tell the difference
	Name      verdict.Text     `json:"name"`
	Authority Authority        `json:"authority"`  // 证照定义机构
	Issuers   []string         `json:"issuers"`    // codes of the agencies that issue it
	Holder    ident.HolderType `json:"holderType"` // kind of its holders
	Validity  Validity         `json:"validity"`
	Fields    []Field          `json:"fields"`    // beside those that every licence has
	Selective []string         `json:"selective"` // claims that the holder may withhold
	// Masks say how much of a claim is shown to someone who was not given it.
	Masks map[string]ident.MaskRule `json:"masks,omitempty"`
	Shown []string                  `json:"shown"` // claims that a show code discloses beside those that are always there
	// Items are the matters (事项编码) that may look it up; none: any.
	Items []string `json:"items,omitempty"`
	// Face is the template of the face, in the form of layout.ParseTemplate: an object, or the name of an embedded one.
	Face json.RawMessage `json:"face"`
}

// Authority is who defines a type.
type Authority struct {
	USCC string `json:"uscc"`
	Name string `json:"name"`
}

// Validity is how long licences are valid where a draft does not say; 0 years is long-term (长期).
type Validity struct {
	Years int `json:"years"`
}

// Field is one field of the face (照面数据) that the type adds.
type Field struct {
	Key       string       `json:"key"` // name of the claim and of the template's field
	Name      verdict.Text `json:"name"`
	MaxLength int          `json:"maxLength"` // characters
	Optional  bool         `json:"optional,omitempty"`
}

// The claims that every licence has; names after GB/T 36903-2018 as code in use has them.
const (
	ClaimIdentifier = "certificateIdentifier"
	ClaimTypeCode   = "certificateTypeCode"
	ClaimName       = "certificateName"
	ClaimVersion    = "certificateVersion"
	ClaimNumber     = "certificateNumber"
	ClaimIssuer     = "certificateIssuingAuthorityName"
	ClaimIssuerCode = "certificateIssuingAuthorityCode"
	ClaimIssuedOn   = "certificateIssuedDate"
	ClaimValidFrom  = "certificateEffectiveDate"
	ClaimValidTo    = "certificateExpiringDate"
	ClaimHolder     = "certificateHolderName"
	ClaimHolderCode = "certificateHolderCode"
	ClaimHolderType = "certificateHolderType"
	claimValidity   = "certificateValidityRange" // on the face only
)

// baseClaims are they, in the order of the credential, with their names.
var baseClaims = []struct {
	key  string
	name verdict.Text
}{
	{ClaimIdentifier, verdict.Text{ZH: "电子证照标识", EN: "Licence identifier"}},
	{ClaimTypeCode, verdict.Text{ZH: "证照类型代码", EN: "Licence type code"}},
	{ClaimName, verdict.Text{ZH: "证照名称", EN: "Licence"}},
	{ClaimVersion, verdict.Text{ZH: "证照版本号", EN: "Version"}},
	{ClaimNumber, verdict.Text{ZH: "证照编号", EN: "Number"}},
	{ClaimIssuer, verdict.Text{ZH: "证照颁发机构", EN: "Issuer"}},
	{ClaimIssuerCode, verdict.Text{ZH: "证照颁发机构代码", EN: "Issuer's code"}},
	{ClaimIssuedOn, verdict.Text{ZH: "证照颁发日期", EN: "Issued on"}},
	{ClaimValidFrom, verdict.Text{ZH: "证照有效期起始日期", EN: "Valid from"}},
	{ClaimValidTo, verdict.Text{ZH: "证照有效期截止日期", EN: "Valid until"}},
	{ClaimHolder, verdict.Text{ZH: "持证主体", EN: "Holder"}},
	{ClaimHolderCode, verdict.Text{ZH: "持证主体代码", EN: "Holder's code"}},
	{ClaimHolderType, verdict.Text{ZH: "持证主体代码类型", EN: "Kind of holder's code"}},
}

// ErrType wraps every reason why a type definition is refused.
var ErrType = errors.New("licence type definition")

//go:embed types/*.json
var embedded embed.FS

// SampleTypes returns the two types of the demonstration: 居家上门服务证(示例) and 营业执照(示例).
func SampleTypes() ([]Definition, error) {
	var types []Definition
	for _, name := range []string{"business-licence", "home-service"} {
		data, err := embedded.ReadFile("types/" + name + ".json")
		if err != nil {
			return nil, err
		}
		t, err := ParseType(data)
		if err != nil {
			return nil, fmt.Errorf("the embedded type %s: %w", name, err)
		}
		types = append(types, t)
	}
	return types, nil
}

// ParseType reads and checks a type definition: no unknown member, codes that fit, claims and fields that exist, a face
// whose template is sound and asks for nothing that the type does not have. The error wraps [ErrType].
func ParseType(data []byte) (Definition, error) {
	var t Definition
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&t); err != nil {
		return Definition{}, fmt.Errorf("%w: %v", ErrType, redact.JSON(err, d.InputOffset()))
	}
	if _, err := d.Token(); err != io.EOF {
		return Definition{}, fmt.Errorf("%w: something follows the object", ErrType)
	}
	var name string
	if json.Unmarshal(t.Face, &name) == nil {
		face, err := embedded.ReadFile("types/" + name)
		if err != nil {
			return Definition{}, fmt.Errorf("%w: there is no embedded face %q", ErrType, name)
		}
		t.Face = face
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, t.Face); err != nil {
		return Definition{}, fmt.Errorf("%w: the face: %v", ErrType, err)
	}
	t.Face = compact.Bytes()
	if err := t.check(); err != nil {
		return Definition{}, fmt.Errorf("%w: %w", ErrType, err)
	}
	return t, nil
}

func (t Definition) check() error {
	if err := ident.CheckTypeCode(t.Code); err != nil {
		return fmt.Errorf("typeCode: %w", err)
	}
	switch {
	case t.Authority.USCC != t.Code[:18] || t.Authority.Name == "":
		return errors.New("the authority is not the one in the type code, or has no name")
	case t.Version < 1 || t.Version > 999:
		return errors.New("version is 1 to 999")
	case t.Name.ZH == "" || t.Name.EN == "":
		return errors.New("the name is needed in two languages")
	case len(t.Issuers) == 0:
		return errors.New("nobody issues it")
	case t.Holder != ident.CitizenIDType && t.Holder != ident.USCCType:
		return errors.New("holderType is 111 or 001")
	case t.Validity.Years < 0 || t.Validity.Years > 50:
		return errors.New("validity is 0 to 50 years")
	}
	for _, uscc := range t.Issuers {
		if err := ident.CheckUSCC(uscc); err != nil {
			return fmt.Errorf("issuer %s: %w", uscc, err)
		}
	}
	known, err := t.claims()
	if err != nil {
		return err
	}
	for _, list := range [][]string{t.Selective, t.Shown, slices.Collect(maps.Keys(t.Masks))} {
		for _, key := range list {
			if !known[key] {
				return fmt.Errorf("there is no claim %q", key)
			}
		}
	}
	for key, rule := range t.Masks {
		if !rule.Known() {
			return fmt.Errorf("the mask of %s: there is no rule %q", key, rule)
		}
	}
	return t.checkFace(known)
}

// claims are the names of all claims.
func (t Definition) claims() (map[string]bool, error) {
	known := map[string]bool{}
	for _, c := range baseClaims {
		known[c.key] = true
	}
	for _, f := range t.Fields {
		switch {
		case f.Key == "" || known[f.Key] || reservedClaim(f.Key):
			return nil, fmt.Errorf("the field %q has no name, or one that is taken", f.Key)
		case f.MaxLength < 1 || f.MaxLength > 2000 || f.Name.ZH == "" || f.Name.EN == "":
			return nil, fmt.Errorf("the field %s needs a name and a length of 1 to 2000", f.Key)
		}
		known[f.Key] = true
	}
	return known, nil
}

// reservedClaim tells whether a name means something to JWT, SD-JWT or the type system.
func reservedClaim(name string) bool {
	return slices.Contains([]string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "vct", "vct#integrity", "aka_vcts",
		"status", "_sd", "_sd_alg", "...", claimValidity}, name)
}

func (t Definition) checkFace(known map[string]bool) error {
	face, err := t.template()
	if err != nil {
		return err
	}
	if face.Seal == nil {
		return errors.New("the face has no place for the seal")
	}
	optional := map[string]bool{}
	for _, f := range t.Fields {
		optional[f.Key] = f.Optional
	}
	for _, key := range face.Fields() {
		if !known[key] && key != claimValidity {
			return fmt.Errorf("the face shows %q, which the type does not have", key)
		}
		if optional[key] && face.Required(key) {
			return fmt.Errorf("the face cannot do without %q, which is optional", key)
		}
	}
	return nil
}

func (t Definition) template() (*layout.Template, error) { return layout.ParseTemplate(t.Face) }

// VCT is the vct of credentials of the type.
func (t Definition) VCT() string { return fmt.Sprintf("urn:cn:elicence:%s:%d", t.Code, t.Version) }

// Masked returns a claim's value as someone sees it who was not given it.
func (t Definition) Masked(key, value string) string { return ident.Mask(t.Masks[key], value) }

type metadataText struct {
	Locale      string `json:"locale"`
	Name        string `json:"name,omitempty"`
	Label       string `json:"label,omitempty"`
	Description string `json:"description,omitempty"`
}

type metadataClaim struct {
	Path      []string       `json:"path"`
	Display   []metadataText `json:"display"`
	Mandatory bool           `json:"mandatory"`
	SD        string         `json:"sd"`
}

type metadata struct {
	VCT     string          `json:"vct"`
	Name    string          `json:"name"`
	Display []metadataText  `json:"display"`
	Claims  []metadataClaim `json:"claims"`
}

// Metadata is the SD-JWT VC Type Metadata of the type. Equal types have equal bytes.
func (t Definition) Metadata() ([]byte, error) {
	m := metadata{VCT: t.VCT(), Name: t.Name.EN,
		Display: []metadataText{{Locale: "zh-CN", Name: t.Name.ZH}, {Locale: "en", Name: t.Name.EN}}}
	add := func(key string, name verdict.Text, mandatory bool) {
		c := metadataClaim{Path: []string{key}, Mandatory: mandatory, SD: "never",
			Display: []metadataText{{Locale: "zh-CN", Label: name.ZH}, {Locale: "en", Label: name.EN}}}
		if slices.Contains(t.Selective, key) {
			c.SD = "always"
		}
		m.Claims = append(m.Claims, c)
	}
	for _, c := range baseClaims {
		add(c.key, c.name, c.key != ClaimValidTo)
	}
	for _, f := range t.Fields {
		add(f.Key, f.Name, !f.Optional)
	}
	return json.Marshal(m)
}

// integrity is the value of vct#integrity (W3C Subresource Integrity).
func (t Definition) integrity() (string, error) {
	m, err := t.Metadata()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(m)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:]), nil
}
