package problem

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// MaxJSON is how long a JSON request may be for [ReadJSON], in bytes.
const MaxJSON = 64 << 10

// ReadJSON reads a small JSON body as [DecodeJSON] does and returns its bytes too. It refuses with [TooLarge] what is
// longer than [MaxJSON].
func ReadJSON[T any](w http.ResponseWriter, r *http.Request) (v T, body []byte, err error) {
	var none T
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, MaxJSON))
	if err != nil {
		return none, nil, Unreadable(err)
	}
	if v, err = DecodeJSON[T](body); err != nil {
		return none, nil, err
	}
	return v, body, nil
}

// DecodeJSON reads one JSON object strictly: no unknown member, none twice in whatever letters, nothing behind it. It
// refuses with [BadRequest].
func DecodeJSON[T any](body []byte) (T, error) {
	var v, none T
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	object := bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) // null would do for encoding/json
	if err := d.Decode(&v); err != nil || !object {
		return none, BadRequest.With("the body is not the JSON object that is expected")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return none, BadRequest.With("something follows the JSON object")
	}
	if twice(json.NewDecoder(bytes.NewReader(body))) {
		return none, BadRequest.With("a member appears twice")
	}
	return v, nil
}

// twice tells whether an object of a JSON text has a member twice. encoding/json would take the last, and names in any
// letters: another reader of the same bytes might see another request. The text was decoded before, so that it is sound
// and not too deep.
func twice(d *json.Decoder) bool {
	t, err := d.Token()
	if err != nil {
		return false
	}
	switch t {
	case json.Delim('{'):
		seen := map[string]bool{}
		for d.More() {
			name, err := d.Token()
			if err != nil {
				return false
			}
			text, _ := name.(string)
			folded := strings.ToLower(text)
			if seen[folded] || twice(d) {
				return true
			}
			seen[folded] = true
		}
	case json.Delim('['):
		for d.More() {
			if twice(d) {
				return true
			}
		}
	default:
		return false
	}
	_, _ = d.Token() // the closing bracket
	return false
}

// WriteJSON answers with v. What it returns is a fault, and nothing was written.
func WriteJSON[T any](w http.ResponseWriter, status int, v T) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client is gone if this fails
	return nil
}

// Unreadable is the refusal of a body that could not be read: too long for its http.MaxBytesReader, or broken off.
func Unreadable(err error) *Problem {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return TooLarge
	}
	return BadRequest.With("the body breaks off")
}
