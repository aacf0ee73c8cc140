package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/yinxin/yinxin/shared/page"
	"github.com/yinxin/yinxin/shared/registry"
)

// first makes the first page from the demo seed: what it shows is what was seeded.
func (s *server) first(apps []*sampleApp) (http.Handler, error) {
	seed, _, err := registry.ParseSeed(demoSeed, s.now())
	if err != nil {
		return nil, fmt.Errorf("reading the demo seed: %w", err)
	}
	f := page.First{Issuer: s.issuer}
	names := map[string]string{}
	for _, o := range seed.Organisations {
		names[o.USCC] = o.Name
		f.Organisations = append(f.Organisations, page.FirstOrganisation{Name: o.Name, Code: o.USCC, Duties: o.Duties})
	}
	for _, p := range seed.Persons {
		person := page.FirstPerson{Name: p.Name, ID: p.ID, Password: p.Password}
		for _, m := range seed.Mandates {
			if m.Person == p.ID {
				person.Acts = append(person.Acts, page.Actor{Name: names[m.Organisation], Code: m.Organisation, Roles: m.Roles})
			}
		}
		f.People = append(f.People, person)
	}
	for _, record := range seed.Clients {
		var c struct {
			ID     string `json:"client_id"`
			Name   string `json:"client_name"`
			Secret string `json:"client_secret"`
			Scope  string `json:"scope"`
		}
		if err := json.Unmarshal(record, &c); err != nil {
			return nil, fmt.Errorf("reading a client of the demo seed: %w", err)
		}
		f.Clients = append(f.Clients, page.FirstClient{Name: c.Name, ID: c.ID, Secret: c.Secret, Scope: c.Scope})
	}
	notes := [][2]string{
		{"用下表中的用户名和示例密码登录。", "Sign on with a user name and sample password from the table below."},
		{"同一浏览器中再打开第二个应用：不再输入密码，且两个应用看到的用户标识不同。",
			"In the same browser: no second password, and an identifier that the first application does not know."},
	}
	for i, a := range apps {
		f.Apps = append(f.Apps, page.Link{
			Address: a.path, ZH: "登录应用：" + a.name, EN: "Sign on to application " + string(rune('A'+i)),
			NoteZH: notes[i][0], NoteEN: notes[i][1],
		})
	}
	f.Links = []page.Link{
		{Address: "/verify", ZH: "验证文件或证照", EN: "Verify a document or a licence",
			NoteZH: "放入 PDF、OFD 或证照，逐项查看结论与原因。", NoteEN: "Drop a PDF, an OFD or a licence and read the verdict check by check."},
		{Address: samplePath + "notice-stamped.ofd",
			ZH: "示例：两个机构联合用印的公示（OFD）", EN: "Sample: a notice that two agencies stamped (OFD)",
			NoteZH: "首次打开时在本机演示全过程并生成，可拖入验证页。",
			NoteEN: "Made here by playing the whole story when first asked for; drop it into the verification page."},
		{Address: samplePath + "licence.pdf", ZH: "示例：一份已撤销的证照（PDF）", EN: "Sample: a licence that was revoked since (PDF)",
			NoteZH: "签章有效，证照已撤销：两者分别说明。", NoteEN: "Its stamp is good and the licence is revoked: two different things."},
		{Address: "/account", ZH: "我的账户与使用记录", EN: "My account, and who looked at my data",
			NoteZH: "登录后可见谁在何时因何查看了您的信息。", NoteEN: "After signing on: who looked, when, and why."},
		{Address: outboxPath, ZH: "发件箱：通知", EN: "Outbox: notices",
			NoteZH: "证照被查看、签发或撤销，印章有变更，账户在新浏览器登录：当事人会收到什么通知。",
			NoteEN: "What people are told: of look-ups, of what became of a licence or a seal, of a sign-on in a new browser."},
		{Address: "/.well-known/openid-configuration", ZH: "服务元数据", EN: "Provider metadata",
			NoteZH: "OpenID Connect Discovery 1.0，供应用接入。",
			NoteEN: "OpenID Connect Discovery 1.0, for applications that want to connect."},
	}
	p := f.Page()
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { page.Write(w, http.StatusOK, p) }), nil
}
