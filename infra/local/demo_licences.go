package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/yinxin/yinxin/shared/verdict"
)

// The licence types of the story, see shared/licence/types.
const (
	typeBusiness = market + "001" // 营业执照(示例)
	typeService  = labour + "001" // 居家上门服务证(示例)
)

const (
	mediaPNG   = "image/png"
	mediaSDJWT = "application/dc+sd-jwt"
)

// issued is what the story keeps of one.
type issued struct{ ID, Identifier, State string }

// licences: the company gets its business licence, the worker a service certificate; the portal reads the one by
// mandate, a household scans the other.
func (t *telling) licences(ctx context.Context) error {
	var business, service issued
	if err := t.step("示例省市场监督管理局 issues 营业执照(示例)", func() (err error) {
		business, err = t.issue(ctx, "li", map[string]any{
			"organisation": market, "type": typeBusiness, "number": "990000000000001",
			"holder": map[string]string{"type": "001", "code": company, "name": "示例家政服务有限公司"},
			"fields": map[string]string{
				"companyType": "有限责任公司(示例)", "legalRepresentative": "郑十(示例)", "businessScope": "家政服务；居家上门服务培训；养老服务。（示例）",
				"registeredCapital": "壹佰万元整", "establishedDate": "2026年01月01日", "address": "示例省示例市示例路1号",
			},
			"purpose": why("设立登记(示例)", "DJ-0001", "DJ-2026-0008"),
		})
		return err
	}); err != nil {
		return err
	}
	if err := t.step("示例省人力资源和社会保障厅 issues 居家上门服务证(示例)", func() (err error) {
		service, err = t.issue(ctx, "sun", map[string]any{
			"organisation": labour, "type": typeService, "number": "FW990000000001",
			"holder":  map[string]string{"type": "111", "code": "990000199202140010", "name": "周八(示例)"},
			"fields":  map[string]string{"employer": "示例家政服务有限公司", "serviceCategory": "居家养老照护、家庭保洁"},
			"purpose": why("核发居家上门服务证(示例)", "FW-0003", "FW-2026-0117"),
		})
		return err
	}); err != nil {
		return err
	}
	t.facts["business"], t.facts["service"] = business, service
	if err := t.step("the agencies' copies: PDF, OFD, PNG, SD-JWT VC",
		func() error { return t.copies(ctx, service) }); err != nil {
		return err
	}
	if err := t.portal(ctx); err != nil {
		return err
	}
	return t.scan(ctx, service, "a household scans the worker's code", "valid")
}

// issue drafts a licence and issues it.
func (t *telling) issue(ctx context.Context, person string, draft map[string]any) (issued, error) {
	c, err := t.at(ctx, person)
	if err != nil {
		return issued{}, err
	}
	var l issued
	if err := c.post(ctx, "/licences", draft, &l); err != nil {
		return issued{}, err
	}
	err = c.post(ctx, "/licences/"+l.ID+"/issue",
		map[string]any{"organisation": draft["organisation"], "purpose": draft["purpose"]}, &l)
	return l, err
}

// copies fetches every form of the worker's certificate as its holder.
func (t *telling) copies(ctx context.Context, l issued) error {
	c, err := t.phoneOf(ctx, "worker")
	if err != nil {
		return err
	}
	for name, accept := range map[string]string{
		"licence.pdf": mediaPDF, "licence.ofd": mediaOFD, "licence.png": mediaPNG, "licence.sd-jwt": mediaSDJWT,
	} {
		if t.files[name], err = c.get(ctx, "/licences/"+l.ID, accept); err != nil {
			return err
		}
	}
	t.facts["licence"] = map[string]any{
		"id": l.ID, "identifier": l.Identifier, "qr": l.Identifier,
		"face": []string{"周八(示例)", "示例家政服务有限公司", "居家养老照护、家庭保洁", "FW990000000001", "示例省人力资源和社会保障厅"},
	}
	return nil
}

// phoneOf is a caller signed on as person in the phone app.
func (t *telling) phoneOf(ctx context.Context, person string) (caller, error) {
	as := person + "@phone"
	if t.tokens[as] == "" {
		seed, err := t.s.demoSeed()
		if err != nil {
			return caller{}, err
		}
		phone, err := seedApp(seed, "demo-app-a")
		if err != nil {
			return caller{}, err
		}
		got, err := t.browser(person).SignOn(ctx, phone, person, t.people[person])
		if err != nil {
			return caller{}, fmt.Errorf("%s signs on: %w", person, err)
		}
		t.tokens[as] = got.Access
	}
	return caller{base: t.base, http: t.http, token: t.tokens[as]}, nil
}

