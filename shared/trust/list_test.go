package trust

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/yinxin/yinxin/shared/cert"
	"github.com/yinxin/yinxin/shared/key"
	"github.com/yinxin/yinxin/shared/verdict"
)

func sampleList() List {
	return List{
		Number: 3, IssuedAt: start, NextUpdate: start.AddDate(0, 1, 0),
		Makers:  []Maker{{USCC: maker, Name: "示例省印章制作中心", To: start.AddDate(1, 0, 0)}},
		Issuers: []Issuer{{USCC: agency, Name: "示例省财政厅", Types: []string{"11990000000000000X001"}, From: start}},
	}
}

func TestParseListReadsWhatWasWritten(t *testing.T) {
	data, err := json.Marshal(sampleList())
	if err != nil {
		t.Fatal(err)
	}
	l, err := ParseList(data)
	if err != nil || !reflect.DeepEqual(l, sampleList()) {
		t.Errorf("ParseList = %+v, %v", l, err)
	}
	for name, text := range map[string]string{
		"nothing":                   "",
		"a member nobody knows":     `{"number":1,"issuers":[{"uscc":"` + agency + `","types":["a"],"onlyOn":"Monday"}]}`,
		"two values":                string(data) + "{}",
		"a maker without a code":    `{"makers":[{"name":"示例"}]}`,
		"an issuer without a code":  `{"issuers":[{"types":["a"]}]}`,
		"a type without a code":     `{"issuers":[{"uscc":"` + agency + `","types":[""]}]}`,
		"a time that is none":       `{"issuedAt":"yesterday"}`,
		"what is larger than 4 MiB": string(make([]byte, maxListSize+1)),
	} {
		if l, err := ParseList([]byte(text)); err == nil || !reflect.DeepEqual(l, List{}) {
			t.Errorf("%s: ParseList = %+v, %v", name, l, err)
		}
	}
}

func TestOnlyListedMakersAreTrusted(t *testing.T) {
	w, l := newWorld(t, key.SM2SM3), sampleList()
	nameless := w.issue(nil, "示例", func(t *cert.Template) { t.Subject.Organization = "示例省印章制作中心" })
	if c := l.CheckMaker(w.maker.Certificate, signed); c.Result != verdict.Pass {
		t.Errorf("the maker: %+v", c)
	}
	for name, c := range map[string]verdict.Check{
		"an owner":                     l.CheckMaker(w.owner.Certificate, signed),
		"the maker when its time ends": l.CheckMaker(w.maker.Certificate, start.AddDate(1, 0, 0)),
		"a name without a code":        l.CheckMaker(nameless.Certificate, signed),
		"an empty list":                List{}.CheckMaker(w.maker.Certificate, signed),
	} {
		if c.Result != verdict.Fail || c.Code != MakerNotTrusted {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func TestAnAgencyIssuesItsOwnTypesOnly(t *testing.T) {
	w, l := newWorld(t, key.SM2SM3), sampleList()
	if c := l.CheckIssuer(w.owner.Certificate, "11990000000000000X001", signed); c.Result != verdict.Pass {
		t.Errorf("its own type: %+v", c)
	}
	for name, c := range map[string]verdict.Check{
		"another type":          l.CheckIssuer(w.owner.Certificate, "11990000000000000X002", signed),
		"no type":               l.CheckIssuer(w.owner.Certificate, "", signed),
		"another agency":        l.CheckIssuer(w.maker.Certificate, "11990000000000000X001", signed),
		"before it was allowed": l.CheckIssuer(w.owner.Certificate, "11990000000000000X001", start.Add(-time.Second)),
	} {
		if c.Result != verdict.Fail || c.Code != IssuerNotTrusted {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func FuzzParseList(f *testing.F) {
	data, err := json.Marshal(sampleList())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := ParseList(data)
		if err != nil {
			return
		}
		for _, i := range l.Issuers {
			if l.MayIssue(i.USCC, "", signed) {
				t.Fatal("an agency may issue a type without a code")
			}
		}
	})
}
