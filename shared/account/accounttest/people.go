package accounttest

import (
	"reflect"
	"testing"

	"github.com/yinxin/yinxin/shared/account"
)

// Known is what a store for [People] knows.
type Known struct {
	Persons       map[string]string              // identifier → name
	Organisations map[string]string              // code → name
	Clients       map[string]string              // client_id → name
	Acting        map[string]map[string][]string // person → code → roles, now
	Ended         map[string]map[string][]string // the same, of mandates that have ended or not begun
}

// People checks [account.People] and [account.Names]. open returns a store that knows exactly what it is given.
func People(t *testing.T, open func(t *testing.T, k Known) (account.People, account.Names)) {
	people, names := open(t, Known{
		Persons:       map[string]string{"li": "李四(示例)", "lin": "林十(示例)"},
		Organisations: map[string]string{"119900000000000001": "示例省财政厅", "119900000000000002": "示例省商务厅"},
		Clients:       map[string]string{"desk": "政务工作台(示例)"},
		Acting: map[string]map[string][]string{
			"li":  {"119900000000000002": {"seal.stamp"}, "119900000000000001": {"seal.request", "seal.stamp"}},
			"lin": {"119900000000000001": {"licence.read"}},
		},
		Ended: map[string]map[string][]string{"li": {"119900000000000003": {"seal.make"}}},
	})
	want := account.Who{Name: "李四(示例)", Acts: []account.Acting{
		{Organisation: "119900000000000001", Name: "示例省财政厅", Roles: []string{"seal.request", "seal.stamp"}},
		{Organisation: "119900000000000002", Name: "示例省商务厅", Roles: []string{"seal.stamp"}},
	}}
	if got, err := people.Who(t.Context(), "li"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Who = %+v, %v, want %+v", got, err, want)
	}
	if got, err := people.Who(t.Context(), "nobody"); err != nil || !reflect.DeepEqual(got, account.Who{}) {
		t.Errorf("Who of nobody = %+v, %v", got, err)
	}
	for object, want := range map[string]string{
		"organisation/119900000000000001": "示例省财政厅",
		"organisation/119900000000000009": "",
		"client/desk":                     "政务工作台(示例)",
		"client/119900000000000001":       "",
		"person/li":                       "",
		"desk":                            "",
		"":                                "",
	} {
		if got, err := names.Name(t.Context(), object); err != nil || got != want {
			t.Errorf("Name(%q) = %q, %v, want %q", object, got, err, want)
		}
	}
}
