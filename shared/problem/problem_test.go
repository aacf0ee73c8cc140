package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestARefusalIsAnsweredAsItIsAndAFaultGenerically(t *testing.T) {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(old)
	for name, test := range map[string]struct {
		err    error
		status int
		code   string
		logged bool
	}{
		"a refusal":           {Conflict, 409, "conflict", false},
		"with a detail":       {Forbidden.With("two persons are needed"), 403, "forbidden", false},
		"wrapped":             {fmt.Errorf("reading: %w", NotFound), 404, "not_found", false},
		"a body too long":     {&http.MaxBytesError{Limit: 1}, 413, "too_large", false},
		"a fault":             {errors.New("the disk secret-of-the-fault is full"), 500, "internal", true},
		"a fault in a mantle": {fmt.Errorf("storing: %w", errors.New("secret-of-the-fault")), 500, "internal", true},
	} {
		log.Reset()
		w := httptest.NewRecorder()
		Handler(func(http.ResponseWriter, *http.Request) error { return test.err }).ServeHTTP(w, httptest.NewRequest("POST", "/x", nil))
		var p Problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s: the body is no JSON: %v", name, err)
		}
		if w.Code != test.status || p.Status != test.status || p.Code != test.code || p.Type != "urn:yinxin:problem:"+test.code {
			t.Errorf("%s: answered %d %+v, want %d %s", name, w.Code, p, test.status, test.code)
		}
		if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
			t.Errorf("%s: Content-Type = %q", name, got)
		}
		if strings.Contains(w.Body.String(), "secret-of-the-fault") {
			t.Errorf("%s: the cause reached the caller: %s", name, w.Body)
		}
		if got := strings.Contains(log.String(), "secret-of-the-fault"); got != test.logged {
			t.Errorf("%s: logged = %v, want %v", name, got, test.logged)
		}
	}
}

func TestAProblemWithADetailIsStillTheDeclaredOne(t *testing.T) {
	if err := error(Conflict.With("it moved")); !errors.Is(err, Conflict) || errors.Is(err, NotFound) {
		t.Errorf("errors.Is of %v does not go by the code", err)
	}
	if Conflict.Detail != "" {
		t.Error("With changed the declared problem")
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestAJSONBodyIsReadStrictly(t *testing.T) {
	type in struct {
		Name  string `json:"name"`
		Inner []any  `json:"inner"`
	}
	for name, test := range map[string]struct {
		body io.Reader
		want *Problem
	}{
		"the object":             {strings.NewReader(`{"name":"x"}`), nil},
		"white space around it":  {strings.NewReader(" {\"name\":\"x\"} \n"), nil},
		"an unknown member":      {strings.NewReader(`{"name":"x","more":1}`), BadRequest},
		"something behind":       {strings.NewReader(`{"name":"x"}{}`), BadRequest},
		"another type":           {strings.NewReader(`{"name":1}`), BadRequest},
		"nothing":                {strings.NewReader(``), BadRequest},
		"null":                   {strings.NewReader(`null`), BadRequest},
		"a list":                 {strings.NewReader(`[]`), BadRequest},
		"a member twice":         {strings.NewReader(`{"name":"y","name":"x"}`), BadRequest},
		"in other letters":       {strings.NewReader(`{"name":"y","NAME":"x"}`), BadRequest},
		"escaped":                {strings.NewReader(`{"name":"y","n\u0061me":"x"}`), BadRequest},
		"twice inside":           {strings.NewReader(`{"inner":[1,{"a":{"b":1,"b":1}}],"name":"x"}`), BadRequest},
		"one name in two places": {strings.NewReader(`{"inner":[{"name":1},{"name":[]},"name"],"name":"x"}`), nil},
		"a deep one":             {strings.NewReader(`{"inner":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`), BadRequest},
		"a body that breaks off": {broken{}, BadRequest},
		"a body that is too long": {
			strings.NewReader(`{"name":"` + strings.Repeat("x", MaxJSON) + `"}`), TooLarge,
		},
	} {
		got, body, err := ReadJSON[in](httptest.NewRecorder(), httptest.NewRequest("POST", "/", test.body))
		if test.want == nil && (err != nil || got.Name != "x" || len(body) == 0) || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%s: %+v, %v; want %v", name, got, err, test.want)
		}
		if err != nil && (got.Name != "" || got.Inner != nil || body != nil) {
			t.Errorf("%s: a refused body left %+v", name, got)
		}
	}
}

func TestWhatCannotBeEncodedIsAFaultBeforeAnythingIsWritten(t *testing.T) {
	w := httptest.NewRecorder()
	if err := WriteJSON(w, http.StatusCreated, func() {}); err == nil || w.Body.Len() > 0 {
		t.Errorf("WriteJSON of a function = %v after %q", err, w.Body)
	}
	if err := WriteJSON(w, http.StatusCreated, map[string]int{"a": 1}); err != nil || w.Code != 201 || strings.TrimSpace(w.Body.String()) != `{"a":1}` {
		t.Errorf("WriteJSON = %v, %d %s", err, w.Code, w.Body)
	}
}