// portal: the fund portal reads the company's licence by the agent's mandate, for a purpose and a case.
func (t *telling) portal(ctx context.Context) error {
	c := caller{base: t.base, http: t.http, token: t.tokens["zhang@portal"]}
	query := func(purpose map[string]string) (found []struct {
		Identifier string `json:"identifier"`
		Credential string `json:"credential"`
	}, err error) {
		var out struct{ Licences json.RawMessage }
		if err := c.post(ctx, "/share/licences/query",
			map[string]any{"organisation": company, "type": typeBusiness, "purpose": purpose}, &out); err != nil {
			return nil, err
		}
		return found, json.Unmarshal(out.Licences, &found)
	}
	if err := t.step("the portal reads the company's licence by mandate", func() error {
		found, err := query(why("服务业发展专项资金申报(示例)", "ZJ-0007", "ZJ-2026-0042"))
		if err != nil {
			return err
		}
		t.check("licences that the portal gets", "1", fmt.Sprint(len(found)))
		if len(found) == 0 {
			return nil
		}
		return t.judge(ctx, "what the portal got, verified", "valid", "", []byte(found[0].Credential))
	}); err != nil {
		return err
	}
	_, err := query(map[string]string{"text": "看一看(示例)"})
	t.check("the portal asks without a case", "400 item_code_missing", answer(err))
	return nil
}

// scan: the worker shows a code, and a household verifies it without signing on.
func (t *telling) scan(ctx context.Context, l issued, step, want string) error {
	return t.step(step, func() error {
		c, err := t.phoneOf(ctx, "worker")
		if err != nil {
			return err
		}
		var code struct{ QR string }
		if err := c.post(ctx, "/show-codes", map[string]any{"licence": l.ID}, &code); err != nil {
			return err
		}
		v, err := t.anonymous().verify(ctx, "", []byte(code.QR))
		if err != nil {
			return err
		}
		t.check(step, want, shown(v))
		if v.Licence != nil {
			t.check("… and sees a masked name", "周*", v.Licence.Holder)
		}
		return t.judge(ctx, "the same code once more", "invalid SHOW_CODE_SPENT", "", []byte(code.QR))
	})
}

// traces: the worker's certificate is revoked; the same scan fails with the reason; holders see who looked, and why.
func (t *telling) traces(ctx context.Context) error {
	service, _ := t.facts["service"].(issued)
	if err := t.step("示例省人力资源和社会保障厅 revokes the certificate", func() error {
		c, err := t.at(ctx, "sun")
		if err != nil {
			return err
		}
		if err := c.post(ctx, "/licences/"+service.ID+"/revoke", map[string]any{
			"organisation": labour, "reason": "经查，申请材料不实(示例)", "purpose": why("撤销居家上门服务证(示例)", "FW-0004", "FW-2026-0119"),
		}, nil); err != nil {
			return err
		}
		return t.published(ctx)
	}); err != nil {
		return err
	}
	if err := t.scan(ctx, service, "the household scans again", "invalid LIC_REVOKED"); err != nil {
		return err
	}
	if err := t.judge(ctx, "the revoked licence, SD-JWT VC", "invalid LIC_REVOKED", "", t.files["licence.sd-jwt"]); err != nil {
		return err
	}
	for _, h := range []struct{ person, who, purpose string }{
		{"zhang", "张三(示例) sees who read the company's licence", "服务业发展专项资金申报(示例)"},
		{"worker", "周八(示例) sees that the code was scanned", "核验上门服务人员证照(示例)"},
	} {
		c, err := t.phoneOf(ctx, h.person)
		if err != nil {
			return err
		}
		usage, err := c.get(ctx, "/account/usage", "application/json")
		if err != nil {
			return err
		}
		seen := "not seen"
		if bytes.Contains(usage, []byte(h.purpose)) {
			seen = "seen"
		}
		t.check(h.who, "seen", seen)
	}
	return nil
}

// statusList is the address of the list that the worker's certificate refers to.
func (t *telling) statusList(ctx context.Context) (string, error) {
	issuer, _, _ := strings.Cut(string(t.files["licence.sd-jwt"]), "~")
	var claims struct {
		Status struct {
			List struct{ URI string } `json:"status_list"`
		}
	}
	return claims.Status.List.URI, decodeJWT(issuer, &claims)
}

// published waits until the revocation is in the published list: the event loop publishes it, not the request.
func (t *telling) published(ctx context.Context) error {
	uri, err := t.statusList(ctx)
	if err != nil {
		return err
	}
	path := strings.TrimPrefix(uri, t.base)
	for range 100 {
		list, err := t.anonymous().get(ctx, path, "application/statuslist+jwt")
		if err != nil {
			return err
		}
		t.files["status-list.jwt"] = list
		v, err := t.anonymous().verify(ctx, "", t.files["licence.sd-jwt"])
		if err != nil {
			return err
		}
		if v.Overall == verdict.Invalid {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("the revocation was not published within ten seconds")
}
