package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/yinxin/yinxin/infra/local/browser"
	"github.com/yinxin/yinxin/shared/ofd"
	"github.com/yinxin/yinxin/shared/pdf"
)

// The organisations of the story, by unified social credit code; see seed.json.
const (
	finance   = "11990000YX0000016H" // 示例省财政厅
	commerce  = "11990000YX0000024C" // 示例省商务厅
	authority = "11990000YX00000327" // 示例省人民政府办公厅: issuing authority (制发部门)
	maker     = "12990000YX0000040Y" // 示例省印章制作中心
	market    = "11990000YX0000059Y" // 示例省市场监督管理局
	labour    = "11990000YX0000067R" // 示例省人力资源和社会保障厅
	company   = "91990000YX00000AXR" // 示例家政服务有限公司
)

// identity: the agent of the company signs on in one app and enters the fund portal without a second log-in.
func (t *telling) identity(ctx context.Context) error {
	seed, err := t.s.demoSeed()
	if err != nil {
		return err
	}
	phone, err := seedApp(seed, "demo-app-a")
	if err != nil {
		return err
	}
	portal, err := seedApp(seed, "demo-app-b")
	if err != nil {
		return err
	}
	b := t.browser("zhang")
	if err := t.step("张三(示例) signs on in the app 掌上政务(示例)", func() error {
		got, err := b.SignOn(ctx, phone, "zhang", t.people["zhang"])
		t.tokens["zhang@phone"] = got.Access
		return err
	}); err != nil {
		return err
	}
	t.check("passwords typed after the first app", "1", fmt.Sprint(b.Typed))
	if err := t.step("… and enters the fund portal in the same browser", func() error {
		got, err := b.SignOn(ctx, portal, "zhang", t.people["zhang"])
		t.tokens["zhang@portal"] = got.Access
		return err
	}); err != nil {
		return err
	}
	t.check("passwords typed after the second app", "1", fmt.Sprint(b.Typed))
	return nil
}

// why is a purpose as a caller states it.
func why(text, itemCode, caseNumber string) map[string]string {
	return map[string]string{"code": "public-notice", "text": text, "itemCode": itemCode, "caseNumber": caseNumber,
		"legalBasis": "《示例省政务服务办法（示例）》第三条"}
}

// seals: four agencies get their seals: requested by the owner, approved by another person, made, activated.
func (t *telling) seals(ctx context.Context) error {
	for _, owner := range []struct{ uscc, name, clerk string }{
		{finance, "示例省财政厅", "li"}, {commerce, "示例省商务厅", "sun"},
		{market, "示例省市场监督管理局", "li"}, {labour, "示例省人力资源和社会保障厅", "sun"},
	} {
		if err := t.step(owner.name+": requested, approved, made, activated", func() error {
			return t.seal(ctx, owner.uscc, owner.clerk)
		}); err != nil {
			return err
		}
	}
	if err := t.step("王五(示例) asks for a seal of the issuing authority, and may not approve it", func() error {
		c, err := t.at(ctx, "wang")
		if err != nil {
			return err
		}
		var asked struct{ ID string }
		in := map[string]any{"organisation": authority, "purpose": why("启用电子印章(示例)", "YZ-0001", "YZ-2026-0002")}
		if err := c.post(ctx, "/seals", in, &asked); err != nil {
			return err
		}
		t.check("one person asks for a seal and approves it", "403 seal_same_person",
			answer(c.post(ctx, "/seals/"+asked.ID+"/approve", in, nil)))
		return nil
	}); err != nil {
		return err
	}
	c, err := t.at(ctx, "li")
	if err != nil {
		return err
	}
	id := t.made[finance]
	if t.files["seal.svg"], err = c.get(ctx, "/seals/"+id+"/picture", "image/svg+xml"); err != nil {
		return err
	}
	if t.files["seal.png"], err = c.get(ctx, "/seals/"+id+"/picture", "image/png"); err != nil {
		return err
	}
	return nil
}

func (t *telling) seal(ctx context.Context, owner, clerk string) error {
	reason := why("启用电子印章(示例)", "YZ-0001", "YZ-2026-0001")
	var made struct{ ID, Code, State string }
	act := func(person, organisation, verb string) error {
		c, err := t.at(ctx, person)
		if err != nil {
			return err
		}
		path := "/seals"
		if verb != "" {
			path += "/" + made.ID + "/" + verb
		}
		return c.post(ctx, path, map[string]any{"organisation": organisation, "purpose": reason}, &made)
	}
	if err := act(clerk, owner, ""); err != nil {
		return err
	}
	for _, a := range [][3]string{{"wang", authority, "approve"}, {"zhao", maker, "make"}, {clerk, owner, "activate"}} {
		if err := act(a[0], a[1], a[2]); err != nil {
			return err
		}
	}
	t.made[owner] = made.ID
	if owner == finance {
		t.check("the seal of 示例省财政厅", "active", made.State)
		t.facts["seal"] = map[string]string{"id": made.ID, "code": made.Code}
	}
	return nil
}

// answer is the status and code of a refusal, or what else an error says.
func answer(err error) string {
	var refused *refusal
	switch {
	case err == nil:
		return "allowed"
	case errors.As(err, &refused):
		return fmt.Sprintf("%d %s", refused.status, refused.code)
	default:
		return err.Error()
	}
}

