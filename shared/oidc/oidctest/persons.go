package oidctest

import (
	"errors"
	"testing"

	"github.com/yinxin/yinxin/shared/oidc"
)

// Persons checks [oidc.Persons]. open returns a store that knows these people, by identifier, and nobody else.
func Persons(t *testing.T, open func(t *testing.T, known map[string]oidc.Person) oidc.Persons) {
	zhang := oidc.Person{Name: "张三(示例)", Phone: "19900000001"}
	s := open(t, map[string]oidc.Person{"zhang": zhang, "li": {Name: "李四(示例)"}})
	if got, err := s.PersonClaims(t.Context(), "zhang"); err != nil || got != zhang {
		t.Errorf("PersonClaims = %v, %v, want %v", got, err, zhang)
	}
	for _, id := range []string{"", "zhan", "zhangs", "Zhang"} {
		if got, err := s.PersonClaims(t.Context(), id); !errors.Is(err, oidc.ErrPersonUnknown) || got != (oidc.Person{}) {
			t.Errorf("PersonClaims(%q) = %v, %v", id, got, err)
		}
	}
}