// stamps: two agencies stamp the public notice, one after the other, as PDF and as OFD.
func (t *telling) stamps(ctx context.Context) error {
	pages, err := publicNotice(t.fonts, t.now)
	if err != nil {
		return err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	if t.files["notice.pdf"], err = pdf.Write(pdf.Document{
		Pages: pages, Title: noticeTitle, Author: "示例省财政厅、示例省商务厅", Created: t.now, Lang: "zh-CN",
	}, t.fonts); err != nil {
		return err
	}
	if t.files["notice.ofd"], err = ofd.Write(ofd.Document{
		Pages: pages, Title: noticeTitle, Author: "示例省财政厅、示例省商务厅", Created: t.now, DocID: hex.EncodeToString(id[:]),
	}, t.fonts); err != nil {
		return err
	}
	for _, format := range []string{"pdf", "ofd"} {
		document := t.files["notice."+format]
		for _, s := range []struct {
			owner, name, clerk string
			at                 place
		}{{finance, "示例省财政厅", "li", financePlace}, {commerce, "示例省商务厅", "sun", commercePlace}} {
			if err := t.step(s.name+" stamps the notice, "+format, func() error {
				c, err := t.at(ctx, s.clerk)
				if err != nil {
					return err
				}
				document, err = c.stamp(ctx, t.made[s.owner], "notice."+format, document, map[string]any{
					"purpose": why("公示拟支持项目(示例)", "ZJ-0007", "ZJ-2026-0042"),
					"place":   map[string]any{"page": 1, "x": s.at.X, "y": s.at.Y},
				})
				return err
			}); err != nil {
				return err
			}
		}
		t.files["notice-stamped."+format] = document
	}
	return nil
}

// judge has a document or text verified and notes the outcome.
func (t *telling) judge(ctx context.Context, step, want, media string, document []byte) error {
	v, err := t.anonymous().verify(ctx, media, document)
	if err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	t.check(step, want, shown(v))
	return nil
}

const (
	mediaPDF = "application/pdf"
	mediaOFD = "application/ofd"
)

// forgeries: what was made is valid; every altered copy is refused by name.
func (t *telling) forgeries(ctx context.Context) error {
	stampedPDF, stampedOFD := t.files["notice-stamped.pdf"], t.files["notice-stamped.ofd"]
	sdjwt := string(t.files["licence.sd-jwt"])
	type copyOf struct {
		step, want, media string
		document          func() ([]byte, error)
	}
	as := func(document []byte) func() ([]byte, error) { return func() ([]byte, error) { return document, nil } }
	for _, c := range []copyOf{
		{"the stamped notice, OFD", "valid", mediaOFD, as(stampedOFD)},
		{"the stamped notice, PDF", "valid", mediaPDF, as(stampedPDF)},
		{"the licence, OFD", "valid", mediaOFD, as(t.files["licence.ofd"])},
		{"the licence, PDF", "valid", mediaPDF, as(t.files["licence.pdf"])},
		{"the licence, SD-JWT VC", "valid", "", as([]byte(sdjwt))},
		{"OFD: an altered amount", "invalid HASH_FAILURE", mediaOFD,
			func() ([]byte, error) { return changedAmount(stampedOFD, amount, forged) }},
		{"OFD: a file that nobody stamped", "invalid SMUGGLED_FILES", mediaOFD,
			func() ([]byte, error) { return smuggledFile(stampedOFD) }},
		{"OFD: a page taken out of what is protected", "invalid HASH_FAILURE", mediaOFD,
			func() ([]byte, error) { return droppedReference(stampedOFD) }},
		{"PDF: an altered byte", "invalid HASH_FAILURE", mediaPDF, func() ([]byte, error) { return changedByte(stampedPDF) }},
		{"PDF: an appended revision", "invalid CHANGED_AFTER_SIGNING", mediaPDF,
			func() ([]byte, error) { return appendedRevision(stampedPDF) }},
		{"SD-JWT: an altered disclosure", "invalid LIC_DISCLOSURE", "", func() ([]byte, error) {
			s, err := changedDisclosure(sdjwt)
			return []byte(s), err
		}},
	} {
		document, err := c.document()
		if err != nil {
			return fmt.Errorf("%s: %w", c.step, err)
		}
		if err := t.step(c.step, func() error { return t.judge(ctx, c.step, c.want, c.media, document) }); err != nil {
			return err
		}
	}
	return nil
}

// seedApp finds an application of the seed.
func seedApp(seed demoPeople, id string) (browser.App, error) {
	for _, c := range seed.Clients {
		if c.ID == id && len(c.RedirectURIs) > 0 {
			return browser.App{ID: c.ID, Secret: c.Secret, Redirect: c.RedirectURIs[0], Scope: c.Scope}, nil
		}
	}
	return browser.App{}, fmt.Errorf("the seed has no application %s", id)
}

// demoPeople is what the story reads of the seed.
type demoPeople struct {
	Persons []struct{ ID, Password string }
	Clients []struct {
		ID           string   `json:"client_id"`
		Secret       string   `json:"client_secret"`
		RedirectURIs []string `json:"redirect_uris"`
		Scope        string   `json:"scope"`
	}
}

// demoSeed reads the seed with this server's addresses.
func (s *server) demoSeed() (demoPeople, error) {
	var p demoPeople
	err := json.Unmarshal(bytes.ReplaceAll(demoSeed, []byte(defaultIssuer), []byte(s.issuer)), &p)
	return p, err
}
